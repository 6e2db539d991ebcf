"""How a car behind a VESC is built and wired: the driver node's parameters for it, by F1TENTH's names."""

import math
from dataclasses import dataclass

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.watchdog import LEAD, STAND_MPS, WatchdogConfig
from sandlot.robots.serial_port import Patience

MOST_BRAKE_A = 100.0


@dataclass(frozen=True, kw_only=True)
class Config(Patience):
    """One car. Forward and left are positive; a gain's sign says how the motor and the servo are mounted.

    Attributes:
        port: serial port.
        baud: its rate; USB has none.
        reply_s: how long the VESC may take to answer; over USB it takes 1 ms, over a UART 8 ms.
        tries: how often it is asked.
        speed_to_erpm_gain: electrical revolutions per minute for each metre per second; negative where the
            motor turns the other way.
        speed_to_erpm_offset: added to them.
        steering_angle_to_servo_gain: servo position for each rad of the front wheels.
        steering_angle_to_servo_offset: servo position when they are straight.
        servo_min: the servo goes no further to this side.
        servo_max: nor to that.
        speed_min: most electrical revolutions per minute the one way, negative.
        speed_max: the other way.
        wheelbase: between the axles, m.
        brake_current_a: current of the motor that the car is braked with.
        watchdog_s: without a command for so long the device has braked by itself.
        firmware_timeout_s: the VESC's own timeout must not be longer, or `connect` refuses; 0: any will do.
    """

    port: str
    baud: int = 115200
    tries: int = 2
    speed_to_erpm_gain: float = 4614.0
    speed_to_erpm_offset: float = 0.0
    steering_angle_to_servo_gain: float = -1.2135
    steering_angle_to_servo_offset: float = 0.5304
    servo_min: float = 0.15
    servo_max: float = 0.85
    speed_min: float = -23250.0
    speed_max: float = 23250.0
    wheelbase: float = 0.25
    brake_current_a: float = 20.0
    watchdog_s: float = 0.1
    firmware_timeout_s: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{name}={value} must be a number")
        for name in ("speed_to_erpm_gain", "steering_angle_to_servo_gain"):
            if getattr(self, name) == 0.0:
                raise ConfigError(f"{name}=0 must not be 0; a negative gain turns the other way")
        if not 0.0 <= self.servo_min < self.steering_angle_to_servo_offset < self.servo_max <= 1.0:
            raise ConfigError(
                f"servo_min={self.servo_min}, steering_angle_to_servo_offset="
                f"{self.steering_angle_to_servo_offset} and servo_max={self.servo_max} must rise in [0, 1]"
            )
        if not self.speed_min < 0.0 < self.speed_max:
            raise ConfigError(f"speed_min={self.speed_min} and speed_max={self.speed_max} must enclose 0")
        if not (self.wheelbase > 0.0 and 0.0 < self.brake_current_a <= MOST_BRAKE_A):
            raise ConfigError(
                f"wheelbase={self.wheelbase} must be positive and brake_current_a={self.brake_current_a} "
                f"must lie in (0, {MOST_BRAKE_A:g}]"
            )
        if not 0.0 <= self.firmware_timeout_s <= 1.0:
            raise ConfigError(f"firmware_timeout_s={self.firmware_timeout_s} must lie in [0, 1]")
        if self.reply_s * self.tries > LEAD * self.watching().watchdog_s:
            raise ConfigError(
                f"reply_s={self.reply_s} times tries={self.tries} must not exceed {LEAD:g} of "
                f"watchdog_s={self.watchdog_s}: braking may have to wait for an answer"
            )

    def watching(self) -> WatchdogConfig:
        """When the device brakes by itself."""
        return WatchdogConfig(watchdog_s=self.watchdog_s)

    def erpm(self, speed_mps: float) -> float:
        """Electrical revolutions per minute of a speed, within what is allowed."""
        wanted = self.speed_to_erpm_gain * speed_mps + self.speed_to_erpm_offset
        return min(self.speed_max, max(self.speed_min, wanted))

    def wheel_mps(self, erpm: float) -> float:
        """The wheels' speed at so many electrical revolutions per minute; 0 where they as good as stand."""
        if abs(erpm) < STAND_MPS * abs(self.speed_to_erpm_gain):
            return 0.0
        return (erpm - self.speed_to_erpm_offset) / self.speed_to_erpm_gain

    def servo(self, steering_rad: float) -> float:
        """The servo's position for a steering angle, within what is allowed."""
        wanted = self.steering_angle_to_servo_gain * steering_rad + self.steering_angle_to_servo_offset
        return min(self.servo_max, max(self.servo_min, wanted))

    def steering_rad(self, servo: float) -> float:
        """The steering angle at a servo's position."""
        return (servo - self.steering_angle_to_servo_offset) / self.steering_angle_to_servo_gain
