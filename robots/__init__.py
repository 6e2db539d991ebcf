"""Robots: the Robot protocol and, per robot, its spec, tasks, experts and drivers. Knows no simulator.

`RobotEnv` joins a `Robot` and a `Task` to a `gymnasium.Env`; both are protocols, so a simulated arm and one
behind ROS are practised by the same task.
"""

from sandlot.robots.env import RobotEnv
from sandlot.robots.protocol import Robot, Task

__all__ = ["Robot", "RobotEnv", "Task"]
