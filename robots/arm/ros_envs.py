"""Makers of the arm's envs on ROS 2: what the Gymnasium ids `sandlot_ros/...` point to."""

import importlib.util
from collections.abc import Sequence

import gymnasium as gym
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.ros_arm import RosArm
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.env import Obs, RobotEnv
from sandlot.robots.intervention import Intervention

Env = gym.Env[Obs, np.ndarray]

UNTRACKED = {"arm_reach": ("target",)}
"""Objects that nobody tracks, by task: they are where the task put them."""


def make(
    task: str,
    *,
    render_mode: str | None = None,
    cameras: Sequence[str] = (),
    image_px: int = 128,
    namespace: str = "arm",
    teleop: bool = False,
) -> Env:
    """An env of the arm whose driver and gate run elsewhere; nothing is connected before its first reset.

    Args:
        task: what to practise, a key of `TASKS`.
        render_mode: "rgb_array" to make `render` work.
        cameras: names of cameras to observe; then the state no longer holds the pose of objects.
        image_px: width and height of their images in the observation.
        namespace: of the robot's topics.
        teleop: let a person take over, whose hands a joy node publishes.
    """
    if importlib.util.find_spec("rclpy") is None:
        raise ConfigError(
            "--robot ros needs rclpy, which is not installed: pip install 'sandlot[ros]' or source your ROS 2"
        )
    practised = TASKS[task](privileged=not cameras)
    robot = RosArm(
        practised.limits,
        practised.tracked(),
        known=UNTRACKED.get(task, ()),
        cameras=cameras,
        image_px=image_px,
        namespace=namespace,
        teleop=teleop,
    )
    env: Env = RobotEnv(robot, practised, render_mode)
    return Intervention(env, robot.intent) if teleop else env
