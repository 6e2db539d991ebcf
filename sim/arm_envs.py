"""Makers of the arm's envs: what the Gymnasium ids point to."""

from collections.abc import Sequence
from typing import Any

from sandlot.robots.arm.spec import ArmReading, ArmScene
from sandlot.robots.arm.tasks import ArmInsert, ArmPick, ArmReach, ArmTask
from sandlot.robots.env import RobotEnv
from sandlot.sim.arm import SimArm
from sandlot.sim.arm_control import Impedance
from sandlot.sim.arm_load import load_arm
from sandlot.sim.randomization import Randomization

ArmEnv = RobotEnv[ArmReading, ArmScene]

IMPEDANCES = {
    "arm_reach": Impedance(),
    "arm_pick": Impedance(),
    "arm_insert": Impedance(
        stiffness_npm=3000.0,
        damping_nspm=200.0,
        stiffness_nmprad=200.0,
        damping_nmsprad=15.0,
        error_m=0.007,
        error_rad=0.1,
    ),
}
"""Gains of the controller, by task."""


def make_reach(**kwargs: Any) -> ArmEnv:
    """`sandlot/ArmReach-v0`; arguments as for `make`."""
    return make(ArmReach, IMPEDANCES["arm_reach"], **kwargs)


def make_pick(**kwargs: Any) -> ArmEnv:
    """`sandlot/ArmPick-v0`; arguments as for `make`."""
    return make(ArmPick, IMPEDANCES["arm_pick"], **kwargs)


def make_insert(**kwargs: Any) -> ArmEnv:
    """`sandlot/ArmInsert-v0`; arguments as for `make`. Pushes with 21 N at most."""
    return make(ArmInsert, IMPEDANCES["arm_insert"], **kwargs)


def make(
    task_type: type[ArmTask],
    impedance: Impedance,
    *,
    render_mode: str | None = None,
    cameras: Sequence[str] = (),
    image_px: int = 128,
    randomize: bool = False,
    mjcf: str = "",
    mjcf_site: str = "",
    mjcf_gripper: str = "",
) -> ArmEnv:
    """An env of the simulated arm.

    Args:
        task_type: what to practise.
        impedance: gains and limits of the controller.
        render_mode: "rgb_array" to make `render` work.
        cameras: names of cameras to observe; then the state no longer holds the pose of objects.
        image_px: width and height of their frames.
        randomize: vary dynamics, latency and sensors in the ranges of `Randomization`.
        mjcf: path of another arm's MJCF file.
        mjcf_site: name of its tool site, when the guess is wrong (see `arm_load`).
        mjcf_gripper: name of its gripper's actuator, when the guess is wrong.
    """
    task = task_type(privileged=not cameras)
    robot = SimArm(
        task.name,
        task.limits,
        impedance=impedance,
        randomization=Randomization() if randomize else None,
        cameras=cameras,
        image_px=image_px,
        arm=load_arm(mjcf, site=mjcf_site, gripper=mjcf_gripper) if mjcf else None,
    )
    return RobotEnv(robot, task, render_mode)
