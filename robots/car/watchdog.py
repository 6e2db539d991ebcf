"""When a car brakes by itself: no command in time, a hold, a fault. Pure: time is an argument.

    FREE --command--> DRIVING --silence, hold, fault--> BRAKING --the wheels stand--> FREE

A motor command is in force for `watchdog_s` at most. Whoever carries out the orders may be held up, by an
answer that is waited for or by a busy computer, so braking is due a little before that (`LEAD`).
"""

import enum
import math
from dataclasses import dataclass, replace

from sandlot.learners.errors import ConfigError

LEAD = 0.3
"""Share of `watchdog_s` that is kept to carry an order out."""
STAND_MPS = 0.05
"""Slower than this the wheels stand."""


@dataclass(frozen=True, kw_only=True)
class WatchdogConfig:
    """When braking begins and ends.

    Attributes:
        watchdog_s: a motor command is never in force longer than this.
        repeat_s: how often a braking motor is told to brake.
        stand_s: the wheels must have stood for so long before the motor is let go: locked wheels may slide.
    """

    watchdog_s: float = 0.1
    repeat_s: float = 0.02
    stand_s: float = 0.3

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 < value <= 1.0:
                raise ConfigError(f"watchdog setting '{name}' is {value} s: it must lie in (0, 1]")

    @property
    def silence_s(self) -> float:
        """After so long without a command braking is due."""
        return (1.0 - LEAD) * self.watchdog_s


class Mode(enum.Enum):
    """What the motor does."""

    FREE = "free"
    DRIVING = "driving"
    BRAKING = "braking"


class Order(enum.Enum):
    """What the motor must be told now."""

    NOTHING = "nothing"
    BRAKE = "brake"
    RELEASE = "release"


@dataclass(frozen=True)
class Watch:
    """All that the watchdog knows; times are steady.

    Attributes:
        mode: what the motor does.
        cause: why it does not drive, in words.
        heard_s: when the last command came.
        braked_s: since when it brakes.
        told_s: when it was last told to.
        stood_s: since when the wheels have been standing; NaN while they turn, or nobody has looked.
    """

    mode: Mode = Mode.FREE
    cause: str = "started"
    heard_s: float = -math.inf
    braked_s: float = -math.inf
    told_s: float = -math.inf
    stood_s: float = math.nan


def commanded(watch: Watch, now_s: float) -> Watch:
    """A motor command came, and is told to the motor."""
    return replace(watch, mode=Mode.DRIVING, cause="", heard_s=now_s, stood_s=math.nan)


def held(watch: Watch, cause: str, now_s: float) -> Watch:
    """It must brake, unless it does already or stands; the first cause is kept."""
    if watch.mode is Mode.BRAKING or (watch.mode is Mode.FREE and not math.isnan(watch.stood_s)):
        return watch
    return replace(watch, mode=Mode.BRAKING, cause=cause, braked_s=now_s, told_s=-math.inf)


def measured(watch: Watch, wheel_mps: float, now_s: float) -> Watch:
    """The wheels turn so fast."""
    if not abs(wheel_mps) < STAND_MPS:
        return replace(watch, stood_s=math.nan)
    return replace(watch, stood_s=now_s) if math.isnan(watch.stood_s) else watch


def tick(watch: Watch, now_s: float, config: WatchdogConfig) -> tuple[Watch, Order]:
    """Time has passed: what the motor must be told now; reads and servo commands change nothing."""
    if watch.mode is Mode.DRIVING and now_s >= due_s(watch, config):
        watch = held(watch, f"no command for {1e3 * (now_s - watch.heard_s):.0f} ms", now_s)
    if watch.mode is not Mode.BRAKING:
        return watch, Order.NOTHING
    if now_s - max(watch.stood_s, watch.braked_s) >= config.stand_s and not math.isnan(watch.stood_s):
        return replace(watch, mode=Mode.FREE), Order.RELEASE
    if now_s >= due_s(watch, config):
        return replace(watch, told_s=now_s), Order.BRAKE
    return watch, Order.NOTHING


def due_s(watch: Watch, config: WatchdogConfig) -> float:
    """When `tick` must be asked again, whatever happens; infinity while nothing can become due."""
    if watch.mode is Mode.DRIVING:
        return watch.heard_s + config.silence_s
    return max(watch.told_s + config.repeat_s, watch.braked_s) if watch.mode is Mode.BRAKING else math.inf
