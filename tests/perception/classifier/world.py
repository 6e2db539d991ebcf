"""An env of two cameras whose upper half is as bright as the robot is high; at 0.7 the task is done."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from tests.perception.classifier.small import CAMERAS, picture

from sandlot.learners.schema import Entry, EnvSpec

GOAL = 0.7


class Lift(gym.Env):
    """`action[0]` moves up or down by up to 0.1 a step. `broken` replaces a camera's frames."""

    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    observation_space = spaces.Dict(
        {
            "state": spaces.Box(-9.0, 9.0, (1,), np.float32),
            "images": spaces.Dict({c: spaces.Box(0, 255, s, np.uint8) for c, s in CAMERAS.items()}),
        }
    )

    def __init__(self, limit: int = 20, real_time: Any = None) -> None:
        self.env_spec = EnvSpec("arm_pick", (Entry("height", 1),), CAMERAS, (Entry("a", 2),), 10.0, limit)
        self.real_time = real_time
        self.broken: np.ndarray | None = None
        self.told: bool | None = None
        self.noise = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.height, self.steps = float(self.np_random.uniform(0.0, 0.2)), 0
        return self._obs(), {"success": False}

    def step(self, action):
        self.height = float(np.clip(self.height + 0.1 * action[0], 0.0, 1.0))
        self.steps += 1
        done = self.height >= GOAL
        over = self.steps >= self.env_spec.max_episode_steps
        info = {"success": done, "action": action}
        if self.told is not None:
            return self._obs(), float(self.told), True, False, info | {"success": self.told, "told": True}
        return self._obs(), float(done), done, over and not done, info

    def expert_action(self, noise=0.0):
        wish = np.float32([np.clip(5.0 * (GOAL + 0.15 - self.height), -1, 1), 0.0])
        return np.clip(wish + self.np_random.normal(0, noise, 2), -1, 1).astype(np.float32)

    def _obs(self):
        seen = {camera: picture(self.height, self.noise) for camera in CAMERAS}
        if self.broken is not None:
            seen["wrist"] = self.broken
        return {"state": np.float32([self.height]), "images": seen}
