"""Demonstrations by a person: they drive, say how it went, and what succeeded is kept.

An episode begins when the person takes the robot and ends as the task or the person says. Success is kept,
and so is what the person ends with `next`; what failed, was thrown away or was broken by a fault is not.
"""

import logging
import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np

from sandlot.learners import envs
from sandlot.learners.demos import Demo, DemosConfig, placed
from sandlot.learners.errors import ConfigError, NotReadyError
from sandlot.learners.real_time import RETRY_S, Complaint, real_time
from sandlot.learners.recorder import Decision, Episode, EpisodeRecorder, Outcome
from sandlot.learners.schema import Source

log = logging.getLogger(__name__)


@runtime_checkable
class Person(Protocol):
    """The wrapper of an env that hears a person: `robots.intervention.Intervention`."""

    quit: bool

    def wait_for_person(self) -> bool:
        """True once they take the robot anew, False once they end the recording."""
        ...


class Trial(NamedTuple):
    """A finished episode, and whether the person ended it with `next`."""

    episode: Episode
    wanted: bool


def record_human(env: envs.Env, config: DemosConfig) -> Iterator[Demo]:
    """Yields each demonstration that is kept, one gapless stream, until they are enough or the person quits.

    Raises:
        ConfigError: nobody can drive this env.
    """
    stage, say = Stage(env, config.task), Complaint()
    kept = step = attempts = 0
    while kept < config.episodes:
        try:
            stage.reset(config.seed + attempts)
            log.info("event=demo_waits_for_person episode=%d of=%d", kept + 1, config.episodes)
            trial = stage.play()
        except NotReadyError as error:  # thrown away, or the robot is stopped: the same scene again
            stage.take()
            say(error, time.monotonic())
            if stage.person.quit:
                return
            time.sleep(RETRY_S)
            continue
        steps, finals = stage.take()
        if trial is None:
            return
        attempts += 1
        good = trial.episode.success or trial.wanted
        log.info("event=%s attempt=%d steps=%d", "demo_kept" if good else "demo_failed", attempts, len(steps))
        if good:
            yield placed(steps, finals, trial.episode._replace(number=kept), step, attempts)
            step, kept = step + len(steps), kept + 1


class Stage:
    """An env with a person at its controls, and a recorder that counts on over all they do there."""

    def __init__(self, env: envs.Env, task: str) -> None:
        self.person = find_person(env, task)
        self._env, self._robot, self._spec = env, real_time(env), envs.env_spec(env)
        note = self._robot.note if self._robot else None
        self._recorder = EpisodeRecorder(self._spec, capacity=self._spec.max_episode_steps + 2, on_step=note)

    def reset(self, seed: int) -> None:
        """Prepares a scene, and holds."""
        self._env.reset(seed=seed)
        self._pause()

    def play(self) -> Trial | None:
        """One episode under the person's hand; None when they ended the recording instead."""
        hold = np.zeros(self._spec.action_size, np.float32)  # what is done while they let go
        try:
            if not self.person.wait_for_person():
                return None
            obs = self._env.step(hold)[0]  # they may have put things elsewhere since the reset
            self._recorder.begin(obs, time.monotonic_ns())
            trial = None
            while trial is None and not self.person.quit:
                trial = self._step(hold)
            return trial
        finally:
            self._pause()

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and finals recorded since the last call; an episode that is still going on is cut."""
        self._recorder.cut()
        return self._recorder.take()

    def _step(self, hold: np.ndarray) -> Trial | None:
        """One step; the episode when it was the last."""
        t_act_ns, wall_s = time.monotonic_ns(), time.time()
        obs, reward, terminated, truncated, info = self._env.step(hold)
        decision = Decision(info.get("action", hold), t_act_ns, wall_s, source=Source.HUMAN)
        success = bool(info.get("success", False))
        outcome = Outcome(obs, float(reward), terminated, truncated, time.monotonic_ns(), success)
        episode = self._recorder.add(decision, outcome)
        return None if episode is None else Trial(episode, bool(info.get("next", False)))

    def _pause(self) -> None:
        if self._robot is not None:
            self._robot.pause()


def find_person(env: envs.Env, task: str) -> Person:
    """The wrapper that hears the person; ConfigError when there is none."""
    layer: gym.Env = env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, Person):
            return layer
        layer = layer.env
    raise ConfigError(
        f"task '{task}': nobody can drive this robot by hand; record with --robot ros --teleop joy"
    )


def give_time(env: envs.Env, limit_s: float) -> None:
    """Lets episodes last so long; the spec still says what a policy gets, so that runs can use the steps.

    Raises:
        ConfigError: there would be no time for a single step.
    """
    steps = int(limit_s * envs.env_spec(env).control_hz)
    if steps < 1:
        raise ConfigError(
            f"limit_s={limit_s} leaves no time for a step at {envs.env_spec(env).control_hz:g} Hz"
        )
    env.unwrapped.task.max_steps = steps  # type: ignore[attr-defined]
