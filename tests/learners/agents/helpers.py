"""Specs, batches and tiny worlds that the agents' tests share."""

from typing import Any

import numpy as np

from sandlot.learners.agents import AgentConfig, Transition, preset
from sandlot.learners.schema import Entry, EnvSpec


def spec(state: int = 3, action: int = 2) -> EnvSpec:
    return EnvSpec("toy", (Entry("s", state),), {}, (Entry("a", action),), 10.0, 50)


def small(name: str = "rlpd", **changes: Any) -> AgentConfig:
    sizes: dict[str, Any] = {"actor_hidden": (16,), "critic_hidden": (16, 16), "n_critics": 3, "utd": 4}
    if name == "sac":
        sizes |= {"n_critics": 2, "utd": 1}
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
