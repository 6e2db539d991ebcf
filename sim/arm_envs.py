"""Makers of the arm's envs: what the Gymnasium ids point to."""

from collections.abc import Sequence
from typing import Literal

from sandlot.robots.arm.spec import ArmReading, ArmScene
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.env import RobotEnv
from sandlot.sim.arm import SimArm
from sandlot.sim.arm_control import Impedance
from sandlot.sim.arm_load import load_arm
from sandlot.sim.randomization import Randomization
from sandlot.sim.windows import windows

ArmEnv = RobotEnv[ArmReading, ArmScene]

_PLUG = Impedance(
    stiffness_npm=3000.0,
    damping_nspm=200.0,
    stiffness_nmprad=200.0,
    damping_nmsprad=15.0,
    error_m=0.007,
    error_rad=0.1,
)
"""Stiff, but pushes with 21 N at most."""
IMPEDANCES = {name: Impedance() for name in TASKS} | {"arm_insert": _PLUG, "arm_pcb": _PLUG}
"""Gains of the controller, by task."""


RANDOMIZATIONS = {False: None, True: Randomization(), "look": Randomization.look()}


def make(
    task: str,
    *,
    render_mode: str | None = None,
    cameras: Sequence[str] = (),
    image_px: int = 128,
    camera_file: str = "",
    randomize: bool | Literal["look"] = False,
    mjcf: str = "",
    mjcf_site: str = "",
    mjcf_gripper: str = "",
) -> ArmEnv:
    """An env of the simulated arm.

    Args:
        task: what to practise, a key of `TASKS`.
        render_mode: "rgb_array" to make `render` work.
        cameras: names of cameras to observe; then the state no longer holds the pose of objects.
        image_px: width and height of their frames.
        camera_file: the file with those cameras' crops; "" for whole pictures.
        randomize: vary dynamics, latency, sensors and look in the ranges of `Randomization`; "look": only
            what cameras see.
        mjcf: path of another arm's MJCF file.
        mjcf_site: name of its tool site, when the guess is wrong (see `arm_load`).
        mjcf_gripper: name of its gripper's actuator, when the guess is wrong.
    """
    practised = TASKS[task](privileged=not cameras)
    pair = [name for name in (task, practised.reverse) if name]  # one world, one camera file
    robot = SimArm(
        task,
        practised.limits,
        impedance=IMPEDANCES[task],
        randomization=RANDOMIZATIONS[randomize],
        cameras=cameras,
        image_px=image_px,
        windows=windows(camera_file, pair, cameras, image_px) if camera_file else None,
        arm=load_arm(mjcf, site=mjcf_site, gripper=mjcf_gripper) if mjcf else None,
    )
    return RobotEnv(robot, practised, render_mode)
