"""The Robot and Task protocols: what an env needs of each, the same for `SimRobot` and `RosRobot`.

A *reading* is everything the robot knows at one instant, in SI units; a *scene* is what a task asks to be
set up for one episode (where objects lie, where the tool starts). A task turns readings into observations
and judges them.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from sandlot.learners.schema import Entry

Reading_contra = TypeVar("Reading_contra", contravariant=True)
Reading_co = TypeVar("Reading_co", covariant=True)
Scene_contra = TypeVar("Scene_contra", contravariant=True)
Scene_co = TypeVar("Scene_co", covariant=True)

Camera = tuple[int, int, int]
"""(height_px, width_px, 3)"""


class Robot(Protocol[Reading_co, Scene_contra]):
    """Something that observes and acts, at `control_hz` actions a second."""

    control_hz: float
    cameras: dict[str, Camera]

    def reset(self, scene: Scene_contra, rng: np.random.Generator) -> None:
        """Brings robot and scene to the start of an episode; all chance comes from `rng`."""
        ...

    def settle(self) -> None:
        """Takes robot and objects as they are, once the robot may be commanded: a trial begins here."""
        ...

    def observe(self) -> Reading_co:
        """The newest reading; does not wait."""
        ...

    def images(self) -> dict[str, np.ndarray]:
        """The newest frame of each camera, uint8 [H, W, 3], fresh arrays."""
        ...

    def act(self, action: np.ndarray) -> np.ndarray:
        """Executes an action for one control period; returns it as executed, float32 [A] in [-1, 1]."""
        ...

    def render(self) -> np.ndarray:
        """A picture for people, uint8 [H, W, 3]."""
        ...

    def close(self) -> None:
        """Leaves the robot safe and frees what it holds; may be called twice."""
        ...


@runtime_checkable
class Stoppable(Protocol):
    """A robot behind a gate."""

    def stop(self) -> None:
        """Has the gate stop the robot: it moves again when a person has armed it."""
        ...


@runtime_checkable
class Placing(Protocol):
    """A robot that moves by itself in a world that may put things where they belong: a simulated device."""

    def places(self) -> bool:
        """Whether a `reset` puts every object where the scene wants it."""
        ...


class Task(Protocol[Reading_contra, Scene_co]):
    """What is observed, what counts as success, how a trial is reset; the same class on every robot."""

    name: str
    max_steps: int
    reverse: str
    """The task that brings things back to where this one begins; empty when there is none."""

    @property
    def resets(self) -> Sequence[Any]:
        """Reset controllers (`resets.Controller`), in order of precedence; they bring things to a scene."""
        ...

    def reversed(self) -> "Task[Reading_contra, Scene_co]":
        """The task called `reverse`, with this one's settings."""
        ...

    def stuck(self, reading: Reading_contra, before: Reading_contra) -> bool:
        """Whether something has to be put right before this trial or the next can go on.

        Args:
            reading: the newest one.
            before: the one a control period earlier; when a trial begins, the newest one.
        """
        ...

    def nothing_to_do(self, reading: Reading_contra) -> bool:
        """Whether a trial that began here would teach nothing: what it shall bring about is there."""
        ...

    def state_entries(self) -> tuple[Entry, ...]:
        """The named entries of `observe`, in order."""
        ...

    def action_entries(self) -> tuple[Entry, ...]:
        """The named entries of the action, in order."""
        ...

    def scene(self, rng: np.random.Generator) -> Scene_co:
        """Draws how the next trial starts."""
        ...

    def observe(self, reading: Reading_contra) -> np.ndarray:
        """The state, float32 [n], every number of order 1."""
        ...

    def success(self, reading: Reading_contra) -> bool:
        """Whether the task is done."""
        ...

    def expert(self, reading: Reading_contra) -> np.ndarray:
        """A scripted action for this reading, float32 [A] in [-1, 1]; keeps no memory."""
        ...
