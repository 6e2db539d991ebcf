"""What a person's hands ask of a car."""

import dataclasses

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.hands import HandsConfig, wanted
from sandlot.robots.teleop.mapping import Intent

CONFIG = HandsConfig(forward_mps=2.0, reverse_mps=0.5, steering_rad=0.4)


def holding(forward, left):
    action = np.array([forward, left, 0.9, 0.9, 0.9, 0.9, 1.0], np.float32)
    return Intent(alive=True, take_over=True, action=action)


@pytest.mark.parametrize(
    ("forward", "left", "speed_mps", "steering_rad"),
    [(1.0, 0.0, 2.0, 0.0), (0.5, -1.0, 1.0, -0.4), (-1.0, 1.0, -0.5, 0.4), (0.0, 0.0, 0.0, 0.0)],
)
def test_a_stick_is_speed_and_steering_and_back_is_slower(forward, left, speed_mps, steering_rad):
    command = wanted(holding(forward, left), CONFIG)
    assert (command.speed_mps, command.steering_rad) == pytest.approx((speed_mps, steering_rad))


def test_who_does_not_hold_the_button_asks_for_nothing():
    assert wanted(dataclasses.replace(holding(1.0, 0.0), take_over=False), CONFIG) is None


@pytest.mark.parametrize("name", ["forward_mps", "reverse_mps", "steering_rad"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
def test_a_setting_that_is_no_size_is_named(name, value):
    with pytest.raises(ConfigError, match=f"'{name}' is"):
        HandsConfig(**{name: value})
