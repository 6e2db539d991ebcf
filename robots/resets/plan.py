"""Running a task's reset controllers on a robot, until there is nothing left to do for any of them."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from sandlot.learners.real_time import ResetNote
from sandlot.robots.errors import ResetFailedError
from sandlot.robots.protocol import Robot
from sandlot.robots.resets.machine import Controller, Patience, Verdict, begin, tick

log = logging.getLogger(__name__)

Reading = TypeVar("Reading")
Scene = TypeVar("Scene")


def restore(
    robot: Robot[Reading, Scene],
    controllers: Sequence[Controller[Reading, Scene]],
    scene: Scene,
    *,
    patience: Patience | None = None,
    real_time: bool = False,
) -> list[ResetNote]:
    """Brings things to a scene; returns what each controller did.

    The first controller that has something to do acts until it is done, then the first one again, until none
    has. None acts more often than it may try.

    Args:
        robot: acts through its own limits and gate.
        controllers: of the task, in order of precedence.
        scene: what a trial shall begin with.
        patience: of each controller.
        real_time: count time by the steady clock; else by the robot's control period.

    Raises:
        ResetFailedError: a controller gave up; its `resets` are all notes.
    """
    patience, steps, notes = patience or Patience(), 0, list[ResetNote]()

    def now_s() -> float:
        return time.monotonic() if real_time else steps / robot.control_hz

    runs: Counter[str] = Counter()
    while controller := _first(controllers, robot.observe(), scene):
        before, progress = steps, begin(controller, robot.observe(), now_s())
        runs[controller.name] += 1
        while runs[controller.name] <= patience.tries:
            progress, action = tick(
                progress, controller, robot.observe(), scene, now_s=now_s(), patience=patience
            )
            if action is None:
                break
            robot.act(action)
            steps += 1
        failed = progress.why if progress.verdict is Verdict.GAVE_UP else ""
        if runs[controller.name] > patience.tries:
            failed = f"it was done {patience.tries} times, and had to begin again"
        seconds = now_s() - progress.began_s
        notes.append(ResetNote(controller.name, seconds, progress.tries, steps - before, failed))
        if failed:
            raise _failure(notes)
    return notes


def _first(
    controllers: Sequence[Controller[Reading, Scene]], reading: Reading, scene: Scene
) -> Controller[Reading, Scene] | None:
    return next((c for c in controllers if c.applies(reading, scene)), None)


def _failure(notes: list[ResetNote]) -> ResetFailedError:
    last = notes[-1]
    error = ResetFailedError(
        f"reset controller '{last.controller}' gave up after {last.tries} tries and {last.seconds:.1f} s: "
        f"{last.failed}; put things in order, then let the robot move again"
    )
    error.resets = tuple(notes)
    log.error("event=reset_failed %s", " ".join(f"{k}={v!r}" for k, v in last._asdict().items()))
    return error
