import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.spec import CarCommand, CarLimits

LIMITS = CarLimits()
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)


def test_an_action_changes_the_command_by_its_share_of_a_step():
    command, done = LIMITS.apply(CarCommand(2.0, 0.1), np.array([0.5, -1.0]))
    assert command.speed_mps == pytest.approx(2.2)
    assert command.steering_rad == pytest.approx(0.0)
    np.testing.assert_allclose(done, [0.5, -1.0], atol=1e-6)


def test_what_a_limit_takes_away_is_missing_in_the_executed_action():
    command, done = LIMITS.apply(CarCommand(3.9, 0.35), np.array([1.0, 1.0]))
    assert command == CarCommand(4.0, 0.4)
    np.testing.assert_allclose(done, [0.25, 0.5], atol=1e-6)


def test_a_standing_car_is_brought_to_the_slowest_speed():
    command, done = LIMITS.apply(CarCommand(0.0, 0.0), np.array([-1.0, 0.0]))
    assert command.speed_mps == pytest.approx(0.4)
    assert done[0] == pytest.approx(1.0)
    assert LIMITS.apply(command, np.array([-1.0, 0.0]))[0].speed_mps == pytest.approx(0.5)


@given(st.floats(-1, 4), st.floats(-0.4, 0.4), st.tuples(NUMBERS, NUMBERS))
def test_no_action_leads_beyond_a_limit_or_faster_than_a_step(speed, steering, action):
    before = CarCommand(speed, steering)
    after, done = LIMITS.apply(before, np.array(action))
    assert 0 <= after.speed_mps <= LIMITS.fastest_mps
    assert abs(after.steering_rad) <= LIMITS.steering_rad
    assert abs(after.speed_mps - max(0.0, speed)) <= LIMITS.speed_step_mps + 1e-9
    assert abs(after.steering_rad - steering) <= LIMITS.steering_step_rad + 1e-9
    assert done.dtype == np.float32 and np.abs(done).max() <= 1.0


def test_the_executed_action_leads_to_the_same_command():
    before = CarCommand(1.3, -0.2)
    after, done = LIMITS.apply(before, np.array([-7.0, 0.3]))
    again, _ = LIMITS.apply(before, done)
    assert again.speed_mps == pytest.approx(after.speed_mps)
    assert again.steering_rad == pytest.approx(after.steering_rad)


@pytest.mark.parametrize("change", [{"fastest_mps": math.nan}, {"steering_rad": 0.0}, {"slowest_mps": 5.0}])
def test_limits_that_make_no_sense_are_refused_by_name(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        CarLimits(**change)
