"""Grippers as choices: which numbers of an action are grippers, and what each may be told.

A gripper's number is a command: open above a third, close below minus a third, and in between stay as
commanded before. A gripper that is chosen, not controlled, gets -1, 0 or 1; several at once get one of the
joint choices, 3 to the power of how many there are.
"""

import dataclasses
import itertools

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry, EnvSpec

PREFIX = "gripper"
THIRD = 1.0 / 3.0


@dataclasses.dataclass(frozen=True)
class Grips:
    """Places of the grippers.

    Attributes:
        size: numbers of the whole action.
        action: the grippers' places in the action.
        command: the places in the state of the commands in force (above 0: open); empty when not observed.
    """

    size: int
    action: tuple[int, ...]
    command: tuple[int, ...]

    @property
    def continuous(self) -> tuple[int, ...]:
        """Places of all other numbers."""
        return tuple(i for i in range(self.size) if i not in self.action)

    @property
    def order(self) -> np.ndarray:
        """Sorts "the others, then the grippers" as the action has them, int [size]."""
        return np.argsort([*self.continuous, *self.action])

    @property
    def table(self) -> np.ndarray:
        """What each joint choice tells each gripper, float32 [3 ** G, G]; the last gripper varies fastest."""
        return np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=len(self.action))), np.float32)


def grips(spec: EnvSpec) -> Grips:
    """The grippers of a spec: the numbers of all action entries whose name starts with `gripper`.

    The command in force of entry `gripper_left` is the state entry `gripper_left_command`.

    Raises:
        ConfigError: there is none.
    """
    action = _places(spec.action, [e.name for e in spec.action if e.name.startswith(PREFIX)])
    if not action:
        names = ", ".join(e.name for e in spec.action)
        raise ConfigError(
            f"task '{spec.task}' has no gripper: no entry of its action ({names}) is called '{PREFIX}...'; "
            "leave --agent.gripper at continuous"
        )
    command = _places(spec.state, [f"{e.name}_command" for e in spec.action if e.name.startswith(PREFIX)])
    return Grips(spec.action_size, action, command if len(command) == len(action) else ())


def _places(entries: tuple[Entry, ...], names: list[str]) -> tuple[int, ...]:
    found: list[int] = []
    first = 0
    for entry in entries:
        found += range(first, first + entry.size) if entry.name in names else []
        first += entry.size
    return tuple(found)
