"""What a run store says about a run, as curves: success, return and every metric, over steps and time."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from sandlot.learners.demos import STREAM_ACTOR
from sandlot.learners.ledger import USE_KEY, Totals, reset_table
from sandlot.learners.progress import WINDOW
from sandlot.learners.store import RunReader

PINNED_KEY = "pinned_seq"
ELAPSED = "elapsed_s"
"""The learner's own count of its running time, over all its lives."""
PAUSE_S = 60.0
"""Metrics come every few seconds; a longer gap is time in which nothing ran, and is left out."""


@dataclasses.dataclass(frozen=True)
class RunData:
    """Curves of one run.

    Attributes:
        task: its name.
        env_steps: practised steps in the store.
        demos: demonstration episodes.
        aborted: practice episodes that a fault ended.
        step: env step at which each practice episode ended, [E].
        minutes: running time at which each ended, [E]; NaN before the first metric.
        success: share of the last `WINDOW` episodes that succeeded, [E].
        reward_sum: mean return over the last `WINDOW` episodes, [E].
        metrics: name -> (env step [M], minutes [M], value [M]).
        events: (minutes, name, text).
        seconds: running time in all.
        resets: what each reset controller did (`ledger.RESET_FIGURES`).
    """

    task: str
    env_steps: int
    demos: int
    aborted: int
    step: np.ndarray
    minutes: np.ndarray
    success: np.ndarray
    reward_sum: np.ndarray
    metrics: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
    events: list[tuple[float, str, str]]
    seconds: float
    resets: dict[str, dict[str, float]]

    def last(self, name: str) -> float:
        """A metric's newest value, NaN when there is none."""
        return float(self.metrics[name][2][-1]) if name in self.metrics else float("nan")


def read_run(store: RunReader) -> RunData:
    """Reads everything a report shows; a run that is still going on may be read too."""
    pinned = int(store.get_meta(PINNED_KEY, 0))
    names = store.metric_names()
    rows = {name: np.array(store.metrics(name), np.float64).reshape(-1, 3) for name in names}
    clock = Clock(np.unique(np.concatenate([np.zeros(0), *(r[:, 0] for r in rows.values())])))
    metrics = {name: (r[:, 1], clock.minutes(r[:, 0]), r[:, 2]) for name, r in rows.items()}
    everything = store.episodes()
    ended = [e for e in everything if e.ended and e.last_seq > pinned]
    practice = sorted((e for e in ended if not e.aborted), key=lambda e: e.last_seq)
    step = np.array([e.last_seq - pinned for e in practice], np.float64)
    return RunData(
        task=store.spec.task,
        env_steps=store.last_seq - pinned,
        demos=sum(e.stream.actor == STREAM_ACTOR and e.ended for e in everything),
        aborted=sum(e.aborted for e in ended),
        step=step,
        minutes=_minutes_at(step, metrics),
        success=trailing_mean([e.success for e in practice]),
        reward_sum=trailing_mean([e.total_reward for e in practice]),
        metrics=metrics,
        events=[(float(clock.minutes(np.array([t]))[0]), name, text) for t, name, text in store.events()],
        seconds=float(metrics[ELAPSED][2][-1]) if ELAPSED in metrics else clock.total_s,
        resets=reset_table(Totals(store.get_meta(USE_KEY)).sums()),
    )


class Clock:
    """Running time from wall time: gaps longer than `PAUSE_S` between known moments are left out."""

    def __init__(self, wall_s: np.ndarray) -> None:
        """`wall_s` [M]: ascending moments at which the run was alive."""
        steps_s = np.diff(wall_s)
        self._wall_s = wall_s
        self._run_s = np.concatenate([[0.0], np.cumsum(np.where(steps_s > PAUSE_S, 0.0, steps_s))])[
            : len(wall_s)
        ]

    @property
    def total_s(self) -> float:
        """Running time of the whole run."""
        return float(self._run_s[-1]) if len(self._run_s) else 0.0

    def minutes(self, wall_s: np.ndarray) -> np.ndarray:
        """Minutes of running time at wall times [n]; zeros when nothing is known."""
        if not len(self._wall_s):
            return np.zeros(len(wall_s))
        return np.interp(wall_s, self._wall_s, self._run_s) / 60.0


def trailing_mean(values: Sequence[float], window: int = WINDOW) -> np.ndarray:
    """Mean of the last `window` values at each place, [n]; of fewer at the beginning."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / np.maximum(1, ends - starts)


def _minutes_at(
    step: np.ndarray, metrics: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Running time at env steps [E], from the metric that was noted most often."""
    if not metrics:
        return np.full(len(step), np.nan)
    steps, minutes, _ = max(metrics.values(), key=lambda m: len(m[0]))
    return np.interp(step, steps, minutes)
