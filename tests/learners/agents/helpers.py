"""Specs, batches and tiny worlds that the agents' tests share."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners import plugins
from sandlot.learners.agents import AgentConfig, Transition, preset
from sandlot.learners.schema import Entry, EnvSpec


def spec(state: int = 3, action: int = 2) -> EnvSpec:
    return EnvSpec("toy", (Entry("s", state),), {}, (Entry("a", action),), 10.0, 50)


def small(name: str = "rlpd", **changes: Any) -> AgentConfig:
    sizes: dict[str, Any] = {"actor_hidden": (16,), "critic_hidden": (16, 16), "n_critics": 3, "utd": 4}
    if name == "sac":
        sizes |= {"n_critics": 2, "utd": 1}
    if name == "careful":
        name, sizes = "rlpd", sizes | {"atoms": 11, "value_range": (-5.0, 5.0), "risk": 0.9}
    return preset(name, **{**sizes, "batch_size": 8, **changes})


def batch(
    u: int = 4, b: int = 8, state: int = 3, action: int = 2, seed: int = 0, **changes: Any
) -> Transition:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    made = Transition(
        obs={"state": normal(u, b, state)},
        action=np.tanh(normal(u, b, action)),
        reward=normal(u, b),
        discount=np.ones((u, b), np.float32),
        next_obs={"state": normal(u, b, state)},
        mc_return=normal(u, b),
    )
    return made._replace(**changes)


def contextual(u: int, b: int, rng: np.random.Generator, action: Any = None) -> Transition:
    """One-step episodes: the reward is highest, 0, where the action equals half the state."""
    state = rng.uniform(-1, 1, (u, b, 1)).astype(np.float32)
    action = rng.uniform(-1, 1, (u, b, 1)).astype(np.float32) if action is None else action(state)
    reward = -np.square(action - 0.5 * state)[..., 0]
    zeros = np.zeros((u, b), np.float32)
    return Transition({"state": state}, action, reward, zeros, {"state": state}, reward)


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A real encoder small enough to compile at once: patches of 4x4 px, one dense layer, ReLU."""

    width: int = 4

    def size(self, shape: tuple[int, int, int]) -> int:
        return shape[0] // 4 * (shape[1] // 4) * self.width

    def shapes(self, shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
        return {"kernel": (16 * shape[2], self.width), "bias": (self.width,)}

    def init(self, key: Any, shape: tuple[int, int, int]) -> dict[str, Any]:
        shapes = self.shapes(shape)
        kernel = jax.random.normal(key, shapes["kernel"]) / np.sqrt(16 * shape[2])
        return {"kernel": kernel, "bias": jnp.full(shapes["bias"], 0.0)}  # weakly typed

    def apply(self, params: dict[str, Any], frames: Any, xp: Any = jnp) -> Any:
        b, h, w, c = frames.shape
        x = frames.reshape(b, h // 4, 4, w // 4, 4, c).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(b, h // 4, w // 4, 16 * c).astype(np.float32) / np.float32(255) - np.float32(0.5)
        return xp.maximum(x @ params["kernel"] + params["bias"], 0).reshape(b, -1)

    def apply_numpy(self, params: dict[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
        return self.apply(params, frames, np)


plugins.register("encoder", "tiny", "tests.learners.agents.helpers:Tiny")


def seeing(state: int = 2, action: int = 2, cameras: tuple[str, ...] = ("side", "wrist")) -> EnvSpec:
    images = {name: (8, 8, 3) for name in cameras}
    return EnvSpec("seen", (Entry("s", state),), images, (Entry("a", action),), 10.0, 50)


def pixels(name: str = "rlpd", **changes: Any) -> AgentConfig:
    sizes = {"critic_hidden": (16,), "n_critics": 1, "n_min": 1}  # one group: half as much to compile
    return small(name, **{"encoder": "tiny", "latent": 5, "augment_px": 1, **sizes, **changes})


def frames(u: int = 4, b: int = 8, seed: int = 0, stack: int = 0, **changes: Any) -> Transition:
    """A batch for `seeing()` whose frames are noise."""
    rng = np.random.default_rng(seed)
    shape = (u, b, *([stack] if stack else []), 8, 8, 3)
    made = batch(u, b, 2, 2, seed)
    obs, next_obs = (
        {**o, "images": {c: rng.integers(0, 256, shape, np.uint8) for c in ("side", "wrist")}}
        for o in (made.obs, made.next_obs)
    )
    return made._replace(obs=obs, next_obs=next_obs)._replace(**changes)
