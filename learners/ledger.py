"""Where the time of practice goes, and what was done in it. Pure: time is an argument.

An actor keeps a `Ledger`; its figures only ever grow, and go to the learner with the others that it reports.
The learner adds them up over all actors and all their lives in `Totals`, which is kept with the run.
"""

import enum
import logging
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from sandlot.learners.real_time import ResetNote

log = logging.getLogger(__name__)

PREFIX = "use."
"""Of the figures that only ever grow, among those that an actor reports."""
LIFE = f"{PREFIX}life"
USE_KEY = "use"
"""Where a run store keeps the state of `Totals`."""
RECENT_S, MARK_S = 600.0, 10.0
RESET = "reset."
RESET_FIGURES = ("count", "seconds", "tries", "steps", "failed")


class Use(enum.StrEnum):
    """What an actor's time goes to: at every moment exactly one of these."""

    STEPPING = "stepping"  # the policy or a person commands; in real time the wait for the next period too
    RESETTING = "resetting"  # the next trial is set up
    LEARNER = "learner"  # waits: for updates, for newer weights, for room in the spool
    PERSON = "person"  # waits until somebody has seen to the robot
    FAULT = "fault"  # waits for what will be there again by itself, such as a sensor


class Ledger:
    """One life of an actor: seconds of each use, and counters.

    Args:
        life: a number that no other life of this actor has.
    """

    def __init__(self, life: float) -> None:
        self.use = Use.RESETTING
        self._life, self._since_s = life, math.nan
        self._sums: dict[str, float] = {use: 0.0 for use in Use}

    def enter(self, use: Use, now_s: float) -> None:
        """From now on the time goes to `use`; the first call begins the account."""
        if not math.isnan(self._since_s):
            self._sums[self.use] += now_s - self._since_s
        self.use, self._since_s = use, now_s

    def count(self, name: str, amount: float = 1.0) -> None:
        """Adds to a counter."""
        self._sums[name] = self._sums.get(name, 0.0) + amount

    def note_resets(self, resets: Iterable[ResetNote]) -> None:
        """Counts what reset controllers did."""
        for note in resets:
            for figure, amount in note.figures().items():
                self.count(f"{RESET}{note.controller}.{figure}", amount)
            log.info("event=reset %s", " ".join(f"{k}={v!r}" for k, v in note._asdict().items()))

    def figures(self, now_s: float) -> dict[str, float]:
        """Everything so far; the seconds sum to the time since the first `enter`."""
        self.enter(self.use, now_s)
        return {LIFE: self._life, **{PREFIX + name: value for name, value in self._sums.items()}}


class Totals:
    """The figures of all actors' ledgers over all their lives."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        """Goes on from what `state` returned, or from nothing."""
        state = state or {"past": {}, "now": {}}
        self._past: dict[str, float] = dict(state["past"])
        self._now: dict[str, dict[str, float]] = {actor: dict(v) for actor, v in state["now"].items()}

    def hear(self, actor: str, reported: Mapping[str, float]) -> None:
        """Takes the newest report of an actor; one of another life than the last adds to it."""
        new = {name: value for name, value in reported.items() if name.startswith(PREFIX)}
        if LIFE not in new:
            return
        old = self._now.get(actor, {})
        if old and old[LIFE] != new[LIFE]:
            for name, value in old.items():
                self._past[name] = self._past.get(name, 0.0) + value
        self._now[actor] = new

    def sums(self) -> dict[str, float]:
        """Name, without the prefix, -> sum over all lives."""
        found: dict[str, float] = {}
        for figures in (self._past, *self._now.values()):
            for name, value in figures.items():
                found[name] = found.get(name, 0.0) + value
        found.pop(LIFE, None)
        return {name.removeprefix(PREFIX): value for name, value in found.items()}

    def state(self) -> dict[str, Any]:
        """What a later learner of the same run goes on from; JSON."""
        return {"past": self._past, "now": self._now}


class Recent:
    """How much figures grew over the last ten minutes."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, dict[str, float]]] = deque()

    def update(self, now_s: float, sums: Mapping[str, float]) -> dict[str, float]:
        """Notes the newest sums and returns what they were ten minutes ago, or at first, less."""
        if not self._marks or now_s - self._marks[-1][0] >= MARK_S:
            self._marks.append((now_s, dict(sums)))
        while len(self._marks) > 1 and now_s - self._marks[1][0] >= RECENT_S:
            self._marks.popleft()
        first = self._marks[0][1]
        return {name: value - first.get(name, 0.0) for name, value in sums.items()}


def practice_figures(
    sums: Mapping[str, float], recent: Mapping[str, float], trials: int, interventions: int
) -> dict[str, float]:
    """Figures of practice by name; empty before any time was accounted for.

    Args:
        sums: of `Totals`.
        recent: how they grew over the last ten minutes.
        trials: finished episodes of practice in the run.
        interventions: times that a person took over in the run.
    """
    wall_s, recent_s = (sum(figures.get(use, 0.0) for use in Use) for figures in (sums, recent))
    if wall_s <= 0:
        return {}
    resets = reset_table(sums)
    count = sum(row["count"] for row in resets.values())
    return {
        "utilisation": sums.get(Use.STEPPING, 0.0) / wall_s,
        **({"utilisation_10min": recent.get(Use.STEPPING, 0.0) / recent_s} if recent_s > 0 else {}),
        **{f"time_{use}_s": sums.get(use, 0.0) for use in Use},
        "trials_per_hour": 3600.0 * trials / wall_s,
        "interventions_per_hour": 3600.0 * interventions / wall_s,
        "calls": sums.get("calls", 0.0),
        "resets": count,
        "reset_tries": sum(row["tries"] for row in resets.values()),
        "reset_steps": sum(row["steps"] for row in resets.values()),
        "reset_s": sum(row["seconds"] for row in resets.values()) / count if count else 0.0,
    }


def reset_table(sums: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Each reset controller's count, seconds, tries, steps and failures, in the order of their names."""
    names = sorted({n.removeprefix(RESET).rpartition(".")[0] for n in sums if n.startswith(RESET)})
    return {n: {f: sums.get(f"{RESET}{n}.{f}", 0.0) for f in RESET_FIGURES} for n in names}
