"""What a driver obeys, and when it holds by itself. Pure: time is an argument; no ROS import here.

    HOLDING --new command--> FOLLOWING --hold, silence, e-stop, stop--> HOLDING
                                 stop, e-stop: LOCKED until released

The gate in front of it limits and judges; the driver only makes sure that a gate which died, froze or lost its
connection does not leave the robot moving. A repeated command says that the gate lives; only a command that is
newer than all before it moves the robot again after a hold.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum

from sandlot.learners.errors import ConfigError
from sandlot.robots.stamps import is_fresh

HISTORY = 1000
"""Command ages that the figures are taken over."""


@dataclass(frozen=True, kw_only=True)
class DriverConfig:
    """When a driver holds by itself.

    Attributes:
        gate_timeout_s: a command in force that is not repeated for this long.
        stale_s: a command whose action is older than this is ignored; more than the gate's deadline.
    """

    gate_timeout_s: float = 0.1
    stale_s: float = 0.25

    def __post_init__(self) -> None:
        for name in ("gate_timeout_s", "stale_s"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise ConfigError(f"driver setting '{name}' is {value} s: it must lie in (0, 1]")


class Mode(Enum):
    """What a driver does."""

    HOLDING = "holding"
    FOLLOWING = "following"
    LOCKED = "locked"


class Verdict(Enum):
    """What becomes of a command."""

    OBEY = "obey"
    REPEAT = "repeat"
    IGNORE = "ignore"


@dataclass
class Driver:
    """The state of one driver; `hold` and `tick` return the cause when the device must be told to hold.

    Attributes:
        mode: what it does.
        cause: why it holds or is locked, in words.
        counts: commands obeyed, repeats, `ignored_<why>`, `hold_<why>`.
    """

    config: DriverConfig
    mode: Mode = Mode.HOLDING
    cause: str = "started"
    counts: Counter[str] = field(default_factory=Counter)
    ages_s: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    _locks: set[str] = field(default_factory=set)
    _newest_ns: int = -1
    _heard_s: float = math.nan

    def offer(self, fault: str, stamp_ns: int, age_s: float, now_s: float) -> Verdict:
        """Judges a command.

        Args:
            fault: what is wrong with its content, "" when nothing is.
            stamp_ns: of the action it came from.
            age_s: of that action, now.
            now_s: steady time.
        """
        why = self._refusal(fault, stamp_ns, age_s)
        if why:
            self.counts[f"ignored_{why}"] += 1
            return Verdict.IGNORE
        self._heard_s = now_s
        if stamp_ns == self._newest_ns:
            self.counts["repeats"] += 1
            return Verdict.REPEAT
        self._newest_ns = stamp_ns
        self.mode, self.cause = Mode.FOLLOWING, ""
        self.counts["obeyed"] += 1
        self.ages_s.append(age_s)
        return Verdict.OBEY

    def _refusal(self, fault: str, stamp_ns: int, age_s: float) -> str:
        if self.mode is Mode.LOCKED:
            return "locked"
        if fault:
            return fault
        if not is_fresh(age_s, self.config.stale_s):
            return "stale" if age_s > 0 else "from_future"
        if stamp_ns < self._newest_ns and age_s > 0:
            return "older"
        if stamp_ns == self._newest_ns and self.mode is not Mode.FOLLOWING:
            return "held"
        return ""

    def tick(self, now_s: float) -> str:
        """Looks at the time; the cause when it has to hold now."""
        silent_s = now_s - self._heard_s
        if self.mode is Mode.FOLLOWING and silent_s > self.config.gate_timeout_s:
            return self.hold("gate silent")
        return ""

    def hold(self, cause: str) -> str:
        """The gate, or a fault, asks for a hold; it lasts until a newer command comes."""
        if self.mode is Mode.FOLLOWING:
            self.mode, self.cause = Mode.HOLDING, cause
        self.counts[f"hold_{cause.split(':')[0].replace(' ', '_')}"] += 1
        return cause

    def lock(self, by: str) -> str:
        """Holds until `release(by)`: e-stop, or the stop service."""
        self._locks.add(by)
        self.hold(by)
        self.mode, self.cause = Mode.LOCKED, ", ".join(sorted(self._locks))
        return by

    def release(self, by: str) -> None:
        """Takes back one lock; without any left it waits for the next command."""
        self._locks.discard(by)
        if self.mode is Mode.LOCKED:
            self.cause = ", ".join(sorted(self._locks)) or f"{by} released"
            self.mode = Mode.LOCKED if self._locks else Mode.HOLDING
