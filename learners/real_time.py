"""Robots that move by themselves: what an actor tells such a robot, beyond actions, and asks of it.

A simulated env stands still between two steps; a robot does not. Its env keeps the control period itself,
must be told when nobody will command it for a while, and may be unable to go on for some time.
"""

import ast
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import gymnasium as gym
import numpy as np

from sandlot.learners.errors import NotReadyError
from sandlot.learners.schema import Flag, Source

log = logging.getLogger(__name__)

WAITING = "event=waiting kind="
"""How the log line of a `Complaint` begins."""
RETRY_S = 0.2
SAY_S = 3.0
T = TypeVar("T")


class StepNote(NamedTuple):
    """One step as it is recorded, for whoever records the robot's messages beside it.

    `flags` may still get END when the next step turns out to have another source; fields as in `step_dtype`.
    """

    episode: int
    step: int
    flags: Flag
    reward: float
    source: Source
    policy_version: int
    t_obs_ns: int
    t_act_ns: int
    wall_s: float
    action: np.ndarray
    policy_action: np.ndarray
    task: str = ""


class ResetNote(NamedTuple):
    """What a reset controller did; an env's `reset` has them in `info["resets"]`.

    Attributes:
        controller: its name, of the letters, digits and `_`.
        seconds: how long it took, by the robot's clock.
        tries: how often it began anew, at least 1.
        steps: actions that it sent.
        failed: why it gave up; empty when it did not.
    """

    controller: str
    seconds: float
    tries: int
    steps: int
    failed: str = ""

    def figures(self) -> dict[str, float]:
        """What is summed up over a run, by the names of `ledger.RESET_FIGURES`."""
        return {
            "count": 1.0,
            "seconds": self.seconds,
            "tries": float(self.tries),
            "steps": float(self.steps),
            "failed": float(bool(self.failed)),
        }


@runtime_checkable
class RealTime(Protocol):
    """A robot that moves by itself. Its env's steps take one control period each, by its own clock."""

    def pause(self) -> None:
        """Nobody will command for a while, on purpose: hold. The next action ends it; may be called twice."""
        ...

    def figures(self) -> dict[str, float]:
        """How old observations were and how evenly commands came, for reports."""
        ...

    def note(self, note: StepNote) -> None:
        """A step was recorded."""
        ...


@runtime_checkable
class Heard(Protocol):
    """A robot that tells others what a reward classifier says."""

    def tell_p_success(self, task: str, p_success: float) -> None:
        """The classifier's probability that the task is done, by the newest frames."""
        ...


def real_time(env: gym.Env[Any, Any]) -> RealTime | None:
    """The robot behind an env when it moves by itself, None when it waits for the next step."""
    return getattr(env.unwrapped, "real_time", None)


class Complaint:
    """Says why a robot cannot go on: at once, when the reason changes, and every few seconds."""

    def __init__(self) -> None:
        self._said, self._said_s = "", 0.0

    def __call__(self, error: NotReadyError, now_s: float) -> None:
        """Logs it unless it was just said."""
        kind = type(error).__name__
        if kind != self._said or now_s - self._said_s >= SAY_S:
            log.warning("%s%s reason=%r", WAITING, kind, str(error))
            self._said, self._said_s = kind, now_s


def complaint_in(lines: Sequence[str]) -> str:
    """The reason of the newest `Complaint` in a log, as it was given; empty when there is none."""
    for line in reversed(lines):
        _, found, reason = line.partition(WAITING)
        if found:
            reason = reason.partition(" reason=")[2]
            with contextlib.suppress(ValueError, SyntaxError):  # cut short by a full disk
                reason = str(ast.literal_eval(reason))
            return reason
    return ""


def when_ready(attempt: Callable[[], T]) -> T:
    """The result of an attempt, made again for as long as the env is not ready."""
    say = Complaint()
    while True:
        try:
            return attempt()
        except NotReadyError as error:
            say(error, time.monotonic())
            time.sleep(RETRY_S)
