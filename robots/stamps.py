"""When a message was stamped, on this machine's steady clock; no clock jump makes it fresh or stale.

Header stamps are wall time, the only time that processes share. Decisions use the steady clock, so a stamp
is brought over by how far the two clocks are apart. When that distance jumps (someone set the clock, or NTP
did), messages stamped before the jump are still on their way: for a while both distances are known, and the
one that fits is used. Machines that share stamps must share the time to some milliseconds (chrony or PTP).
"""

import math
import time
from dataclasses import dataclass, field
from typing import NamedTuple

AHEAD_S = 0.005
"""A stamp may lie this much in the future: two readings of two clocks are never made at one instant."""


class Clocks(NamedTuple):
    """Both clocks, read at one instant.

    Attributes:
        steady_s: `time.monotonic`.
        wall_s: seconds since 1970, `time.time`.
    """

    steady_s: float
    wall_s: float

    def wall_of(self, steady_s: float) -> float:
        """The wall time to stamp something with that happened at this steady time."""
        return self.wall_s + (steady_s - self.steady_s)


def read_clocks(tries: int = 5, within_s: float = 50e-6) -> Clocks:
    """Reads both clocks; again when the process was interrupted in between."""
    for _ in range(tries):
        before_s, wall_s, after_s = time.monotonic(), time.time(), time.monotonic()
        if after_s - before_s < within_s:
            break
    return Clocks((before_s + after_s) / 2, wall_s)


@dataclass
class StampClock:
    """Brings header stamps to the steady clock. Keep one a process; tell it the clocks with every message.

    Attributes:
        jump_s: a change of the distance between the clocks by more than this is a jump; less is slewing.
        memory_s: how long a distance from before a jump still counts.
        jumps: how many there were.
    """

    jump_s: float = 0.02
    memory_s: float = 2.0
    jumps: int = 0
    _ahead_s: float = math.nan
    _past: list[tuple[float, float]] = field(default_factory=list)

    def steady_s(self, stamp_s: float, clocks: Clocks) -> float:
        """The steady time of a wall-clock stamp, by the clocks' distance that makes it the most recent past.

        A stamp from the future by every known distance stays there: its age is negative, so `is_fresh` is
        false.
        """
        self.look(clocks)
        candidates = [stamp_s - ahead_s for ahead_s in (self._ahead_s, *(a for a, _ in self._past))]
        past = [c for c in candidates if c <= clocks.steady_s + AHEAD_S]
        return max(past) if past else min(candidates)

    def age_s(self, stamp_s: float, clocks: Clocks) -> float:
        """How long ago a stamp was made; negative when it says the future."""
        return clocks.steady_s - self.steady_s(stamp_s, clocks)

    def look(self, clocks: Clocks) -> None:
        """Notes how far the clocks are apart now; the more often, the less of a jump is missed."""
        ahead_s = clocks.wall_s - clocks.steady_s
        if abs(ahead_s - self._ahead_s) > self.jump_s:
            self.jumps += 1
            self._past.append((self._ahead_s, clocks.steady_s + self.memory_s))
        self._ahead_s = ahead_s
        if self._past:
            self._past = [(a, until_s) for a, until_s in self._past if clocks.steady_s < until_s]


def is_fresh(age_s: float, limit_s: float) -> bool:
    """Whether an age is one that may be acted on: not beyond the limit, not from the future, a number."""
    return -AHEAD_S <= age_s <= limit_s
