"""The state machine that every reset controller is, and the limits that none can exceed. Pure.

A try ends when a state lasts too long, is begun too often (the machine goes back and forth), or the robot's
reading stands still. Then the machine begins anew, a bounded number of times; then it has given up, for good.
"""

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np

from sandlot.learners.errors import ConfigError

Reading_contra = TypeVar("Reading_contra", contravariant=True)
Scene_contra = TypeVar("Scene_contra", contravariant=True)
Reading = TypeVar("Reading")
Scene = TypeVar("Scene")


class Verdict(enum.Enum):
    """How a controller is."""

    GOING = "going"
    DONE = "done"
    GAVE_UP = "gave up"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """What a controller may take, by the robot's clock.

    Attributes:
        tries: times the machine may begin.
        state_s: time in one state.
        all_s: time in all tries together.
        entries: times one state may be begun in one try.
        frozen_s: time without any change of the reading.
    """

    tries: int = 3
    state_s: float = 8.0
    all_s: float = 45.0
    entries: int = 3
    frozen_s: float = 1.5

    def __post_init__(self) -> None:
        for name in ("tries", "state_s", "all_s", "entries", "frozen_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"patience '{name}' is {getattr(self, name)}: it must be greater than 0")


class Controller(Protocol[Reading_contra, Scene_contra]):
    """One way to bring things nearer to a scene; keeps no memory but the name of its state."""

    name: str
    """Letters, digits and `_`."""
    first: str
    """The state that every try begins in."""

    def applies(self, reading: Reading_contra, scene: Scene_contra) -> bool:
        """Whether there is something to do for it."""
        ...

    def problem(self, reading: Reading_contra, scene: Scene_contra) -> str:
        """Why it cannot ever succeed here, for a person; empty when it may."""
        ...

    def next(self, state: str, reading: Reading_contra, scene: Scene_contra) -> tuple[str, np.ndarray | None]:
        """The state to be in now and the action there, float32 [A]; None when it is done."""
        ...

    def watched(self, reading: Reading_contra) -> np.ndarray:
        """Numbers of a reading that do not stand still while the robot moves."""
        ...


@dataclass(frozen=True)
class Progress:
    """How far a controller has come.

    Attributes:
        state: of its machine, a word for people.
        verdict: whether it goes on.
        why: it gave up, or what ended the try before this one.
        tries: the one it is in, from 1.
        began_s: when it began.
        since_s: when it entered its state.
        changed_s: when the reading changed last.
        seen: the watched numbers then.
        entries: how often each state was begun in this try.
    """

    state: str
    began_s: float
    since_s: float
    changed_s: float
    seen: np.ndarray
    verdict: Verdict = Verdict.GOING
    why: str = ""
    tries: int = 1
    entries: Mapping[str, int] = field(default_factory=dict)


def begin(controller: Controller[Reading, Scene], reading: Reading, now_s: float) -> Progress:
    """The first try, at its first state."""
    return Progress(controller.first, now_s, now_s, now_s, controller.watched(reading))


def tick(
    progress: Progress,
    controller: Controller[Reading, Scene],
    reading: Reading,
    scene: Scene,
    *,
    now_s: float,
    patience: Patience,
) -> tuple[Progress, np.ndarray | None]:
    """What to do now, None when the controller is done or has given up."""
    problem = controller.problem(reading, scene)
    if problem or now_s - progress.began_s > patience.all_s:
        why = problem or f"state '{progress.state}' after {patience.all_s:g} s in all"
        return replace(progress, verdict=Verdict.GAVE_UP, why=why), None
    seen = controller.watched(reading)
    if not np.array_equal(seen, progress.seen):
        progress = replace(progress, seen=seen, changed_s=now_s)
    state, action = controller.next(progress.state, reading, scene)
    if action is None:
        return replace(progress, state=state, verdict=Verdict.DONE), None
    fault = _fault(progress, state, now_s, patience)
    if fault and progress.tries >= patience.tries:
        return replace(progress, verdict=Verdict.GAVE_UP, why=fault), None
    if fault:
        fresh = begin(controller, reading, now_s)
        progress = replace(fresh, began_s=progress.began_s, tries=progress.tries + 1, why=fault)
        state, action = controller.next(progress.state, reading, scene)
    return _entered(progress, state, now_s), action


def _fault(progress: Progress, state: str, now_s: float, patience: Patience) -> str:
    """Why this try is over; empty when it is not."""
    if now_s - progress.changed_s >= patience.frozen_s:
        return f"the robot's reading stood still for {patience.frozen_s:g} s in state '{progress.state}'"
    if state == progress.state:
        lasts_s = now_s - progress.since_s
        return f"state '{state}' lasted {lasts_s:.1f} s" if lasts_s > patience.state_s else ""
    again = progress.entries.get(state, 0) >= patience.entries
    return f"state '{state}' was begun {patience.entries + 1} times" if again else ""


def _entered(progress: Progress, state: str, now_s: float) -> Progress:
    if state == progress.state and progress.entries:
        return progress
    entries = Counter(progress.entries) + Counter([state])
    return replace(progress, state=state, since_s=now_s, entries=dict(entries))
