"""Playing one episode with a policy, after a look whether it fits the env at all."""

import itertools
import pathlib
from typing import Any, Protocol

import msgspec
import numpy as np

from sandlot.learners import envs
from sandlot.learners.errors import SpecError
from sandlot.learners.frames import Frames
from sandlot.learners.schema import Entry, EnvSpec


class ActingPolicy(Protocol):
    """Anything that chooses actions, float32 [A] in [-1, 1]; with `rng` None it adds no noise."""

    @property
    def spec(self) -> EnvSpec:
        """What it was trained to observe and do."""

    def act(self, obs: dict[str, Any], rng: np.random.Generator | None) -> np.ndarray:
        """The action for one observation."""


class Played(msgspec.Struct, frozen=True):
    """One episode; `success` is None where the task does not report any.

    Where a classifier rewards, `success` is the task's own truth, if it is known, and `judged` its word.
    """

    seed: int
    reward_sum: float
    steps: int
    success: bool | None
    judged: bool | None = None


def load_policy(policy: ActingPolicy | pathlib.Path) -> ActingPolicy:
    """A policy as it is, or the one in a file."""
    if not isinstance(policy, pathlib.Path):
        return policy
    from sandlot.learners.policy import Policy  # noqa: PLC0415  (only when a file is given)

    return Policy.load(policy)


def play(env: envs.Env, policy: ActingPolicy, seed: int, *, sample: bool = False) -> Played:
    """Plays one episode."""
    rng = np.random.default_rng(seed) if sample else None
    return play_on(env, policy, env.reset(seed=seed)[0], seed, rng)[0]


def play_on(
    env: envs.Env, policy: ActingPolicy, obs: dict[str, Any], seed: int, rng: np.random.Generator | None
) -> tuple[Played, dict[str, Any]]:
    """Plays an episode that has begun with `obs`; also what the env said at its end."""
    reward_sum, steps, ended = 0.0, 0, False
    info: dict[str, Any] = {}
    shown = Frames()
    while not ended:
        obs, reward, terminated, truncated, info = env.step(policy.act(shown.add(obs, policy), rng))
        reward_sum, steps, ended = reward_sum + float(reward), steps + 1, terminated or truncated
    said = bool(info["success"]) if "success" in info else None
    truth = info.get("true_success")  # known beside what a classifier says
    outcome = (said,) if truth is None else (truth, said)
    return Played(seed, reward_sum, steps, *outcome), info


def check_match(policy: ActingPolicy, env: envs.Env) -> None:
    """Raises SpecError unless the policy observes and does what the env offers, in simulation or on ROS."""
    mine, theirs = policy.spec, envs.env_spec(env)
    wrong = [
        f"{name}: policy {getattr(mine, name)} != env {getattr(theirs, name)}"
        for name in ("task", "control_hz", "state_size", "images", "action_size")
        if getattr(mine, name) != getattr(theirs, name)
    ]
    wrong = wrong or [
        *_entries_differ(mine.state, theirs.state),
        *_entries_differ(mine.action, theirs.action),
    ]
    if wrong:
        raise SpecError(
            f"the policy of task '{mine.task}' does not fit task '{theirs.task}': {'; '.join(wrong)}; "
            "evaluate it with the task, cameras and encoder it was trained with"
        )


def _entries_differ(mine: tuple[Entry, ...], theirs: tuple[Entry, ...]) -> list[str]:
    """What differs between numbers of the same count; the unit of an encoder's features tells which one."""
    pairs = itertools.zip_longest(*([f"{e.name} [{e.size}] {e.unit}" for e in its] for its in (mine, theirs)))
    return [f"policy '{mine or ''}' != env '{theirs or ''}'" for mine, theirs in pairs if mine != theirs]
