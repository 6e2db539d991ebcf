"""Stamps on the steady clock, with numbers by hand: delays, both clock jumps, the past and the future."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots.stamps import Clocks, StampClock, is_fresh, read_clocks

HOUR_S = 3600.0


def test_an_age_is_the_wall_clock_difference_while_nothing_jumps():
    clock = StampClock()
    assert clock.age_s(1000.0, Clocks(50.0, 1000.004)) == pytest.approx(0.004)
    assert clock.age_s(1000.0, Clocks(50.2, 1000.204)) == pytest.approx(0.204)
    assert clock.jumps == 0


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S, 0.5, -0.5])
def test_a_jump_makes_nothing_stale_and_nothing_fresh(jump_s):
    """Stamps every 100 ms; the wall clock jumps while one is on its way and while it is repeated."""
    clock = StampClock()
    clock.age_s(1000.0, Clocks(50.0, 1000.002))
    before = 1000.1  # made at steady 50.098 in these clocks
    assert clock.age_s(before, Clocks(50.102, 1000.104 + jump_s)) == pytest.approx(0.004)
    assert clock.age_s(before, Clocks(50.25, 1000.252 + jump_s)) == pytest.approx(0.152)
    assert clock.age_s(1000.3 + jump_s, Clocks(50.3, 1000.302 + jump_s)) == pytest.approx(0.002)
    assert clock.jumps == 1


def test_a_jump_is_forgotten():
    """Later, a stamp of the old time is what it says: an hour old, or from the future."""
    clock = StampClock(memory_s=2.0)
    clock.age_s(1000.0, Clocks(50.0, 1000.0))
    clock.age_s(1001.0 + HOUR_S, Clocks(51.0, 1001.0 + HOUR_S))
    assert clock.age_s(1003.5, Clocks(53.5, 1003.5 + HOUR_S)) == pytest.approx(HOUR_S)
    assert not is_fresh(clock.age_s(1005.0 + 2 * HOUR_S, Clocks(55.0, 1005.0 + HOUR_S)), 0.1)


def test_slewing_is_no_jump():
    """NTP slews by 0.5 ms a second; over an hour that is 1.8 s, and no message is late for it."""
    clock = StampClock()
    for second in range(3600):
        wall_s = 1000.0 + second * 1.0005
        assert clock.age_s(wall_s - 0.003, Clocks(50.0 + second, wall_s)) == pytest.approx(0.003)
    assert clock.jumps == 0


@pytest.mark.parametrize(
    ("age_s", "fresh"),
    [(0.0, True), (0.1, True), (0.101, False), (-0.004, True), (-1.0, False), (math.nan, False)],
)
def test_fresh_is_neither_old_nor_future_nor_no_number(age_s, fresh):
    assert is_fresh(age_s, 0.1) is fresh


@given(st.floats(0, 1e6), st.floats(0, 2e9), st.floats(-1e4, 1e4), st.floats(0, 0.5))
def test_whatever_the_jump_a_message_on_its_way_has_its_true_age(steady_s, wall_s, jump_s, delay_s):
    """Unless the jump itself looks like a delay: then the shorter of two explanations is taken."""
    clock = StampClock()
    clock.age_s(wall_s, Clocks(steady_s, wall_s))
    age_s = clock.age_s(wall_s, Clocks(steady_s + delay_s, wall_s + delay_s + jump_s))
    assert min(delay_s, abs(delay_s + jump_s)) - 1e-5 <= abs(age_s) <= delay_s + 0.0201


def test_both_clocks_are_read_at_one_instant():
    clocks = read_clocks()
    later = read_clocks()
    assert clocks.wall_of(later.steady_s) == pytest.approx(later.wall_s, abs=0.001)
