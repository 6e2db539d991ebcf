"""`ArmTask`: what a task of the arm has to say. No simulator here."""

import abc

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry
from sandlot.robots import rotation
from sandlot.robots.arm.observation import Group, observe
from sandlot.robots.arm.spec import ArmLimits, ArmReading, ArmScene
from sandlot.robots.resets.arm import GoHome, LiftOut, PutBack, Retreat
from sandlot.robots.resets.machine import Controller


class ArmTask(abc.ABC):
    """What the arm's tasks share. Limits and state groups are data, set by each task.

    With `privileged`, the state holds the poses of objects; without, cameras have to show them.
    """

    name: str
    max_steps: int
    limits: ArmLimits
    reverse: str = ""
    """The task that brings things back to where this one begins, when there is one."""
    seen: tuple[str, ...] = ()
    """Tracked objects that no scene places, because they are part of something."""
    movable: tuple[str, ...] = ()
    """Objects that the arm can pick up and put where a trial wants them."""

    def __init__(self, privileged: bool = True) -> None:
        self._privileged = privileged
        self._groups = (*self.own_groups(), *(self.object_groups() if privileged else ()))

    @abc.abstractmethod
    def own_groups(self) -> tuple[Group, ...]:
        """What the arm feels of itself."""

    @abc.abstractmethod
    def object_groups(self) -> tuple[Group, ...]:
        """What has to be seen."""

    @abc.abstractmethod
    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Draws how the next trial starts."""

    @abc.abstractmethod
    def success(self, reading: ArmReading) -> bool:
        """Whether the task is done."""

    def tracked(self) -> tuple[str, ...]:
        """Names of all objects in a reading."""
        return (*self.scene(np.random.default_rng(0)).objects, *self.seen)

    def reversed(self) -> "ArmTask":
        """The task called `reverse`, with this one's settings; both share a world."""
        raise ConfigError(f"task '{self.name}' has no reverse task")

    @property
    def resets(self) -> tuple[Controller[ArmReading, ArmScene], ...]:
        """The hand out of corners and free, objects where they belong, and home."""
        if not self.movable:
            return (GoHome(self.limits),)
        back = (PutBack(self.limits, thing) for thing in self.movable)
        return (LiftOut(self.limits), Retreat(self.limits), *back, GoHome(self.limits))

    def stuck(self, reading: ArmReading, before: ArmReading) -> bool:
        """Whether something has to be put right before this trial or the next can go on."""
        return False

    def nothing_to_do(self, reading: ArmReading) -> bool:
        """Whether a trial that began here would teach nothing."""
        return self.success(reading)

    @abc.abstractmethod
    def expert(self, reading: ArmReading) -> np.ndarray:
        """A scripted action, float32 [A] in [-1, 1]."""

    def state_entries(self) -> tuple[Entry, ...]:
        """The named entries of the state."""
        return tuple(g.entry() for g in self._groups)

    def action_entries(self) -> tuple[Entry, ...]:
        """The named entries of the action."""
        return self.limits.entries()

    def observe(self, reading: ArmReading) -> np.ndarray:
        """The state, float32 [n]."""
        return observe(self._groups, reading)


def yawed(angle_rad: float) -> np.ndarray:
    """A turn about the vertical by `angle_rad` [3, 3]."""
    return rotation.exp(np.array([0.0, 0.0, angle_rad]))
