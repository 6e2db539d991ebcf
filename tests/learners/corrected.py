"""A real env with an expert, for tests: a carriage on a rail that is to stop at a mark."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

TASK = "gymnasium:tests.learners.corrected:Marked-v0"
"""A process that is started in the repository's folder can import it."""


class Marked(gym.Env):
    """Bring the carriage within 0.1 of a random mark; an action moves it by up to 0.2. 20 steps a trial."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    dt = 0.02

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.mark = self.np_random.uniform(-1, 1, 2)
        self.steps = 0
        return self._obs(), {"success": False}

    def step(self, action):
        self.steps += 1
        self.at = float(np.clip(self.at + 0.2 * action[0], -1.0, 1.0))
        done = abs(self.at - self.mark) < 0.1
        return self._obs(), float(done), done, not done and self.steps >= 20, {"success": done}

    def expert_action(self):
        return np.clip(np.float32([(self.mark - self.at) / 0.2]), -1.0, 1.0)

    def _obs(self):
        return np.float32([self.at, self.mark])


gym.register("Marked-v0", entry_point=Marked)
