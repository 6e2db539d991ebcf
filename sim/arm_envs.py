"""Makers of the arm's envs: what the Gymnasium ids point to."""

from sandlot.robots.arm.spec import ArmReading, ArmScene
from sandlot.robots.arm.tasks import ArmPick
from sandlot.robots.env import RobotEnv
from sandlot.sim.arm import SimArm


def make_pick(render_mode: str | None = None) -> RobotEnv[ArmReading, ArmScene]:
    """`sandlot/ArmPick-v0`."""
    task = ArmPick()
    return RobotEnv(SimArm(task.name, task.limits), task, render_mode)
