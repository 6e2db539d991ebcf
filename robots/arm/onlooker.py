"""A scripted person beside an arm that others drive: what they see on its topics, and what their hands do.

They see each step that the actor took (`actor/step`) and, continuously, what the driver and trackers publish.
Pure: time is an argument; messages are only read.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sandlot.learners.real_time import StepNote
from sandlot.learners.schema import Flag, Source
from sandlot.robots.arm import readings
from sandlot.robots.arm.spec import Command, Pose
from sandlot.robots.arm.task import ArmTask
from sandlot.robots.step_message import View
from sandlot.robots.teleop.mapping import Hands
from sandlot.robots.teleop.person import PersonConfig, ScriptedPerson

OVER = Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED
SILENT_S = 1.0
"""After this long without a step nobody practises: hands off."""


class Onlooker:
    """Watches the steps of a task, and of its reverse where both are practised in turn; drives to correct.

    Args:
        task: what is practised; its expert is what the person knows.
        cfg: how they supervise.
    """

    def __init__(self, task: ArmTask, cfg: PersonConfig) -> None:
        self._tasks = {t.name: t for t in (task, *([task.reversed()] if task.reverse else []))}
        self._task, self._person = task, ScriptedPerson(cfg, task.max_steps)
        self._episode, self._stepped_s = ("", -1), -np.inf
        self._command: Command | None = None
        self._known: dict[str, Pose] = {}
        self._expected: np.ndarray | None = None  # what the expert would have done in the step under way

    def stepped(
        self, note: StepNote, after: View | None, values: Mapping[str, Any] | None, now_s: float
    ) -> None:
        """The actor took a step.

        Args:
            note: the step.
            after: what the observation after it was made of; None when a fault ended it.
            values: newest message by topic; None when they cannot be used now.
            now_s: steady clock.
        """
        self._stepped_s = now_s
        if (note.task, note.episode) != self._episode:
            self._begin()
            self._episode, self._task = (note.task, note.episode), self._tasks.get(note.task, self._task)
        # a step that was under way when they took over, or let go, is not looked at
        if self._expected is not None and (note.source is Source.HUMAN) == self._person.drives:
            self._person.saw(note.policy_action, self._expected)
        if note.flags & OVER or after is None:
            self._begin()
            return
        numbers = after.extra["command"]
        self._command = Command(readings.pose_of(numbers[:-1]), bool(numbers[-1]))
        self._known = {
            name.removeprefix("object."): readings.pose_of(pose)
            for name, pose in after.extra.items()
            if name.startswith("object.")
        }
        self._expected = None if values is None else self._expert(values, self._command)

    def commanded(self, command: Command) -> None:
        """The driver obeys a new command: hands that only knew the one before it would overshoot."""
        if self._command is not None:
            self._command = command

    def hands(self, values: Mapping[str, Any] | None, now_s: float) -> Hands:
        """What their hands do now; nothing where nobody practises, or they cannot see."""
        if now_s - self._stepped_s > SILENT_S:
            self._begin()
        if values is None or self._command is None or not self._person.drives:
            return Hands()
        return self._person.hands(self._expert(values, self._command))

    def _begin(self) -> None:
        """Hands off until the first step of an episode was seen."""
        self._person.begin()
        self._command = self._expected = None

    def _expert(self, values: Mapping[str, Any], command: Command) -> np.ndarray:
        reading = readings.reading(values, command, self._known)
        return np.clip(self._task.expert(reading), -1.0, 1.0).astype(np.float32)
