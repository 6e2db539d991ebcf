"""The emulated VESC's inside: motor, battery, firmware timeout, steering servo. Time is an argument.

A car behind the motor is a mass with rolling drag; its figures are of a 1/10 car of 3.5 kg whose motor turns
4,614 electrical revolutions per minute for each metre per second.
"""

import dataclasses
import math

from sandlot.robots.vesc.protocol import Command
from sandlot.robots.vesc.values import Values

ERPM_PER_MPS = 4614.0
STEP_S = 0.002
"""A tenth of what the speed controller needs."""


@dataclasses.dataclass
class MotorConfig:
    """What is emulated.

    Attributes:
        timeout_s: without a motor command for so long the firmware lets go. Its default.
        timeout_brake_a: with which it brakes then. Its default: the car rolls on.
        servo: whether the servo output is enabled; in a new VESC it is not.
        accel_per_a: acceleration for each ampere, erpm/s.
        drag: deceleration of a rolling car, erpm/s.
        most_a: current limit of the motor.
        speed_gain: of the firmware's speed controller, A per erpm of error.
        battery_v: at rest.
        battery_ohm: what it sags by.
        motor_v_per_erpm: what the motor needs at a speed: with the battery's voltage the top speed.
    """

    timeout_s: float = 1.0
    timeout_brake_a: float = 0.0
    servo: bool = True
    accel_per_a: float = 0.25 * ERPM_PER_MPS
    drag: float = 0.5 * ERPM_PER_MPS
    most_a: float = 40.0
    speed_gain: float = 0.02
    battery_v: float = 11.8
    battery_ohm: float = 0.03
    motor_v_per_erpm: float = 11.8 / 40_000.0


class Motor:
    """A motor controller and the car behind it.

    Attributes:
        erpm: how fast the motor turns, signed.
        servo: the servo's position, 0 to 1; it stays in the middle while the output is disabled.
        fault: a number in `values.FAULTS`; the motor is free while it is not 0.
        killed: whether the kill switch is pressed: the motor is free.
        command: what it does now: a `SET_...` command and its value; coasting is `SET_CURRENT` of 0.
    """

    def __init__(self, config: MotorConfig) -> None:
        self.config = config
        self.erpm, self.servo, self.fault, self.killed = 0.0, 0.5, 0, False
        self.command: tuple[Command, float] = (Command.SET_CURRENT, 0.0)
        self.timed_out = False
        self._motor_a = self._used_ah = self._turned = 0.0
        self._now_s, self._fed_s = math.nan, -math.inf

    def set(self, command: Command, value: float, now_s: float) -> None:
        """A motor command, which feeds the timeout."""
        self.command = (command, value)
        self.feed(now_s)

    def feed(self, now_s: float) -> None:
        """The host lives."""
        self._fed_s, self.timed_out = now_s, False

    def steer(self, position: float) -> None:
        """A servo command; it says nothing of the motor and does not feed the timeout."""
        if self.config.servo:
            self.servo = min(1.0, max(0.0, position))

    def advance(self, now_s: float) -> None:
        """Moves on to a time."""
        if math.isnan(self._now_s):
            self._now_s = now_s
        while self._now_s < now_s:
            step_s = min(STEP_S, now_s - self._now_s)
            self._now_s += step_s
            if not self.timed_out and self._now_s - self._fed_s > self.config.timeout_s:
                self.timed_out, self.command = True, (Command.SET_BRAKE, self.config.timeout_brake_a)
            self._turn(step_s)

    def _turn(self, step_s: float) -> None:
        """One short step of motor, battery and car."""
        drive_a, brake_a = self._currents()
        config = self.config
        before = self.erpm
        turning = before + config.accel_per_a * drive_a * step_s
        resist = (config.drag + config.accel_per_a * brake_a) * step_s
        self.erpm = math.copysign(max(0.0, abs(turning) - resist), turning)
        self.erpm = max(-self._top_erpm, min(self._top_erpm, self.erpm))
        self._motor_a = drive_a if brake_a == 0.0 else -brake_a if before else 0.0
        self._turned += 0.5 * (before + self.erpm) * step_s / 60.0
        self._used_ah += max(0.0, self._battery_a) * step_s / 3600.0

    def _currents(self) -> tuple[float, float]:
        """What drives the motor, signed, and what brakes it."""
        if self.fault or self.killed:
            return 0.0, 0.0
        (command, value), most = self.command, self.config.most_a
        if command in (Command.SET_BRAKE, Command.SET_HANDBRAKE):
            return 0.0, min(abs(value), most)
        if command == Command.SET_RPM:
            value = self.config.speed_gain * (value - self.erpm) + math.copysign(
                self.config.drag / self.config.accel_per_a if value else 0.0, value
            )
        elif command == Command.SET_DUTY:
            value = self.config.speed_gain * (value * self._top_erpm - self.erpm)
        return max(-most, min(most, value)), 0.0

    @property
    def _top_erpm(self) -> float:
        return self.config.battery_v / self.config.motor_v_per_erpm

    @property
    def _battery_a(self) -> float:
        return self._motor_a * abs(self.erpm) / self._top_erpm

    def values(self) -> Values:
        """What its sensors say."""
        return Values(
            fet_c=31.0,
            motor_c=30.0,
            motor_a=self._motor_a,
            battery_a=self._battery_a,
            duty=self.erpm / self._top_erpm,
            erpm=self.erpm,
            battery_v=self.config.battery_v - self.config.battery_ohm * self._battery_a,
            used_ah=self._used_ah,
            charged_ah=0.0,
            used_wh=self._used_ah * self.config.battery_v,
            charged_wh=0.0,
            tachometer=round(6 * self._turned),
            tachometer_abs=round(6 * abs(self._turned)),
            fault=self.fault,
            controller=0,
            status=int(self.timed_out) | 2 * int(self.killed),
        )
