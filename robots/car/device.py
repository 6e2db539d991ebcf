"""What a driver node needs of a car: connect, read, command, hold. One module a device; `devices` lists them.

A device knows no ROS, no course and no policy. Its clock is `time.monotonic`; nothing here waits longer than
the device's own round trip.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sandlot.robots.car.spec import CarCommand
from sandlot.robots.device import Frame

__all__ = ["CarDevice", "CarState", "Frame", "Inertial", "Odometry"]


@dataclass(frozen=True)
class Inertial:
    """What an inertial sensor feels, body frame: `accel_mps2` [3] with gravity, `gyro_radps` [3]."""

    stamp_s: float
    accel_mps2: np.ndarray
    gyro_radps: np.ndarray


@dataclass(frozen=True)
class Odometry:
    """Where a car is: `position_m` [2] and `heading_rad` in the map, `velocity_mps` [2] forward and left."""

    stamp_s: float
    position_m: np.ndarray
    heading_rad: float
    velocity_mps: np.ndarray
    yaw_rate_radps: float


@dataclass(frozen=True)
class CarState:
    """What a car's drive measured at one instant.

    Attributes:
        stamp_s: `time.monotonic` of the measurement.
        wheel_mps: speed by the wheels, forward positive.
        steering_rad: the angle that the servo was told last.
        battery_v: of the drive's battery.
        motor_a: motor current.
        fault: of the drive, in words; "" when there is none.
        inertial: of the device's own inertial sensor; None where another node publishes one.
        jolt_mps2: the strongest horizontal acceleration since the read before, where the device samples
            faster than it is read; else 0.
        odometry: where the device itself knows it (a simulated one); else the estimator says.
    """

    stamp_s: float
    wheel_mps: float
    steering_rad: float
    battery_v: float
    motor_a: float
    fault: str = ""
    inertial: Inertial | None = None
    odometry: Odometry | None = None
    jolt_mps2: float = 0.0


class CarDevice(Protocol):
    """One car on one connection. Every method raises DeviceError, naming the device and the way out."""

    cameras: tuple[str, ...]

    def connect(self) -> None:
        """Opens the connection and checks who is there; nothing moves."""
        ...

    def read(self, now_s: float) -> CarState:
        """The newest measurement."""
        ...

    def frames(self, now_s: float) -> dict[str, Frame]:
        """The newest frame of each own camera; called by one thread of its own, which it may keep waiting."""
        ...

    def command(self, command: CarCommand, now_s: float) -> None:
        """Speed and steering from now on, until the next command, a hold, or the watchdog."""
        ...

    def hold(self, now_s: float) -> None:
        """Brakes at once, and lets go of the motor when it stands; the wheels stay as they are steered."""
        ...

    def close(self) -> None:
        """Leaves the car braked and frees the connection; may be called twice."""
        ...
