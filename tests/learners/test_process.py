"""Children that die, end and freeze: real processes, restart times by an argument."""

import os
import signal
import sys
import time

import pytest

from sandlot.learners.process import USAGE_EXIT, Child, RestartPolicy, sandlot_argv


def child(tmp_path, code, **settings):
    return Child("kid", [sys.executable, "-c", code], tmp_path / "kid.log", **settings)


def until_dead(kid):
    kid.process.wait(20)


def test_the_wait_doubles_to_its_limit_and_a_calm_life_resets_it():
    policy = RestartPolicy(first_s=0.5, most_s=3.0, calm_s=30.0)
    assert [policy.delay_s(1.0) for _ in range(4)] == [0.5, 1.0, 2.0, 3.0]
    assert policy.delay_s(31.0) == 0.5


def test_a_killed_child_is_started_again_after_the_delay(tmp_path):
    kid, events = child(tmp_path, "import time; time.sleep(60)"), []
    assert kid.tick(0.0, events.append) is None
    first = kid.pid
    os.kill(first, signal.SIGKILL)
    until_dead(kid)
    assert kid.tick(1.0, events.append) is None
    assert "SIGKILL" in events[0] and "0.5 s" in events[0] and "kid.log" in events[0]
    assert kid.tick(1.4, events.append) is None and kid.pid == 0  # not yet
    kid.tick(1.5, events.append)
    assert kid.pid not in (0, first) and kid.restarts == 1
    kid.stop()


ENDS = [(0, False, False), (0, True, True), (2, True, False), (1, False, True)]


@pytest.mark.parametrize(("code", "forever", "again"), ENDS)
def test_who_is_started_again(tmp_path, code, forever, again):
    kid = child(tmp_path, f"import sys; sys.exit({code})", forever=forever)
    kid.tick(0.0, print)
    until_dead(kid)
    assert kid.tick(1.0, print) == (None if again else code)
    assert USAGE_EXIT == 2 and kid.restarts == int(again)


def test_the_last_line_says_why(tmp_path):
    kid = child(tmp_path, "import sys; sys.stderr.write('first\\nlast words\\n')")
    assert kid.last_line() == "(it wrote nothing)"
    kid.tick(0.0, print)
    until_dead(kid)
    assert kid.last_line() == "last words"


def test_stop_ends_a_frozen_child_and_one_that_does_not_listen(tmp_path):
    frozen = child(tmp_path, "import time; time.sleep(60)")
    frozen.start(0.0)
    os.kill(frozen.pid, signal.SIGSTOP)
    frozen.stop()
    assert frozen.process.returncode == -signal.SIGTERM
    ignore = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    deaf = child(tmp_path, ignore)
    deaf.start(0.0)
    while deaf.last_line() != "up":
        time.sleep(0.01)
    deaf.stop(0.2)
    assert deaf.process.returncode == -signal.SIGKILL


def test_subcommands_run_under_this_python():
    assert sandlot_argv("eval", "x") == [sys.executable, "-m", "sandlot", "eval", "x"]
