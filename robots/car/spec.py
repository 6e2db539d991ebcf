"""What a car reads and what it may be told: readings, commands, limits and names, all in SI units.

Frames: `body` has its origin in the middle of the rear axle on the ground, x forward, y left, z up (REP-103).
Positions are in the frame of the course, `map` as a rule. Steering is the angle of the (virtual) middle front
wheel, positive to the left.
"""

import math
from dataclasses import dataclass

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry

CONTROL_HZ = 10.0
GRAVITY_MPS2 = 9.81
CAMERA = "bumper"
"""The camera that looks ahead from the front bumper."""
IMAGE_PX = 64
"""Width and height of its frames in an observation."""


@dataclass(frozen=True)
class CarCommand:
    """What a car was told: speed over ground (negative: backwards) and steering angle."""

    speed_mps: float = 0.0
    steering_rad: float = 0.0


@dataclass(frozen=True)
class CarReading:
    """Everything a car knows at one instant, as late as its sensors tell it.

    Attributes:
        stamp_s: steady time of the newest measurement.
        position_m: of the body frame, in the course's frame [2].
        heading_rad: of the body's x axis in the course's frame.
        velocity_mps: over ground, forward and left [2].
        yaw_rate_radps: positive to the left.
        accel_mps2: what the accelerometer feels, body frame [3]; (0, 0, 9.81) at rest on level ground.
        jolt_mps2: the strongest horizontal acceleration it felt since the reading before.
        wheel_mps: speed by the wheels alone.
        battery_v: of the drive's battery.
        command: what the car was told last.
    """

    stamp_s: float
    position_m: np.ndarray
    heading_rad: float
    velocity_mps: np.ndarray
    yaw_rate_radps: float
    accel_mps2: np.ndarray
    jolt_mps2: float
    wheel_mps: float
    battery_v: float
    command: CarCommand


@dataclass(frozen=True)
class CarScene:
    """Where a car is put down, in the course's frame; `place` is the seed of a procedural place."""

    position_m: tuple[float, float]
    heading_rad: float
    place: int = 0


@dataclass(frozen=True, kw_only=True)
class CarLimits:
    """What an action means and how far it may lead; the gate keeps the same limits.

    An action says how speed and steering change in one control period, so that no policy, and no target that
    a critic learns, can ask for more than `speed_step_mps` and `steering_step_rad`.

    Attributes:
        slowest_mps: least speed that a policy may ask for; more than 0 keeps a car from waiting.
        fastest_mps: most speed.
        reverse_mps: most speed backwards, which only a recovery uses.
        steering_rad: most steering to either side.
        speed_step_mps: change of the commanded speed by an action of 1, in one control period.
        steering_step_rad: the same of the steering.
    """

    slowest_mps: float = 0.5
    fastest_mps: float = 4.0
    reverse_mps: float = 1.0
    steering_rad: float = 0.4
    speed_step_mps: float = 0.4
    steering_step_rad: float = 0.1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"car limit '{name}' is {value}: it must be more than 0")
        if self.slowest_mps >= self.fastest_mps:
            raise ConfigError(
                f"car limit 'slowest_mps' is {self.slowest_mps}: it must lie below fastest_mps "
                f"({self.fastest_mps})"
            )

    def entries(self) -> tuple[Entry, ...]:
        """The named entries of the action."""
        return (
            Entry("speed_change", 1, f"{self.speed_step_mps:g} m/s", "body", -1, 1),
            Entry("steering_change", 1, f"{self.steering_step_rad:g} rad", "body", -1, 1),
        )

    def apply(self, command: CarCommand, action: np.ndarray) -> tuple[CarCommand, np.ndarray]:
        """The command after an action [2], and the action that really leads there, float32 [2] in [-1, 1].

        A speed below the slowest (after a recovery, or at a start) rises by at most one step, and is never
        asked to fall further.
        """
        wanted = np.clip(action, -1.0, 1.0) if np.isfinite(action).all() else np.zeros(2)
        low = min(self.slowest_mps, max(command.speed_mps, 0.0) + self.speed_step_mps)
        before = max(0.0, command.speed_mps)
        speed = float(np.clip(before + wanted[0] * self.speed_step_mps, low, self.fastest_mps))
        turned = command.steering_rad + wanted[1] * self.steering_step_rad
        steering = float(np.clip(turned, -self.steering_rad, self.steering_rad))
        done = np.array([speed - before, steering - command.steering_rad])
        done /= self.speed_step_mps, self.steering_step_rad
        return CarCommand(speed, steering), np.clip(done, -1.0, 1.0).astype(np.float32)
