import os
import subprocess
import time

from tests import stalls


def test_a_process_that_stood_still_is_noticed():
    stop = ["sh", "-c", f"kill -STOP {os.getpid()}; sleep 0.2; kill -CONT {os.getpid()}"]
    began_s, deadline_s = time.monotonic(), time.monotonic() + 20.0
    while not any(at_s > began_s for at_s in stalls._stalls_s) and time.monotonic() < deadline_s:
        subprocess.run(stop, check=True)  # once more where nobody was asleep at that moment
        time.sleep(0.1)
    assert any(at_s > began_s for at_s in stalls._stalls_s)
    assert stalls.stalled()
