"""What a driver obeys, and when it holds by itself. Pure: time is an argument; no ROS import here.

    HOLDING --new command--> FOLLOWING --hold, silence, e-stop, stop--> HOLDING
                                 stop, e-stop: LOCKED until released

The gate in front of it limits and judges; the driver only makes sure that a gate which died, froze or lost
its connection does not leave the robot moving. A repeated command says that the gate lives; only a command
that is newer than all before it moves the robot again after a hold.
"""

import math
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum

from sandlot.learners.errors import ConfigError
from sandlot.robots.stamps import AHEAD_S, is_fresh

HISTORY = 1000
"""Command ages that the figures are taken over."""


@dataclass(frozen=True, kw_only=True)
class DriverConfig:
    """When a driver holds by itself.

    Attributes:
        gate_timeout_s: a command in force that is not repeated for this long: the gate is gone.
        deadline_s: a command in force, or a new one, whose action is older than this; a little more than the
            gate's own deadline, which comes first while the gate lives.
    """

    gate_timeout_s: float = 0.1
    deadline_s: float = 0.17

    def __post_init__(self) -> None:
        for name in ("gate_timeout_s", "deadline_s"):
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
    _newest_s: float = -math.inf
    _heard_s: float = math.nan

    def offer(self, fault: str, stamp_ns: int, age_s: float, now_s: float) -> Verdict:
        """Judges a command.

        Args:
            fault: what is wrong with its content, "" when nothing is.
            stamp_ns: of the action it came from.
            age_s: of that action, now.
            now_s: steady time.
        """
        repeated, made_s = stamp_ns == self._newest_ns, now_s - age_s
        why = fault or self._refusal(repeated, made_s, age_s)
        if why:
            self.counts[f"ignored_{why}"] += 1
            return Verdict.IGNORE
        self._heard_s = now_s
        if repeated:
            self.counts["repeats"] += 1
            return Verdict.REPEAT
        self._newest_ns, self._newest_s = stamp_ns, made_s
        self.mode, self.cause = Mode.FOLLOWING, ""
        self.counts["obeyed"] += 1
        self.ages_s.append(age_s)
        return Verdict.OBEY

    def _refusal(self, repeated: bool, made_s: float, age_s: float) -> str:
        """Why a command is not obeyed; "older" is judged by the steady clock, which never jumps back."""
        if self.mode is Mode.LOCKED:
            return "locked"
        if not is_fresh(age_s, self.config.deadline_s):
            return "from_future" if age_s < 0 else "stale"
        if repeated:
            return "" if self.mode is Mode.FOLLOWING else "held"
        return "older" if made_s < self._newest_s - AHEAD_S else ""

    def tick(self, now_s: float) -> str:
        """Looks at the time; the cause when it has to hold now."""
        if self.mode is Mode.FOLLOWING and now_s - self._heard_s > self.config.gate_timeout_s:
            return self.hold("gate silent")
        if self.mode is Mode.FOLLOWING and now_s - self._newest_s > self.config.deadline_s:
            return self.hold("action too old")
        return ""

    @property
    def follows(self) -> bool:
        """Whether a command is in force."""
        return self.mode is Mode.FOLLOWING

    @property
    def locked(self) -> bool:
        """Whether commands are ignored until a release."""
        return self.mode is Mode.LOCKED

    def hold(self, cause: str) -> str:
        """The gate, or a fault, asks for a hold; it lasts until a newer command comes."""
        if self.mode is Mode.FOLLOWING:
            self.mode, self.cause = Mode.HOLDING, cause
        self.counts[f"hold_{cause.partition(':')[0].replace(' ', '_')}"] += 1
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
