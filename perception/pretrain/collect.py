"""Recording play: frames of many scenes, without any label or success, for an encoder to learn from."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import gymnasium as gym
import msgspec
import numpy as np

from sandlot.learners import envs
from sandlot.learners.demos import Demo, placed
from sandlot.learners.errors import ConfigError
from sandlot.learners.real_time import when_ready
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, Source
from sandlot.perception.pretrain.data import TRUTH

HOLD = 4
ACTOR = "play"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """How to play.

    Attributes:
        episodes: scenes to record.
        steps: of each, at most.
        expert: share of the time that the task's scripted expert acts, where it has one; the rest is random
            actions, each held for one to four steps.
        noise: deviation of the noise on the expert's action.
        seed: episode k is reset with seed + k; when there are episodes, after the seeds that they had.
    """

    episodes: int = 200
    steps: int = 12
    expert: float = 0.5
    noise: float = 0.5
    seed: int = 20000

    def __post_init__(self) -> None:
        least = min(self.episodes, self.steps) >= 1 and self.seed >= 0
        if not (least and 0 <= self.expert <= 1 and 0 <= self.noise < math.inf):
            raise ConfigError(
                f"episodes={self.episodes} and steps={self.steps} must be at least 1, expert={self.expert:g} "
                f"between 0 and 1, noise={self.noise:g} and seed={self.seed} not below 0"
            )


class Knowing(gym.Wrapper):
    """An env that also observes what its simulation knows, as `truth.*`; only to judge an encoder by."""

    def __init__(self, env: envs.Env, entries: tuple[Entry, ...], known: Callable[[], np.ndarray]) -> None:
        super().__init__(env)
        spec = envs.env_spec(env)
        truth = [msgspec.structs.replace(e, name=f"{TRUTH}{e.name}") for e in entries]
        self.env_spec = msgspec.structs.replace(spec, state=(*spec.state, *truth)).check()
        self._known = known

    def reset(self, **kwargs: object) -> tuple[dict[str, object], dict[str, object]]:
        """Starts an episode."""
        obs, info = self.env.reset(**kwargs)  # type: ignore[arg-type]
        return self._all(obs), info

    def step(self, action: np.ndarray) -> tuple[dict[str, object], float, bool, bool, dict[str, object]]:
        """Does one action."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        return self._all(obs), float(reward), terminated, truncated, info

    def _all(self, obs: dict[str, object]) -> dict[str, object]:
        return obs | {"state": np.concatenate([obs["state"], self._known()]).astype(np.float32)}


def collect(env: envs.Env, config: PlayConfig) -> Iterator[Demo]:
    """Plays and yields each episode, all of one gapless stream."""
    step = 0
    for k in range(config.episodes):
        rng = np.random.default_rng(config.seed + k)
        demo = when_ready(lambda k=k, rng=rng: _episode(env, config, k, rng))  # type: ignore[misc]
        demo = placed(demo.steps, demo.finals, demo.episode._replace(number=k), step, k + 1)
        step += len(demo.steps)
        yield demo


def _episode(env: envs.Env, config: PlayConfig, number: int, rng: np.random.Generator) -> Demo:
    """One scene, until it ends or the steps are over."""
    spec = envs.env_spec(env)
    recorder = EpisodeRecorder(spec, capacity=config.steps + 2)
    obs, _ = env.reset(seed=config.seed + number)
    recorder.begin(obs, time.monotonic_ns())
    acts = _actions(env, config, rng)
    for left in range(config.steps, 0, -1):
        action = next(acts)
        decision = Decision(action, time.monotonic_ns(), time.time(), source=Source.POLICY)
        obs, reward, terminated, truncated, info = env.step(action)
        over = not terminated and (truncated or left == 1)
        outcome = Outcome(
            obs, float(reward), terminated, over, time.monotonic_ns(), bool(info.get("success", False))
        )
        episode = recorder.add(decision._replace(action=info.get("action", action)), outcome)
        if episode is not None:
            break
    return Demo(*recorder.take(), episode, number + 1)  # type: ignore[arg-type]


def _actions(env: envs.Env, config: PlayConfig, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Actions float32 [A]: random ones held for a while, and stretches of the expert where there is one."""
    expert = getattr(env.unwrapped, "expert_action", None)
    size = envs.env_spec(env).action_size
    while True:
        held = rng.uniform(-1.0, 1.0, size).astype(np.float32)
        shown = expert is not None and rng.random() < config.expert
        for _ in range(rng.integers(1, HOLD + 1)):
            if expert is None or not shown:
                yield held
                continue
            noisy = np.asarray(expert()) + rng.normal(0.0, config.noise, size)
            yield np.clip(noisy, -1.0, 1.0).astype(np.float32)
