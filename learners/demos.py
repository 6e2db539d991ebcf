"""Recording demonstrations: a task's scripted expert plays, and only what succeeded is kept."""

import dataclasses
import functools
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from sandlot.learners import envs
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.real_time import real_time, when_ready
from sandlot.learners.recorder import Decision, Episode, EpisodeRecorder, Outcome
from sandlot.learners.schema import EnvSpec, Source, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch

log = logging.getLogger(__name__)

ATTEMPTS_PER_DEMO = 10
STREAM_ACTOR = "script"
"""Actor name of the stream that scripted demonstrations are stored under."""
STREAM_PERSON = "person"
"""The same for those of people."""
NEXT_SEED = "next_seed"
"""Kept with a folder: the seed after those that its episodes were reset with."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemosConfig:
    """What to record.

    Attributes:
        task: a name that `envs.make` takes; it needs a scripted expert.
        episodes: successful episodes to record, at least 1.
        seed: attempt k is reset with seed + k.
        noise: standard deviation of Gaussian noise on the expert's action; the expert must take it.
        env: the env's settings.
    """

    task: str
    episodes: int = 20
    seed: int = 0
    noise: float = 0.0
    env: EnvConfig = EnvConfig()

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise ConfigError(f"episodes={self.episodes} must be at least 1")


class Demo(NamedTuple):
    """One successful episode, steps [n] and finals [m] of the spec's types, and the attempts made so far."""

    steps: np.ndarray
    finals: np.ndarray
    episode: Episode
    attempts: int


def record_demos(config: DemosConfig, stopped: Callable[[], bool] = lambda: False) -> Iterator[Demo]:
    """Plays the expert until enough episodes succeeded, yielding each; together they are one gapless stream.

    `stopped` is asked before each attempt and ends it.

    Raises:
        ConfigError: the task has no scripted expert.
        SandlotError: the expert fails far too often.
    """
    env = envs.make(config.task, **config.env.kwargs())
    try:
        require_expert(env, config.task)
        yield from _successes(env, config, stopped)
    finally:
        env.close()


def fresh_seed(store: RunStore, seed: int) -> int:
    """`seed`, or the first one after it that none of the episodes in a folder was reset with."""
    return max(seed, int(store.get_meta(NEXT_SEED, seed + len(store.episodes()))))


def save_demos(
    store: RunStore, demos: Iterable[Demo], actor: str = STREAM_ACTOR, *, seed: int | None = None
) -> tuple[int, int]:
    """Commits each demonstration to a run store as it is recorded; returns (episodes, attempts).

    `seed` is what the first attempt was reset with, for `fresh_seed` to go on from.
    """
    stream = Stream(actor, os.urandom(8).hex())
    episodes, attempts = 0, 0
    for demo in demos:
        if seed is not None:
            store.set_meta(NEXT_SEED, seed + demo.attempts)
        store.append([Batch(stream, demo.steps, demo.finals)])
        episodes, attempts = episodes + 1, demo.attempts
    return episodes, attempts


def require_expert(env: envs.Env, task: str) -> None:
    """Raises ConfigError unless the env has a scripted expert."""
    if not callable(getattr(env.unwrapped, "expert_action", None)):
        raise ConfigError(
            f"task '{task}' has no scripted expert (its env lacks expert_action()); train it without "
            "demonstrations, or give a file recorded elsewhere"
        )


def record_episode(
    env: envs.Env, spec: EnvSpec, seed: int, noise: float = 0.0
) -> tuple[np.ndarray, np.ndarray, Episode]:
    """The scripted expert plays one episode; steps, episode and segments count from 0."""
    expert = functools.partial(env.unwrapped.expert_action, **({"noise": noise} if noise else {}))  # type: ignore[attr-defined]
    robot = real_time(env)
    recorder = EpisodeRecorder(
        spec, capacity=spec.max_episode_steps + 2, on_step=robot.note if robot else None
    )
    obs, _ = env.reset(seed=seed)
    recorder.begin(obs, time.monotonic_ns())
    episode = None
    while episode is None:
        action = np.clip(np.asarray(expert(), np.float32), -1.0, 1.0)
        decision = Decision(action, time.monotonic_ns(), time.time(), source=Source.SCRIPT)
        obs, reward, terminated, truncated, info = env.step(action)
        decision = decision._replace(action=info.get("action", action))  # as executed
        success = bool(info.get("success", False))
        outcome = Outcome(obs, float(reward), terminated, truncated, time.monotonic_ns(), success)
        episode = recorder.add(decision, outcome)
    steps, finals = recorder.take()
    return steps, finals, episode


def _successes(env: envs.Env, config: DemosConfig, stopped: Callable[[], bool]) -> Iterator[Demo]:
    """Attempts with seeds `seed`, `seed + 1`, ...; those that failed leave no trace in the stream."""
    spec, kept, step, most = envs.env_spec(env), 0, 0, ATTEMPTS_PER_DEMO * config.episodes
    for attempt in range(most):
        if stopped():
            return
        play = functools.partial(record_episode, env, spec, config.seed + attempt, config.noise)
        steps, finals, episode = when_ready(play)
        if not episode.success:
            log.info("event=demo_failed task=%s seed=%d kept=%d", config.task, config.seed + attempt, kept)
            continue
        demo = placed(steps, finals, episode._replace(number=kept), step, attempt + 1)
        step, kept = step + len(steps), kept + 1
        yield demo
        if kept == config.episodes:
            return
    raise SandlotError(
        f"task '{config.task}': the scripted expert succeeded in {kept} of {most} attempts and "
        f"{config.episodes} demonstrations were asked for; ask for fewer, or for easier settings"
    )


def placed(steps: np.ndarray, finals: np.ndarray, episode: Episode, step: int, attempts: int) -> Demo:
    """An unbroken episode of one source, numbered on from the `step` steps of the demonstrations before."""
    first = steps["step"][0]
    for rows in (steps, finals):
        rows["step"] -= first
        rows["step"] += step
    steps["episode"] = steps["segment"] = episode.number
    return Demo(steps, finals, episode, attempts)
