"""Between a command and the wheels: motor lag, battery, steering servo. Pure numbers, no physics."""

import math
from dataclasses import dataclass

from sandlot.robots.car.spec import CarCommand


@dataclass(frozen=True, kw_only=True)
class DriveConfig:
    """Figures of a 3-cell battery, a brushless motor with speed control, and a standard servo.

    Attributes:
        motor_lag_s: time constant from commanded to controlled wheel speed.
        servo_lag_s: time constant of the steering servo.
        servo_radps: fastest steering.
        full_v: of a charged battery at rest.
        empty_v: of an empty one.
        capacity_ah: a person changes a battery of which so much is used.
        battery_ohm: what it sags by, leads included.
        top_mps_per_v: fastest speed of the wheels for each volt.
        loss: of the motor's power, as heat.
        idle_a: what the electronics take.
        stall_a_per_n: battery current for each newton of push, at any speed.
    """

    motor_lag_s: float = 0.08
    servo_lag_s: float = 0.03
    servo_radps: float = 3.2
    full_v: float = 12.6
    empty_v: float = 10.2
    capacity_ah: float = 5.0
    battery_ohm: float = 0.05
    top_mps_per_v: float = 0.36
    loss: float = 0.25
    idle_a: float = 0.8
    stall_a_per_n: float = 0.15


class Drive:
    """The state between command and wheels.

    Attributes:
        speed_mps: what the motor's control wants of the wheels now.
        steering_rad: of the virtual middle wheel now.
        battery_v: at the terminals.
        used_ah: taken from the battery.
    """

    def __init__(self, config: DriveConfig, steering_rad: float = 0.0, used_ah: float = 0.0) -> None:
        self.config = config
        self.speed_mps, self.steering_rad, self.used_ah = 0.0, steering_rad, used_ah
        self._servo_rad = steering_rad
        self.battery_v = self._rest_v - config.battery_ohm * config.idle_a

    @property
    def _rest_v(self) -> float:
        share = min(1.0, self.used_ah / self.config.capacity_ah)
        return self.config.full_v + share * (self.config.empty_v - self.config.full_v)

    def advance(self, command: CarCommand, push_n: float, wheel_mps: float, step_s: float) -> None:
        """One step of physics.

        Args:
            command: what was told.
            push_n: what the wheels push with, forward positive.
            wheel_mps: how fast they turn.
            step_s: its duration.
        """
        config = self.config
        top = config.top_mps_per_v * self.battery_v
        goal = max(-top, min(top, command.speed_mps))
        self.speed_mps += (goal - self.speed_mps) * (1.0 - math.exp(-step_s / config.motor_lag_s))
        turn = config.servo_radps * step_s
        self._servo_rad += max(-turn, min(turn, command.steering_rad - self._servo_rad))
        self.steering_rad += (self._servo_rad - self.steering_rad) * (
            1.0 - math.exp(-step_s / config.servo_lag_s)
        )
        power_w = max(0.0, push_n * wheel_mps) / (1.0 - config.loss)
        current_a = config.idle_a + config.stall_a_per_n * abs(push_n) + power_w / self.battery_v
        self.used_ah += current_a * step_s / 3600.0
        if self.used_ah >= config.capacity_ah:
            self.used_ah = 0.0
        self.battery_v = self._rest_v - config.battery_ohm * current_a
