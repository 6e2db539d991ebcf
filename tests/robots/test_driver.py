"""What the driver obeys and when it holds by itself; times by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots.driver import Driver, DriverConfig, Mode, Verdict

MS = 1_000_000


def following(now_s=10.0, stamp_ns=1000 * MS):
    driver = Driver(DriverConfig())
    assert driver.offer("", stamp_ns, 0.002, now_s) is Verdict.OBEY
    return driver


def test_a_new_command_is_obeyed_once_and_repeats_say_that_the_gate_lives():
    driver = following()
    assert driver.offer("", 1000 * MS, 0.02, 10.02) is Verdict.REPEAT
    assert driver.tick(10.11) == ""
    assert driver.offer("", 1100 * MS, 0.002, 10.102) is Verdict.OBEY
    assert (driver.counts["obeyed"], driver.counts["repeats"]) == (2, 1)


def test_a_silent_gate_is_noticed_after_100_ms_and_its_last_command_does_not_come_back():
    driver = following()
    assert driver.tick(10.099) == ""
    assert driver.tick(10.101) == "gate silent"
    assert driver.tick(10.111) == ""  # told once
    assert driver.mode is Mode.HOLDING
    assert driver.offer("", 1000 * MS, 0.12, 10.12) is Verdict.IGNORE
    assert driver.counts["ignored_held"] == 1
    assert driver.offer("", 1120 * MS, 0.002, 10.13) is Verdict.OBEY


def test_a_gate_that_repeats_one_action_for_ever_is_stopped_by_the_actions_age():
    driver = following()
    for k in range(1, 9):
        driver.offer("", 1000 * MS, 0.002 + 0.02 * k, 10.0 + 0.02 * k)
        assert driver.tick(10.0 + 0.02 * k) == ""
    assert driver.tick(10.17) == "action too old"


@pytest.mark.parametrize(
    ("fault", "age_s", "cause"),
    [("not_finite", 0.002, "not_finite"), ("", 0.2, "stale"), ("", -1.0, "from_future"), ("", 0.06, "older")],
)
def test_what_is_not_obeyed_is_counted_by_its_cause_and_is_no_sign_of_life(fault, age_s, cause):
    driver = following()
    assert driver.offer(fault, 900 * MS, age_s, 10.05) is Verdict.IGNORE
    assert driver.counts[f"ignored_{cause}"] == 1
    assert driver.tick(10.101) == "gate silent"


def test_a_wall_clock_set_back_by_an_hour_makes_no_command_older():
    """Its stamps are smaller; what counts is when they were made by the steady clock."""
    driver = following(stamp_ns=3_600_000 * MS)
    assert driver.offer("", 100 * MS, 0.002, 10.1) is Verdict.OBEY


def test_locks_add_up_and_the_next_command_moves_again_only_after_the_last_release():
    driver = following()
    driver.lock("e-stop")
    driver.lock("stop service")
    assert driver.offer("", 1100 * MS, 0.002, 10.1) is Verdict.IGNORE
    driver.release("e-stop")
    assert (driver.mode, driver.cause) == (Mode.LOCKED, "stop service")
    driver.release("stop service")
    assert driver.offer("", 1000 * MS, 0.05, 10.05) is Verdict.IGNORE  # from before
    assert driver.offer("", 1200 * MS, 0.002, 10.2) is Verdict.OBEY


@given(st.lists(st.tuples(st.sampled_from(["new", "repeat", "bad", "old", "wait", "lock", "free"]),
                          st.floats(0.001, 0.2)), max_size=60))  # fmt: skip
def test_it_never_follows_longer_than_its_deadlines_allow(events):
    """Whatever comes, after a tick the command in force is young, and the gate was heard lately."""
    driver, now_s, stamp, made_s, heard_s = Driver(DriverConfig()), 100.0, 0, -1.0, -1.0
    for kind, dt_s in events:
        now_s += dt_s
        driver.tick(now_s)
        if kind == "new":
            stamp += 1
        if kind in {"new", "repeat", "bad", "old"}:
            age_s = {"new": 0.001, "repeat": now_s - made_s, "bad": 0.001, "old": 0.5}[kind]
            number = stamp if kind in {"new", "repeat"} else -5
            verdict = driver.offer("not_finite" if kind == "bad" else "", number, age_s, now_s)
            assert kind in {"new", "repeat"} or verdict is Verdict.IGNORE
            if verdict is Verdict.OBEY:
                made_s = now_s - age_s
            if verdict is not Verdict.IGNORE:
                heard_s = now_s
        elif kind == "lock":
            driver.lock("e-stop")
        elif kind == "free":
            driver.release("e-stop")
        driver.tick(now_s)
        if driver.follows:
            assert now_s - made_s <= 0.17
            assert now_s - heard_s <= 0.1


@pytest.mark.parametrize("value", [0.0, -1.0, 2.0, float("nan")])
def test_a_timeout_that_makes_no_sense_is_refused(value):
    with pytest.raises(ConfigError, match="gate_timeout_s.*must lie in"):
        DriverConfig(gate_timeout_s=value)
