"""The control period of a robot that moves by itself, and how evenly it was kept. Pure."""

from collections import deque

import numpy as np

HISTORY = 2000
LATE = 0.25
"""A command that comes this share of a period late starts a new rhythm instead of cutting its step short."""


class Rhythm:
    """When each step ends: on an absolute grid of periods for as long as the commands keep up with it.

    Attributes:
        restarts: commands that came too late for the grid they were on.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self.restarts = 0
        self._end_s: float | None = None
        self._began_s: float | None = None
        self._errors_s: deque[float] = deque(maxlen=HISTORY)

    def begin(self, now_s: float) -> float:
        """A command goes out now; returns when its step ends."""
        late = self._end_s is not None and now_s - self._end_s > LATE * self.period_s
        self.restarts += late
        if self._began_s is not None:
            self._errors_s.append(now_s - self._began_s - self.period_s)
        self._end_s = (now_s if self._end_s is None or late else self._end_s) + self.period_s
        self._began_s = now_s
        return self._end_s

    def pause(self) -> None:
        """No command is due: the next one starts a new rhythm."""
        self._end_s = self._began_s = None

    def jitter_ms(self) -> dict[str, float]:
        """How far the times between commands were from the period, ms; empty before the second command."""
        if not self._errors_s:
            return {}
        p50, p99 = np.percentile(np.abs(self._errors_s), (50, 99)) * 1e3
        return {
            "command_jitter_p50_ms": float(p50),
            "command_jitter_p99_ms": float(p99),
            "command_restarts": float(self.restarts),
        }
