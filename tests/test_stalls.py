import os
import subprocess
import time

from tests import stalls


def test_a_process_that_stood_still_is_noticed():
    before = len(stalls._stalls_s)
    subprocess.run(["sh", "-c", f"kill -STOP {os.getpid()}; sleep 0.2; kill -CONT {os.getpid()}"], check=True)
    deadline_s = time.monotonic() + 5.0
    while len(stalls._stalls_s) == before and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert stalls.stalled()
