"""Recorders for tests to kill: FOLDER COUNT; each a process of its own that records 0, 1, ... at 200 Hz.

Prints their process ids on one line and ends when all are dead.
"""

import json
import os
import sys
import time
from pathlib import Path

from tests.robots.recording.made import JOINTS, joints

from sandlot.robots.recording.recorder import Recorder, RecorderConfig


def record(folder: Path) -> None:
    recorder = Recorder(folder, [JOINTS], RecorderConfig(reserve_mb=0), {})
    number = 0
    while True:
        recorder.offer(JOINTS.name, time.time_ns(), joints(number))
        number += 1
        time.sleep(0.005)


def main() -> None:
    folder, pids = Path(sys.argv[1]), []
    for number in range(int(sys.argv[2])):
        pids.append(os.fork())
        if pids[-1] == 0:
            record(folder / f"bag{number}")
    print(json.dumps(pids), flush=True)
    for pid in pids:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
