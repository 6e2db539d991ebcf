"""Keeping a simulated device at real time: how many physics steps are due, and none that came too late."""

import logging
import math

log = logging.getLogger(__name__)

BEHIND_S = 0.2
"""So much is made up for when the process was held up; what is more is skipped."""


class KeepUp:
    """Physics that has run up to `ran_s`, steady time; `skipped_s` is what it left out."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self.ran_s, self.skipped_s = math.nan, 0.0

    def due(self, now_s: float) -> int:
        """Whole steps to run until now; they count as run."""
        if not now_s - self.ran_s <= BEHIND_S:
            self._skip(now_s)
        steps = int((now_s - self.ran_s) / self._step_s)
        self.ran_s += max(0, steps) * self._step_s
        return steps

    def _skip(self, now_s: float) -> None:
        """Takes up at the present: to catch up would make it later still."""
        if math.isfinite(self.ran_s):
            self.skipped_s += now_s - self.ran_s
            log.warning(
                "event=sim_behind skipped_ms=%.0f total_s=%.1f; this machine has no time for real time",
                1e3 * (now_s - self.ran_s),
                self.skipped_s,
            )
        self.ran_s = now_s
