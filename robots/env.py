"""`RobotEnv`: Robot x Task as a plain `gymnasium.Env`."""

from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sandlot.learners.real_time import RealTime
from sandlot.learners.schema import EnvSpec
from sandlot.robots.protocol import Robot, Task

Obs = dict[str, Any]
Reading = TypeVar("Reading")
Scene = TypeVar("Scene")


class RobotEnv(gym.Env[Obs, np.ndarray], Generic[Reading, Scene]):
    """One robot practising one task.

    Observation: `{"state": float32 [n], "images": {camera: uint8 [H, W, 3]}}`; action: float32 [A] in
    [-1, 1]. `env_spec` names every number. The reward is 1 in the step that succeeds, which ends the
    episode, and 0 before; reaching `max_episode_steps` truncates. `info` holds `success` and, after a step,
    `action`: what was executed (clipped; all zeros, "hold", in place of one that is not finite). `real_time`
    is the robot when it moves by itself, None in simulation.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self, robot: Robot[Reading, Scene], task: Task[Reading, Scene], render_mode: str | None = None
    ) -> None:
        self.robot = robot
        self.real_time = robot if isinstance(robot, RealTime) else None
        self.task = task
        self.render_mode = render_mode
        self.env_spec = EnvSpec(
            task=task.name,
            state=task.state_entries(),
            images=dict(robot.cameras),
            action=task.action_entries(),
            control_hz=robot.control_hz,
            max_episode_steps=task.max_steps,
        ).check()
        state = [np.full(e.size, (e.low, e.high)[i], np.float32) for i in (0, 1) for e in self.env_spec.state]
        low, high = np.split(np.concatenate(state), 2)
        cameras: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(0, 255, shape, np.uint8) for name, shape in robot.cameras.items()
        }
        self.observation_space = spaces.Dict({"state": spaces.Box(low, high), "images": spaces.Dict(cameras)})
        self.action_space = spaces.Box(-1.0, 1.0, (self.env_spec.action_size,), np.float32)
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Starts an episode; the same seed gives the same episode bit for bit."""
        super().reset(seed=seed)
        self._steps = 0
        self.robot.reset(self.task.scene(self.np_random), self.np_random)
        self._reading = self.robot.observe()
        return self._obs(), {"success": self.task.success(self._reading)}

    def step(self, action: np.ndarray) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Executes one action for one control period."""
        done = self.robot.act(action)
        self._steps += 1
        self._reading = self.robot.observe()
        success = self.task.success(self._reading)
        truncated = not success and self._steps >= self.task.max_steps
        if self.real_time is not None and (success or truncated):
            self.real_time.pause()
        return self._obs(), float(success), success, truncated, {"success": success, "action": done}

    def expert_action(self, noise: float = 0.0) -> np.ndarray:
        """The scripted expert's action here, float32 [A], plus Gaussian noise of this standard deviation."""
        action = self.task.expert(self._reading)
        if noise > 0:
            action = action + self.np_random.normal(0.0, noise, action.shape)
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def render(self) -> np.ndarray | None:
        """A picture for people, uint8 [H, W, 3], when made with `render_mode="rgb_array"`."""
        return self.robot.render() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Frees the robot."""
        self.robot.close()

    def _obs(self) -> Obs:
        return {"state": self.task.observe(self._reading), "images": self.robot.images()}
