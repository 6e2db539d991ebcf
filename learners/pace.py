"""When an actor may take its next step, and how evenly it did."""

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np

from sandlot.learners.env_config import Pace

POLL_S = 0.001
PERIODS = 1000


@dataclasses.dataclass
class Pacer:
    """Waits before each step as the actor's pace asks.

    `realtime` keeps the control period by the steady clock and counts a missed deadline instead of hurrying
    after it; `learner` waits while the steps that the learner does not know of yet use up the allowance it
    gave; `free` never waits. Where the env keeps the control period itself, `realtime` only watches it.
    """

    pace: Pace
    period_s: float
    stopped: Callable[[], bool]
    env_keeps_time: bool = False
    taken: int = 0
    missed: int = 0
    _next_s: float | None = None
    _last_s: float | None = None
    _errors_s: deque[float] = dataclasses.field(default_factory=lambda: deque(maxlen=PERIODS))

    def wait(self, left: Callable[[], float]) -> None:
        """Returns when the next step may be taken, or when the actor is stopped.

        Args:
            left: how many steps the learner's allowance still covers; asked for again while waiting.
        """
        if self.pace == "learner":
            while not self.stopped() and left() < 1:
                time.sleep(POLL_S)
        elif self.pace == "realtime" and not self.env_keeps_time:
            self._wait_for_deadline()
        if self.pace == "realtime" or self.env_keeps_time:
            self._note_period(time.monotonic())
        self.taken += 1

    def episode_began(self) -> None:
        """A reset took as long as it took: the next deadline counts from now."""
        self._next_s = self._last_s = None

    def jitter_ms(self) -> dict[str, float]:
        """How far the last periods were from the nominal one, ms; empty unless in real time."""
        if len(self._errors_s) < 2:
            return {}
        p50, p99 = np.percentile(np.abs(np.array(self._errors_s)), (50, 99)) * 1e3
        return {"loop_p50_ms": float(p50), "loop_p99_ms": float(p99), "missed_deadlines": float(self.missed)}

    def _wait_for_deadline(self) -> None:
        now_s = time.monotonic()
        if self._next_s is None:
            self._next_s = now_s
        elif now_s > self._next_s + self.period_s:  # a whole period late: start a new rhythm
            self.missed += 1
            self._next_s = now_s
        time.sleep(max(0.0, self._next_s - now_s))
        self._next_s += self.period_s

    def _note_period(self, began_s: float) -> None:
        if self._last_s is not None:
            self._errors_s.append(began_s - self._last_s - self.period_s)
        self._last_s = began_s


def allowance(info: Mapping[str, float], run: str, taken: int) -> float:
    """How many steps an actor may take now; 0 before the learner spoke.

    The learner's figures are of one moment: how many env steps all `actors` may take beyond those it knew
    then (`may_take`, shared evenly), and how many it knew of this actor's run (`known.<run>`).

    Args:
        info: the learner's figures.
        run: the actor's run.
        taken: steps of this run so far.
    """
    unknown = taken - info.get(f"known.{run}", 0.0)
    return info.get("may_take", 0.0) / max(1.0, info.get("actors", 1.0)) - unknown
