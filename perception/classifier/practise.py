"""Labelled frames from simulation: a scripted expert succeeds and fails, the simulator says which it was.

Successes alone would teach a classifier what an expert looks like. So it is also disturbed: noise, one
entry of the action stuck (a gripper that never closes still lifts the arm), and random motion; and what comes
after a success is kept: holding on, and losing it again.

A policy that learned from a classifier's word may have found what only looks like success to it. So a trained
policy can play in the expert's place, in the same ways: what it does is labelled by the simulator, too.
"""

import enum
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from sandlot.learners import envs
from sandlot.learners.config import existing_run, load_config
from sandlot.learners.demos import require_expert
from sandlot.learners.errors import ConfigError
from sandlot.learners.frames import Frames
from sandlot.learners.playing import check_match
from sandlot.learners.policy import Policy
from sandlot.learners.prepare import CONFIG_FILE, POLICY_FILE
from sandlot.perception.classifier.dataset import Clip, Layout
from sandlot.perception.feature_env import FeatureEnv

Lead = Callable[[dict[str, Any], Frames, np.random.Generator, float], np.ndarray]
"""Who leads an episode: observation, what was seen before, generator, deviation of noise -> action."""

NOISE = 0.4
"""The expert's noise in an episode is drawn from 0 to this."""
CLOSE = 8


class Way(enum.Enum):
    """What an episode is played with, and how often of ten."""

    LEAD = 5  # the expert, or a policy
    STUCK = 2
    RANDOM = 1
    LATE = 2  # who leads, after some random steps: success is seen from elsewhere


class After(enum.Enum):
    """What is done once the task succeeded, drawn anew every few steps."""

    LEAD = 0
    HOLD = 1
    RANDOM = 2


AFTER_STEPS = 4
LATE_STEPS = 12


def practise(
    env: envs.Env,
    task: str,
    layout: Layout,
    *,
    episodes: int,
    seed: int,
    noise: float = NOISE,
    world: str = "sim",
    policy: str = "",
    known: Collection[str] = (),
) -> Iterator[Clip]:
    """Plays episodes to their time limit, successful or not; episode k is reset with seed + k.

    An episode's name says world, task, seed and who played; one that is `known` is not played again. The
    newest policy of the run `policy` plays, with its own noise; the task's expert when that is empty.

    Raises:
        ConfigError: the task has no scripted expert, or the run no policy.
        SpecError: the policy does not fit the env.
    """
    lead, name = played_by(env, policy) if policy else (expert(env, task), "")
    for k in range(episodes):
        episode = f"{world}/{layout.task}{name}/{seed + k}"
        if episode not in known:
            yield _episode(env, layout, seed + k, noise, lead)._replace(episode=episode)


def expert(env: envs.Env, task: str) -> Lead:
    """The task's scripted expert leads; ConfigError when there is none."""
    require_expert(env, task)
    act: Any = env.unwrapped.expert_action  # type: ignore[attr-defined]
    return lambda _obs, _past, _rng, noise: np.array(act(noise=noise), np.float32)


def played_by(env: envs.Env, run: str) -> tuple[Lead, str]:
    """A run's newest policy leads, seeing what it saw in training; and a name for its episodes."""
    folder = existing_run(run)
    if not (folder / POLICY_FILE).is_file():
        raise ConfigError(f"run '{run}' has no policy yet; train it for longer")
    policy, encoder = Policy.load(folder / POLICY_FILE), load_config(folder / CONFIG_FILE).env.encoder
    seen = FeatureEnv(env, encoder) if encoder else None
    check_match(policy, seen or env)

    def lead(obs: dict[str, Any], past: Frames, rng: np.random.Generator, _noise: float) -> np.ndarray:
        return policy.act(past.add(seen.encoded(obs) if seen else obs, policy), rng)

    return lead, f"/{folder.name}-{policy.version}"


def _episode(env: envs.Env, layout: Layout, seed: int, noise: float, lead: Lead) -> Clip:
    """One episode, without a name."""
    rng = np.random.default_rng([seed, 0xC1A55])
    obs, info = env.reset(seed=seed)
    player = _Player(lead, envs.env_spec(env).action_size, rng, noise)
    frames: dict[str, list[np.ndarray]] = {camera: [obs["images"][camera]] for camera in layout.cameras}
    truth = [bool(info.get("success", False))]
    for step in range(envs.env_spec(env).max_episode_steps):
        obs, _, _, truncated, info = env.step(player.act(step, obs, succeeded=truth[-1]))
        for camera, seen in frames.items():
            seen.append(obs["images"][camera])
        truth.append(bool(info.get("success", False)))
        if truncated:
            break
    labels = np.array(truth, np.uint8) * (len(layout.classes) - 1)
    stacked = {camera: np.stack(seen) for camera, seen in frames.items()}
    return Clip("", stacked, labels, close_to_success(np.array(truth)))


def close_to_success(truth: np.ndarray, steps: int = CLOSE) -> np.ndarray:
    """Which frames do not show success but one within so many steps, before or after, does, bool [n]."""
    near = np.convolve(truth, np.ones(2 * steps + 1))[steps : steps + len(truth)] > 0
    return near & ~truth


class _Player:
    """Chooses the actions of one episode."""

    def __init__(self, lead: Lead, size: int, rng: np.random.Generator, noise: float) -> None:
        self._lead, self._rng, self._size = lead, rng, size
        self._past = Frames()
        ways = [way for way in Way for _ in range(way.value)]
        self._way = ways[rng.integers(len(ways))]
        self._after = After.LEAD
        self._noise = float(rng.uniform(0.0, noise))
        self._drift = np.zeros(self._size, np.float32)
        # the last entry is the gripper where there is one: half of what gets stuck
        self._stuck = int(rng.integers(self._size)) if rng.random() < 0.5 else self._size - 1
        self._stuck_at = float(rng.choice([-1.0, 0.0, 1.0]))

    def act(self, step: int, obs: dict[str, Any], *, succeeded: bool) -> np.ndarray:
        """The action of a step."""
        if succeeded and step % AFTER_STEPS == 0:
            self._after = After(int(self._rng.integers(len(After))))
        if not succeeded:
            self._after = After.LEAD
        if self._after is After.HOLD:
            return np.zeros(self._size, np.float32)
        late = self._way is Way.LATE and step < LATE_STEPS
        if self._after is After.RANDOM or self._way is Way.RANDOM or late:
            return self._random()
        action = self._lead(obs, self._past, self._rng, self._noise)
        if self._way is Way.STUCK:
            action[self._stuck] = self._stuck_at
        return action

    def _random(self) -> np.ndarray:
        """A random walk in action space, so that the robot gets somewhere."""
        self._drift = np.clip(self._drift + self._rng.normal(0.0, 0.5, self._size), -1.0, 1.0).astype(
            np.float32
        )
        return self._drift
