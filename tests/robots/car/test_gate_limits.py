import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots.car.gate_limits import (
    EARLY,
    TELEOP_S,
    Allowance,
    Asks,
    fault_of,
    heeded,
    limited,
    offered,
)
from sandlot.robots.car.spec import CarCommand, CarLimits

LIMITS = CarLimits()


def test_a_person_goes_before_a_policy_for_as_long_as_they_are_heard():
    assert heeded(Asks.DRIVE, 10.0, -math.inf)
    assert not heeded(Asks.DRIVE, 10.0, 9.9)
    assert heeded(Asks.DRIVE, 10.0, 10.0 - TELEOP_S - 0.01)
    assert heeded(Asks.TELEOP, 10.0, 9.9)


def test_a_policys_own_steps_pass_untouched():
    """One step every control period, every other one 20 % early."""
    allowance, command = Allowance(at_s=0.0, speed_mps=0.4, steering_rad=0.1), CarCommand()
    for k in range(1, 6):
        wanted = CarCommand(0.4 * k, 0.05 * k)
        command, allowance = limited(wanted, allowance, 0.1 * k - 0.02 * (k % 2), LIMITS)
        assert command.speed_mps == pytest.approx(wanted.speed_mps)
        assert command.steering_rad == pytest.approx(wanted.steering_rad)


def test_a_jump_is_spread_over_time_however_often_it_is_asked_for():
    allowance, speeds = Allowance(at_s=0.0), []
    for k in range(1, 51):
        command, allowance = limited(CarCommand(4.0, 0.4), allowance, 0.02 * k, LIMITS)
        speeds.append(command.speed_mps)
    assert speeds[4] == pytest.approx(0.4)  # after 0.1 s one step
    assert speeds[-1] == pytest.approx(4.0)


def test_slowing_down_is_always_allowed():
    fast = Allowance(at_s=1.0, command=CarCommand(4.0, 0.0))
    assert limited(CarCommand(0.0, 0.0), fast, 1.0, LIMITS)[0].speed_mps == 0.0
    backwards, _ = limited(CarCommand(-1.0, 0.0), fast, 1.0, LIMITS)
    assert -1e-9 <= backwards.speed_mps <= 0.0  # stands first: nothing was saved up


@given(
    st.lists(
        st.tuples(st.floats(0.0, 0.3), st.floats(-20, 20), st.floats(-1.5, 1.5)), min_size=1, max_size=60
    )
)
def test_whatever_is_asked_stays_within_limits_and_their_rates(wishes):
    allowance, now_s, before = Allowance(at_s=0.0), 0.0, CarCommand()
    start_s, risen, turned = 0.0, 0.0, 0.0
    for wait_s, speed, steering in wishes:
        now_s += wait_s
        command, allowance = limited(CarCommand(speed, steering), allowance, now_s, LIMITS)
        assert -LIMITS.reverse_mps <= command.speed_mps <= LIMITS.fastest_mps
        assert abs(command.steering_rad) <= LIMITS.steering_rad + 1e-9
        risen += max(0.0, abs(command.speed_mps) - abs(before.speed_mps))
        turned += abs(command.steering_rad - before.steering_rad)
        before = command
    steps = (now_s - start_s) * 10.0 + EARLY
    assert risen <= steps * LIMITS.speed_step_mps + 1e-6
    assert turned <= steps * LIMITS.steering_step_rad + 1e-6


@pytest.mark.parametrize(
    ("speed", "steering", "why"),
    [
        (math.nan, 0.0, "not_finite"),
        (1.0, math.inf, "not_finite"),
        (99.0, 0.0, "far_out"),
        (1.0, 3.0, "far_out"),
    ],
)
def test_what_no_sound_sender_says_is_no_command(speed, steering, why):
    wanted = CarCommand(speed, steering)
    assert fault_of(wanted) == why
    refused = offered(b"c", wanted, 1, 0.0, CarCommand())
    assert refused.command is None and refused.rejected == why


def test_an_offer_says_whether_it_was_clamped():
    wanted = CarCommand(2.0, 0.1)
    assert not offered(b"c", wanted, 7, 0.0, wanted).clamped
    clamped = offered(b"c", wanted, 7, 0.0, CarCommand(1.0, 0.1))
    assert clamped.clamped and clamped.command.stamp_ns == 7
