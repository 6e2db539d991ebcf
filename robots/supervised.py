"""An env with a scripted person at its controls: the very wrapper through which a real one takes over."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError
from sandlot.robots.env import Obs
from sandlot.robots.intervention import Intervention
from sandlot.robots.teleop.mapping import AXES, Hands, Intent, Operator
from sandlot.robots.teleop.person import PersonConfig, ScriptedPerson
from sandlot.robots.words import from_words


class Supervised(Intervention):
    """What the person's hands do goes through an `Operator`, as Joy messages do.

    Args:
        env: its `expert_action()` says what the person would do.
        settings: of the person, NAME=VALUE (see `PersonConfig`).

    Raises:
        ConfigError: the task has no expert, or more action numbers than hands have axes.
    """

    def __init__(self, env: gym.Env[Obs, np.ndarray], settings: Sequence[str] = ()) -> None:
        super().__init__(env, self._listen_to)
        spec = envs.env_spec(env)
        if not callable(getattr(env.unwrapped, "expert_action", None)):
            raise ConfigError(
                f"task '{spec.task}' has no scripted expert (its env lacks expert_action()): nobody knows "
                "how to correct its policy; leave out --teleop scripted"
            )
        if spec.action_size > AXES:
            raise ConfigError(
                f"task '{spec.task}' has {spec.action_size} action numbers, a person's hands have {AXES} "
                "axes; leave out --teleop scripted"
            )
        self._settings, self._operator, self._hands = settings, Operator(), Hands()
        self._person = ScriptedPerson(from_words(PersonConfig, settings, "person"), spec.max_episode_steps)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode, which the policy begins."""
        self._person.begin()
        self._hands = Hands()
        return super().reset(seed=seed, options=options)

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Executes this action, or the person's while they correct."""
        expert = np.clip(np.asarray(self.env.unwrapped.expert_action(), np.float32), -1.0, 1.0)  # type: ignore[attr-defined]
        self._hands = self._person.hands(expert)
        done = super().step(action)
        self._person.saw(np.asarray(action, np.float32), expert)
        return done

    def reversed(self) -> "Supervised":
        """The reverse task's env, with a person of the same kind beside it."""
        return Supervised(self.env.get_wrapper_attr("reversed")(), self._settings)

    def _listen_to(self, now_s: float) -> Intent:
        self._operator.offer(self._hands.axes, self._hands.buttons(), now_s)
        return self._operator.take(now_s)
