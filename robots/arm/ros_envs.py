"""Makers of the arm's envs on ROS 2: what the Gymnasium ids `sandlot_ros/...` point to."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.ros_arm import RosArm
from sandlot.robots.arm.tasks import ArmInsert, ArmPick, ArmReach, ArmTask
from sandlot.robots.env import Obs, RobotEnv
from sandlot.robots.intervention import Intervention

Env = gym.Env[Obs, np.ndarray]


def make_reach(**kwargs: Any) -> Env:
    """`sandlot_ros/ArmReach-v0`; arguments as for `make`. Its target is where the task says, untracked."""
    return make(ArmReach, known=("target",), **kwargs)


def make_pick(**kwargs: Any) -> Env:
    """`sandlot_ros/ArmPick-v0`; arguments as for `make`."""
    return make(ArmPick, **kwargs)


def make_insert(**kwargs: Any) -> Env:
    """`sandlot_ros/ArmInsert-v0`; arguments as for `make`."""
    return make(ArmInsert, **kwargs)


def make(
    task_type: type[ArmTask],
    *,
    known: Sequence[str] = (),
    render_mode: str | None = None,
    cameras: Sequence[str] = (),
    image_px: int = 128,
    namespace: str = "arm",
    teleop: bool = False,
) -> Env:
    """An env of the arm whose driver and gate run elsewhere; nothing is connected before its first reset.

    Args:
        task_type: what to practise.
        known: objects that nobody tracks: they are where the task put them.
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
    task = task_type(privileged=not cameras)
    objects = tuple(task.scene(np.random.default_rng(0)).objects)
    robot = RosArm(
        task.limits,
        objects,
        known=known,
        cameras=cameras,
        image_px=image_px,
        namespace=namespace,
        teleop=teleop,
    )
    env: Env = RobotEnv(robot, task, render_mode)
    return Intervention(env, robot.intent) if teleop else env
