"""A world small enough to learn in a second: a red square on grey, its place different in every episode."""

import pathlib
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners.demos import save_demos
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.learners.store import RunStore
from sandlot.perception.pretrain import collect

PX = 16
SHAPE = (PX, PX, 3)
SPEC = EnvSpec(
    "square",
    (Entry("hand", 1, "8 m", low=-2, high=2),),
    {"eye": SHAPE},
    (Entry("move", 1, low=-1, high=1),),
    10.0,
    20,
)


class Square(gym.Env[Any, Any]):
    """The square lies still; a blue hand in the first row moves. Reaching the square's column is success."""

    def __init__(self) -> None:
        self.env_spec = SPEC
        box = spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.action_space = box
        images = spaces.Dict({"eye": spaces.Box(0, 255, SHAPE, np.uint8)})
        self.observation_space = spaces.Dict({"state": box, "images": images})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.square = self.np_random.integers(3, PX - 3, 2)
        self.hand = float(self.np_random.integers(1, PX - 1))
        return self._obs(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.hand = float(np.clip(self.hand + 2.0 * float(action[0]), 1, PX - 2))
        done = abs(self.hand - self.square[1]) < 0.5
        return self._obs(), float(done), done, False, {"success": done}

    def expert_action(self) -> np.ndarray:
        return np.clip(np.array([(self.square[1] - self.hand) / 2.0], np.float32), -1, 1)

    def known(self) -> np.ndarray:
        """Where the square is from the hand, in units of 0.1 m when a pixel is 1 mm."""
        return np.array([self.square[0], self.square[1] - self.hand], np.float32) * 0.01

    def _obs(self) -> dict[str, Any]:
        frame = np.full(SHAPE, 128, np.uint8)
        row, column = self.square
        frame[row - 1 : row + 2, column - 1 : column + 2] = (220, 30, 30)
        frame[0, round(self.hand) - 1 : round(self.hand) + 2] = (30, 30, 220)
        return {"state": np.array([self.hand / 8.0 - 1.0], np.float32), "images": {"eye": frame}}


def knowing() -> gym.Env[Any, Any]:
    env = Square()
    return collect.Knowing(env, (Entry("square", 2, "0.1 m"),), env.known)


def record(folder: pathlib.Path, episodes: int = 30, env: gym.Env[Any, Any] | None = None) -> str:
    env = env or knowing()
    config = collect.PlayConfig(episodes=episodes, steps=6, seed=0)
    with RunStore.open(folder, env.get_wrapper_attr("env_spec")) as store:
        save_demos(store, collect.collect(env, config), collect.ACTOR)
    return str(folder)
