"""Whether wheels and steering do what their settings say, by what the inertial sensor feels. Pure.

A gain of the wrong sign drives a car backwards while everything it says of itself looks right. So changes of
the wheel speed are compared with the forward acceleration, and the yaw rate with the one that speed and
steering make on a wheelbase. Both are looked at over some seconds and need motion to tell anything: slip,
collisions and slopes are short or have no preferred sign, a wrong setting is always there.
"""

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class WheelCheckConfig:
    """When a setting counts as wrong.

    Attributes:
        wheelbase_m: between the axles.
        washout_s: speed changes that take longer than this are not looked at: accelerometers drift.
        memory_s: over how long is looked.
        sure_s: for so long it must look wrong.
        least_mps: standard deviation of the speed that tells something.
        least_radps: the same of the yaw rate.
        reversed_below: correlation that is told as a wrong sign.
        agreed_above: correlation that is good enough to tell a factor.
        most_factor: of a gain, up or down, that may be slip, weather or tyres.
        most_accel_mps2: more is a collision.
    """

    wheelbase_m: float = 0.25
    washout_s: float = 0.5
    memory_s: float = 6.0
    sure_s: float = 1.5
    least_mps: float = 0.3
    least_radps: float = 0.3
    reversed_below: float = -0.7
    agreed_above: float = 0.8
    most_factor: float = 2.0
    most_accel_mps2: float = 15.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "reversed_below" and not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"wheel check's '{name}' is {value}: it must be more than 0")
        if not -1.0 < self.reversed_below < 0.0 < self.agreed_above < 1.0 < self.most_factor:
            raise ConfigError(
                f"wheel check: reversed_below={self.reversed_below}, 0, agreed_above={self.agreed_above}, 1 "
                f"and most_factor={self.most_factor} must rise, from more than -1"
            )


class Sample(NamedTuple):
    """What was measured at one instant: wheels, steering as told, forward acceleration, yaw rate."""

    stamp_s: float
    wheel_mps: float
    steering_rad: float
    accel_mps2: float
    gyro_radps: float


@dataclass(frozen=True)
class Moments:
    """Of pairs of numbers, the older the lighter: `weight_s`, sums [2], sums of products [2, 2]."""

    weight_s: float = 0.0
    sums: np.ndarray = field(default_factory=lambda: np.zeros(2))
    products: np.ndarray = field(default_factory=lambda: np.zeros((2, 2)))

    def add(self, said: float, felt: float, dt_s: float, memory_s: float) -> "Moments":
        """With another pair."""
        keep, pair = math.exp(-dt_s / memory_s), np.array([said, felt])
        return Moments(
            keep * self.weight_s + dt_s,
            keep * self.sums + dt_s * pair,
            keep * self.products + dt_s * np.outer(pair, pair),
        )

    def compare(self) -> tuple[float, float, float]:
        """Standard deviation of what was said, correlation, and felt for each unit said."""
        if self.weight_s <= 0.0:
            return 0.0, 0.0, 0.0
        mean = self.sums / self.weight_s
        c = self.products / self.weight_s - np.outer(mean, mean)
        said, felt = math.sqrt(max(0.0, c[0, 0])), math.sqrt(max(0.0, c[1, 1]))
        if said < 1e-9 or felt < 1e-9:
            return said, 0.0, 0.0
        return said, float(c[0, 1] / (said * felt)), felt / said


@dataclass(frozen=True)
class WheelCheck:
    """What was seen so far.

    Attributes:
        cause: what is wrong and which setting to change; "" while nothing is known to be. Stays.
        sample: the newest.
        slow_mps: the wheel speed without what is faster than the washout.
        felt_mps: what the acceleration adds up to, washed out alike.
        speed: wheel speed and acceleration.
        turn: yaw rate by wheels and steering, and by the gyroscope.
        suspect: what it has looked like lately.
        since_s: since when.
    """

    cause: str = ""
    sample: Sample | None = None
    slow_mps: float = 0.0
    felt_mps: float = 0.0
    speed: Moments = field(default_factory=Moments)
    turn: Moments = field(default_factory=Moments)
    suspect: str = ""
    since_s: float = math.nan


GAP_S = 0.3
"""After a longer one nothing can be added up."""


def look(check: WheelCheck, sample: Sample, cfg: WheelCheckConfig) -> WheelCheck:
    """Another sample; what is not finite or older than the last is none."""
    last = check.sample
    if not all(map(math.isfinite, sample)) or (last is not None and sample.stamp_s <= last.stamp_s):
        return check
    if last is None or sample.stamp_s - last.stamp_s > GAP_S:
        return WheelCheck(check.cause, sample, slow_mps=sample.wheel_mps)
    dt_s = sample.stamp_s - last.stamp_s
    share = 1.0 - math.exp(-dt_s / cfg.washout_s)
    slow = check.slow_mps + share * (sample.wheel_mps - check.slow_mps)
    accel = min(cfg.most_accel_mps2, max(-cfg.most_accel_mps2, sample.accel_mps2))
    felt = (1.0 - share) * check.felt_mps + accel * dt_s
    yaw = sample.wheel_mps * math.tan(sample.steering_rad) / cfg.wheelbase_m
    check = replace(
        check,
        sample=sample,
        slow_mps=slow,
        felt_mps=felt,
        speed=check.speed.add(sample.wheel_mps - slow, felt, dt_s, cfg.memory_s),
        turn=check.turn.add(yaw, sample.gyro_radps, dt_s, cfg.memory_s),
    )
    return _decide(check, sample.stamp_s, cfg)


def _decide(check: WheelCheck, now_s: float, cfg: WheelCheckConfig) -> WheelCheck:
    """Tells a cause once it has looked like that for long enough."""
    kind, text = _looks_like(check, cfg)
    if kind != check.suspect:
        return replace(check, suspect=kind, since_s=now_s)
    if kind and not check.cause and now_s - check.since_s >= cfg.sure_s:
        return replace(check, cause=text)
    return check


def _looks_like(check: WheelCheck, cfg: WheelCheckConfig) -> tuple[str, str]:
    """A word for what it looks like now, and the text for a person; both "" when all is well."""
    said, agree, felt = check.speed.compare()
    least = 1.0 / (2.0 * cfg.most_factor)  # less is noise: the wheels of a stuck car spin
    if said * max(1.0, felt) < cfg.least_mps:
        return "", ""
    if agree < cfg.reversed_below and felt > least:
        return "wheels", (
            "the wheels say forward where the accelerometer feels backward: change the sign of "
            "speed_to_erpm_gain, or turn the inertial sensor's x axis forward"
        )
    if agree < cfg.agreed_above:
        return "", ""  # slip, a wall, a slope: nothing can be said, of the steering neither
    if not 1.0 / cfg.most_factor < felt < cfg.most_factor:
        factor = 1.0 / felt
        return "gain", (
            f"the wheels say {factor:.2g} times the change of speed that the accelerometer feels: multiply "
            f"speed_to_erpm_gain by {factor:.2g}"
        )
    return _steering_looks_like(check, cfg)


def _steering_looks_like(check: WheelCheck, cfg: WheelCheckConfig) -> tuple[str, str]:
    said, agree, felt = check.turn.compare()
    if said < cfg.least_radps:
        return "", ""
    if agree < cfg.reversed_below:
        return "steering", (
            "the car turns right where it is steered left: change the sign of steering_angle_to_servo_gain, "
            "or turn the inertial sensor's z axis up"
        )
    if felt < 1.0 / (2.0 * cfg.most_factor):
        return "servo", (
            f"the car turns by {felt:.0%} of what it is steered: switch 'Enable Servo Output' on in VESC "
            "Tool (App Settings, General), check the servo's plug, wheelbase and steering_angle_to_servo_gain"
        )
    return "", ""
