"""A gate whose wall clock is wrong by what a file says.

    python -m bench.gate_with_clock FILE --ros-args -r __ns:=/arm

The file holds one float64, seconds; it is read again with every reading of the clock.
"""

import mmap
import pathlib
import struct
import sys
import time


def main() -> int:
    """Sets the clock, then runs the gate as ever."""
    with pathlib.Path(sys.argv[1]).open("rb") as file:
        offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    true_time = time.time
    time.time = lambda: true_time() + struct.unpack("d", offset[:8])[0]
    from sandlot.robots.arm import gate_node

    return gate_node.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
