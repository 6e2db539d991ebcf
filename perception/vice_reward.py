"""VICE in a training run: the learner's reward, learned between the agent's updates."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import yaml

from sandlot.learners.agents.types import Info, Transition
from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.schema import EnvSpec
from sandlot.perception import vice, vice_goals
from sandlot.perception.vice import ViceConfig


class ViceReward:
    """Tells examples of success from what the policy lately saw, and pays by it (`vice.pay`).

    What the policy saw is the practice in the agent's own batches, so that what was drawn decides everything:
    a run that was stopped goes on bit for bit. Demonstrations are paid, but not learned from: they end where
    the examples begin.
    """

    def __init__(self, folder: pathlib.Path, config: TrainConfig, spec: EnvSpec) -> None:
        """A discriminator that has seen nothing; reads the examples of success."""
        self.config = settings(config.vice_settings)
        if not spec.images:
            self.config = dataclasses.replace(self.config, encoder="")
        self._goals = vice_goals.of_run(folder, config, spec)
        self._places = {} if spec.images else vice_goals.places(spec)
        self._gamma, self._calls = config.agent.gamma, config.agent.utd * self.config.every
        self._key = jax.random.fold_in(jax.random.key(config.seed), 1)
        self._state = vice.begin(self._key, vice_goals.shapes(spec), self.config)
        self._told: Info = {"reward_loss": jnp.zeros(()), "skipped": jnp.zeros((), jnp.int32)}

    @staticmethod
    def check(config: TrainConfig, spec: EnvSpec) -> None:
        """Refuses settings and examples that a run of this spec could not learn from."""
        settings(config.vice_settings)
        vice_goals.read(config, spec)

    def update(self, batch: Transition, own: int, updates: int) -> tuple[Transition, Info]:
        """One gradient step, if one is due, and the batch with the reward's own word; see `LearnedReward`."""
        seen = self._seen(batch)
        if updates % self._calls == 0:
            self._learn({camera: x[:, own:] for camera, x in seen.items()}, updates)
        paid = vice.pay(
            self._state, seen, batch.reward, batch.discount, config=self.config, gamma=self._gamma
        )
        figures = {"reward_mean": paid[:, own:].mean(), "reward_best": paid.max()}
        told, self._told = self._told, self._told | {"skipped": jnp.zeros((), jnp.int32)}
        if not self.config.ends:
            batch = batch._replace(discount=np.where(batch.reward > 0, np.float32(1), batch.discount))
        return batch._replace(reward=paid), told | figures

    def _learn(self, practice: dict[str, np.ndarray], updates: int) -> None:
        """One gradient step on frames of practice [U, B, ...]."""
        key = jax.random.fold_in(self._key, updates)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        size = self.config.batch
        u, b = next(iter(practice.values())).shape[:2]
        here, there = rng.integers(u * b, size=size), rng.integers(self.count, size=size)
        negatives = {camera: x[here // b, here % b] for camera, x in practice.items()}
        positives = {camera: x[there] for camera, x in self._goals.items()}
        before = self._state.adam.steps
        self._state, loss = vice.update(self._state, key, positives, negatives, config=self.config)
        self._told = {"reward_loss": loss, "skipped": 1 - (self._state.adam.steps - before)}

    def _seen(self, batch: Transition) -> dict[str, Any]:
        """What each step led to: [U, B, H, W, C] of each camera; of a stack its newest frame."""
        if self._places:
            state = batch.next_obs["state"]
            return {camera: state[..., None, None, at] for camera, at in self._places.items()}
        images = batch.next_obs["images"]
        return {camera: x if x.ndim == 5 else x[:, :, -1] for camera, x in images.items()}

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(next(iter(self._goals.values())))

    def arrays(self) -> dict[str, np.ndarray]:
        """Weights, their mean and the optimiser's memory."""
        leaves, _ = jax.tree_util.tree_flatten_with_path(self._state)
        return {jax.tree_util.keystr(path): np.array(leaf) for path, leaf in leaves}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Goes on from what `arrays` gave."""
        leaves, tree = jax.tree_util.tree_flatten_with_path(self._state)
        expected = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
        wrong = sorted(expected.keys() ^ arrays.keys())
        wrong += [n for n, leaf in expected.items() if n in arrays and arrays[n].shape != leaf.shape]
        if wrong:
            raise StoreError(
                f"learned reward: array '{wrong[0]}' is missing, unknown or of another shape; go on with the "
                "--vice-settings and cameras the checkpoint was written with"
            )
        self._state = jax.tree_util.tree_unflatten(tree, [jnp.array(arrays[name]) for name in expected])


def settings(given: tuple[str, ...]) -> ViceConfig:
    """The config that `--vice-settings NAME=VALUE` says; raises ConfigError for what there is not."""
    known: dict[str, Any] = {field.name: type(field.default) for field in dataclasses.fields(ViceConfig)}
    found: dict[str, Any] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            found[name] = _as(known[name], yaml.safe_load(value))
        except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            raise ConfigError(
                f"--vice-settings '{text}' cannot be used; write NAME=VALUE of {', '.join(known)}"
                + (f", here a value of type {known[name].__name__}" if name in known else "")
            ) from error
    return ViceConfig(**found)


def _as(kind: type, value: Any) -> Any:
    """The value as a setting's type; raises where that would change what was said (2.7 batches, "maybe")."""
    if kind is float and not isinstance(value, bool):
        return float(value)  # also of "3e-4", which is text in YAML
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not {kind.__name__}")
    return value
