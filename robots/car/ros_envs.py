"""Makers of the car's envs on ROS 2: what the Gymnasium ids `sandlot_ros/Car...` point to."""

import importlib.util
from collections.abc import Sequence

import gymnasium as gym
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.car import course as courses
from sandlot.robots.car.env import CarEnv, Place
from sandlot.robots.car.practice import PracticeConfig
from sandlot.robots.car.ros_car import RosCar
from sandlot.robots.car.spec import IMAGE_PX, CarLimits, CarScene
from sandlot.robots.car.topics import TASKS
from sandlot.robots.env import Obs
from sandlot.robots.intervention import Intervention
from sandlot.robots.words import from_words

Env = gym.Env[Obs, np.ndarray]


def make(
    task: str,
    *,
    render_mode: str | None = None,
    cameras: Sequence[str] = (),
    image_px: int = IMAGE_PX,
    course: str = "",
    practice: Sequence[str] = (),
    namespace: str = "car",
    teleop: bool = False,
) -> Env:
    """An env of the car whose driver and gate run elsewhere; nothing is connected before its first reset.

    Args:
        task: what the run is called after, a key of `TASKS`.
        render_mode: "rgb_array" to make `render` work.
        cameras: names of cameras to observe.
        image_px: width and height of their images in the observation.
        course: file of the course (`sandlot course lap`).
        practice: settings of the practice machine, NAME=VALUE.
        namespace: of the robot's topics.
        teleop: let a person take over, whose hands a joy node publishes.
    """
    if importlib.util.find_spec("rclpy") is None:
        raise ConfigError(
            "--robot ros needs rclpy, which is not installed: pip install 'sandlot[ros]' or source your ROS 2"
        )
    if task not in TASKS:
        raise ConfigError(f"task '{task}' is for simulation; on a car there are {', '.join(TASKS)}")
    if not course:
        raise ConfigError(
            f"task '{task}' on a car needs --course FILE: drive one slow lap with `sandlot up car --record`, "
            "then `sandlot course lap BAG`"
        )
    place = Place(courses.load(course), CarScene((0.0, 0.0), 0.0))
    robot = RosCar(CarLimits(), cameras=cameras, image_px=image_px, namespace=namespace, teleop=teleop)
    config = from_words(PracticeConfig, practice, "practice")
    env: Env = CarEnv(task, robot, lambda _: place, config=config, render_mode=render_mode)
    return Intervention(env, robot.intent) if teleop else env
