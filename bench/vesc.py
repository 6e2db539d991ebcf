"""A VESC over a pseudo-terminal at 50 Hz: from a command to the measurements that follow it.

`python -m bench.vesc` prints the rows. The emulator is a process of its own, as a real device is.
"""

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from sandlot.robots.serial_port import Patience, Port
from sandlot.robots.vesc import protocol
from sandlot.robots.vesc.host import Host

Row = dict[str, Any]
HZ, FOR_S = 50.0, 20.0


def round_trips_ms() -> np.ndarray:
    """Speed and steering out, measurements back, once a period."""
    argv = [sys.executable, "-m", "sandlot.robots.vesc.emulator"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as emulator:
        host = Host(Port(emulator.stdout.readline().strip(), 115200), Patience(reply_s=0.1, tries=1))
        try:
            host.hello()
            took_ms = []
            next_s = time.monotonic()
            for k in range(round(FOR_S * HZ)):
                time.sleep(max(0.0, next_s - time.monotonic()))
                next_s += 1.0 / HZ
                command = protocol.set_rpm(4000.0 + k) + protocol.set_servo(0.5)
                began_s = time.perf_counter()
                host.values(command)
                took_ms.append(1e3 * (time.perf_counter() - began_s))
        finally:
            host.close()
            emulator.terminate()
    return np.array(took_ms)


def measure() -> list[Row]:
    """Median, 99 of 100, longest."""
    took_ms = round_trips_ms()
    common = {"unit": "ms", "against": None, "against_value": None, "ratio": None, "runs": len(took_ms)}
    values = {"median": np.median(took_ms), "p99": np.percentile(took_ms, 99), "longest": took_ms.max()}
    return [
        {"figure": f"VESC over a pty at {HZ:g} Hz, round trip, {name}", "value": float(value)} | common
        for name, value in values.items()
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
