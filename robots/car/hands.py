"""What a person's hands ask of a car: pure numbers, for the node that drives by them."""

import math
from dataclasses import dataclass

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.spec import CarCommand, CarLimits
from sandlot.robots.teleop.mapping import Intent

FORWARD, LEFT = 0, 1
"""Axes of the joystick's layout (`teleop.mapping`)."""


@dataclass(frozen=True, kw_only=True)
class HandsConfig:
    """How far a stick goes; the gate keeps its own limits.

    Attributes:
        forward_mps: with the stick all the way forward; slow enough for a first lap.
        reverse_mps: all the way back.
        steering_rad: all the way to a side.
    """

    forward_mps: float = 1.5
    reverse_mps: float = 0.8
    steering_rad: float = CarLimits.steering_rad

    def __post_init__(self) -> None:
        for name in ("forward_mps", "reverse_mps", "steering_rad"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"hands setting '{name}' is {value}: it must be more than 0")


def wanted(intent: Intent, config: HandsConfig) -> CarCommand | None:
    """The command that a person gives; None while they do not drive."""
    if not intent.take_over:
        return None
    forward, left = float(intent.action[FORWARD]), float(intent.action[LEFT])
    fastest = config.forward_mps if forward >= 0 else config.reverse_mps
    return CarCommand(forward * fastest, left * config.steering_rad)
