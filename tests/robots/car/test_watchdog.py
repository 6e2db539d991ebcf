"""The watchdog: no motor command is in force for longer than it says, whatever comes in whatever order."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.watchdog import (
    LEAD,
    Mode,
    Order,
    Watch,
    WatchdogConfig,
    commanded,
    due_s,
    held,
    measured,
    tick,
)

CONFIG = WatchdogConfig()
HELD_UP_S = LEAD * CONFIG.watchdog_s
"""By so much whoever carries the orders out may be late."""
STEPS = st.tuples(
    st.sampled_from(("command", "hold", "measure", "nothing")),
    st.floats(0.0, 0.15),
    st.floats(0.0, 0.999 * HELD_UP_S),
    st.floats(-4.0, 4.0),
)


def pass_until(watch, until_s, late_s, told):
    """Asks the watchdog whenever it is due, a little late; keeps what the motor was told, and when."""
    while (at_s := due_s(watch, CONFIG) + late_s) <= until_s:
        watch, order = tick(watch, at_s, CONFIG)
        if order is not Order.NOTHING:
            told.append((at_s, order))
    return watch


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_no_motor_command_is_in_force_for_longer_than_the_watchdog_says(steps):
    watch, now_s, told, ends = Watch(), 0.0, [], [(0.0, "")]
    for what, wait_s, late_s, speed_mps in steps:
        now_s += wait_s
        before = len(told)
        watch = pass_until(watch, now_s, late_s, told)
        ends += [(at_s, order.value) for at_s, order in told[before:]]
        if what == "command":
            watch = commanded(watch, now_s)
            ends.append((now_s, "drive"))
        elif what == "hold":
            watch, order = tick(held(watch, "held", now_s), now_s, CONFIG)
            ends.append((now_s, order.value)) if order is not Order.NOTHING else None
            assert watch.mode is not Mode.DRIVING
        elif what == "measure":
            watch = measured(watch, speed_mps, now_s)
    watch = pass_until(watch, now_s + 1.0, HELD_UP_S * 0.999, told)
    ends += [(at_s, order.value) for at_s, order in told if at_s > now_s] + [(now_s + 1.0, "end")]
    for (from_s, what), (to_s, _) in zip(ends, ends[1:], strict=False):
        assert what != "drive" or to_s - from_s <= CONFIG.watchdog_s


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20), st.floats(0.1, 4.0))
def test_while_the_wheels_turn_the_motor_is_not_let_go(waits_s, speed_mps):
    watch, now_s = held(commanded(Watch(), 0.0), "held", 0.0), 0.0
    for wait_s in waits_s:
        now_s += wait_s
        watch, order = tick(measured(watch, speed_mps, now_s), now_s, CONFIG)
        assert order is not Order.RELEASE and watch.mode is Mode.BRAKING


def test_silence_by_hand():
    watch = commanded(Watch(), 10.0)
    assert due_s(watch, CONFIG) == pytest.approx(10.07)
    assert tick(watch, 10.069, CONFIG) == (watch, Order.NOTHING)
    watch, order = tick(watch, 10.071, CONFIG)
    assert order is Order.BRAKE and watch.mode is Mode.BRAKING and watch.cause == "no command for 71 ms"
    assert tick(watch, 10.09, CONFIG)[1] is Order.NOTHING and due_s(watch, CONFIG) == pytest.approx(10.091)
    assert tick(watch, 10.0911, CONFIG)[1] is Order.BRAKE


def test_it_lets_go_after_the_wheels_stood_for_a_while():
    watch = held(commanded(Watch(), 0.0), "held", 0.0)
    watch = measured(watch, 0.01, 1.0)
    assert tick(watch, 1.29, CONFIG)[1] is Order.BRAKE
    slid = measured(measured(watch, 0.5, 1.2), 0.0, 1.25)  # they turned again: the car slid on locked wheels
    assert tick(slid, 1.31, CONFIG)[1] is Order.BRAKE
    free, order = tick(watch, 1.31, CONFIG)
    assert order is Order.RELEASE and free.mode is Mode.FREE and due_s(free, CONFIG) == math.inf
    assert held(free, "again", 2.0) is free  # it stands
    assert held(measured(free, 1.0, 2.0), "it rolls", 2.0).mode is Mode.BRAKING


def test_wheels_that_stood_before_it_braked_prove_nothing_and_neither_does_no_number():
    watch = measured(commanded(Watch(), 0.0), 0.0, 0.0)
    watch = held(watch, "held", 5.0)
    assert tick(watch, 5.2, CONFIG)[1] is Order.BRAKE
    assert math.isnan(measured(watch, math.nan, 5.1).stood_s)


def test_the_first_cause_is_kept_and_a_command_ends_it():
    watch = held(held(commanded(Watch(), 0.0), "fault", 1.0), "held", 1.1)
    assert watch.cause == "fault" and commanded(watch, 1.2).mode is Mode.DRIVING


def test_times_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"'watchdog_s' is 0 s: it must lie in \(0, 1\]"):
        WatchdogConfig(watchdog_s=0)
