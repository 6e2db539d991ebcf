"""A real two-direction env for tests: a carriage on a rail, to be brought to either end and let go."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners.real_time import ResetNote

MODULE = "tests.learners.shuttle"
TASK, BACK = f"gymnasium:{MODULE}:Shuttle-v0", f"gymnasium:{MODULE}:ShuttleBack-v0"
"""A process that is started in the repository's folder can import them."""


class Rail:
    """Where the carriage is, -1 to 1; both directions move the same one."""

    def __init__(self):
        self.at = -1.0
        self.said = []


class Shuttle(gym.Env):
    """Drive the carriage to `goal`; an action moves it by up to half the rail. Six steps a trial."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    dt = 0.02

    def __init__(self, goal=1.0, rail=None):
        self.goal, self.rail = goal, rail or Rail()
        self.reverse_task = BACK if goal > 0 else TASK

    def reversed(self):
        return Shuttle(-self.goal, self.rail)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        self.rail.said.append((self.goal, options))
        if not (options or {}).get("continue"):
            self.rail.at = -self.goal
        helped = {"resets": [ResetNote("rail", 0.1, 1, 5)]} if "scripted" in (options or {}) else {}
        called = {"called": 1.0} if "call" in (options or {}) else {}
        return self._obs(), {"success": self._there(), **helped, **called}

    def step(self, action):
        self.steps += 1
        self.rail.at = float(np.clip(self.rail.at + 0.5 * action[0], -1.0, 1.0))
        done = self._there()
        return self._obs(), float(done), done, not done and self.steps >= 6, {"success": done}

    def _there(self):
        return abs(self.rail.at - self.goal) < 0.3

    def _obs(self):
        return np.float32([self.rail.at, self.goal])


gym.register("Shuttle-v0", entry_point=Shuttle)
gym.register("ShuttleBack-v0", entry_point=Shuttle, kwargs={"goal": -1.0})
