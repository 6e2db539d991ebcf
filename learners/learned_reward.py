"""A reward that is learned while the agent learns, in place of the env's; `perception` lends it by name."""

import pathlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from sandlot.learners import plugins
from sandlot.learners.agents.types import Info, Transition
from sandlot.learners.config import TrainConfig
from sandlot.learners.schema import EnvSpec

PREFIX = "learned_reward."
"""Of its arrays in a checkpoint, beside the agent's."""


class LearnedReward(Protocol):
    """What a plugin of kind "reward" makes from a run's folder, its config and its spec."""

    def update(self, batch: Transition, own: int, updates: int) -> tuple[Transition, Info]:
        """Learns from a batch [U, B], and returns it with its own rewards.

        Args:
            batch: what the agent is about to learn from.
            own: the first of every B samples that is practice and no demonstration.
            updates: gradient steps the agent has done; with the run's seed it decides all that is random.

        Returns:
            The batch, and figures for people; `skipped` counts steps refused as not finite.
        """
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it learned, by name."""
        ...

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `arrays` gave; raises StoreError when they are of another reward."""
        ...


def make(folder: pathlib.Path, config: TrainConfig, spec: EnvSpec) -> LearnedReward | None:
    """The reward that a run learns; None for one that takes the env's."""
    made: LearnedReward | None = None
    if config.vice:
        made = plugins.load("reward", "vice")(folder, config, spec)
    return made


def joined(agent: dict[str, np.ndarray], reward: LearnedReward | None) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint: the agent's, and the reward's if there is one."""
    own = reward.arrays() if reward else {}
    return agent | {f"{PREFIX}{name}": array for name, array in own.items()}


def parted(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The agent's arrays of a checkpoint, and the reward's."""
    own = {name.removeprefix(PREFIX): a for name, a in arrays.items() if name.startswith(PREFIX)}
    return {name: a for name, a in arrays.items() if not name.startswith(PREFIX)}, own
