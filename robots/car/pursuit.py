"""Following a line: pure pursuit (Coulter 1992) with a look-ahead that grows with speed. Pure.

What a reading shows is old, and what is commanded comes about late: the car is followed from where it will be
by then.
"""

import dataclasses
import math

import numpy as np

from sandlot.robots.car.racing_line import Line
from sandlot.robots.car.spec import CarCommand, CarLimits, CarReading


@dataclasses.dataclass(frozen=True, kw_only=True)
class PursuitConfig:
    """How a line is followed.

    Attributes:
        wheelbase_m: of the car.
        ahead_m: look-ahead of a standing car.
        ahead_s: how much it grows with speed.
        delay_s: between what a reading shows and what a command does.
    """

    wheelbase_m: float = 0.33
    ahead_m: float = 0.3
    ahead_s: float = 0.25
    delay_s: float = 0.12


def follow(line: Line, reading: CarReading, config: PursuitConfig | None = None) -> CarCommand:
    """What a driver who follows the line commands now."""
    config = config or PursuitConfig()
    speed_mps = float(reading.velocity_mps[0])
    turned = reading.heading_rad + 0.5 * reading.yaw_rate_radps * config.delay_s
    there = reading.position_m + speed_mps * config.delay_s * np.array([math.cos(turned), math.sin(turned)])
    heading = reading.heading_rad + reading.yaw_rate_radps * config.delay_s
    nearest = int(np.linalg.norm(line.points_m - there, axis=1).argmin())
    ahead_m = config.ahead_m + config.ahead_s * max(0.0, speed_mps)
    spacing_m = float(np.linalg.norm(line.points_m[1] - line.points_m[0]))
    target = line.points_m[(nearest + max(1, round(ahead_m / spacing_m))) % len(line.points_m)]
    away = target - there
    bearing = math.atan2(away[1], away[0]) - heading
    steering = math.atan2(2.0 * config.wheelbase_m * math.sin(bearing), float(np.linalg.norm(away)))
    soon = (nearest + round(0.1 * max(0.0, speed_mps) / spacing_m)) % len(line.points_m)
    return CarCommand(float(line.speed_mps[soon]), steering)


def action_for(command: CarCommand, wanted: CarCommand, limits: CarLimits) -> np.ndarray:
    """The action that leads from a command towards another one, float32 [2] in [-1, 1]."""
    change = (
        (wanted.speed_mps - command.speed_mps) / limits.speed_step_mps,
        (wanted.steering_rad - command.steering_rad) / limits.steering_step_rad,
    )
    return np.clip(change, -1.0, 1.0).astype(np.float32)
