"""A machine that stood still proves nothing about a robot's deadlines: such a test alone is tried again.

Use it from a test module: `pytestmark = real_time`. The limits of arm and gate are about 100 ms; on a shared
machine a core is sometimes taken away for that long, and then the robot stops, as it must. A watcher on each
core notices. A test that fails while every core was there has failed, as has one that fails six times; each
waits longer for a calmer machine than the one before. Where a process of tests is a worker (`make test`), one
that hung is replaced and such a test is tried again as well: threads of Fast DDS may wait for each other (its
issue 6502), which nothing in Python can end.
"""

import os
import threading
import time
from collections import deque

import pytest

STALL_S = 0.04
"""A watcher that woke this late: of the driver's 100 ms not enough is left."""
WINDOW_S = 300.0
"""The longest of these tests; a stall before it is forgotten."""

_stalls_s: deque[float] = deque(maxlen=1000)


def _watch(core: int) -> None:
    os.sched_setaffinity(threading.get_native_id(), {core})
    while True:
        slept_s = time.monotonic()
        time.sleep(0.005)
        woke_s = time.monotonic()
        if woke_s - slept_s > STALL_S:
            _stalls_s.append(woke_s)


def stalled() -> bool:
    """Whether one of this process's cores stood still lately."""
    return any(at_s > time.monotonic() - WINDOW_S for at_s in _stalls_s)


for _core in sorted(os.sched_getaffinity(0)):
    threading.Thread(target=_watch, args=(_core,), daemon=True, name=f"stalls of core {_core}").start()

real_time = pytest.mark.flaky(reruns=5, reruns_delay=2, reruns_delay_backoff_factor=2.0, condition=stalled)
