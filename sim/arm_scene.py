"""The worlds the arm works in: table, light, cameras, and the objects of each task."""

from collections.abc import Callable
from typing import Any, NamedTuple

import mujoco

from sandlot.robots.arm.tasks import CUBE_HALF_M, HOLE_DEPTH_M, PEG_HALF_M, PEG_LENGTH_M
from sandlot.sim import shapes
from sandlot.sim.arm_model import ArmModel
from sandlot.sim.shapes import BLUE, DARK, GHOST, GREEN, RED, WOOD, box, cylinder

CUBE_KG, PEG_KG = 0.06, 0.08
CLEARANCE_M = 0.001  # hole side minus peg side
HOLE_BLOCK_HALF_M = 0.04
WRIST = "wrist_sensor"


class Tracked(NamedTuple):
    """An object whose pose is part of the reading.

    Attributes:
        name: of its body.
        free: whether it moves by itself; otherwise it stays where the scene puts it.
    """

    name: str
    free: bool


class World(NamedTuple):
    """What a task adds to arm and table.

    Attributes:
        objects: the tracked ones.
        site: what impedance, limits and readings are about: the arm's own tool site, or the tip of what it holds.
        grip_m: distance of the fingers when closed; more than 0 when something is mounted between them.
    """

    objects: tuple[Tracked, ...]
    site: str
    grip_m: float = 0.0


def build(world: str, arm: ArmModel) -> World:
    """Puts the arm's spec into the named world."""
    spec = arm.spec
    _set_options(spec)
    _add_room(spec)
    _add_wrist_sensor(arm)
    return WORLDS[world](arm)


def _add_wrist_sensor(arm: ArmModel) -> None:
    """A force-torque sensor where the hand meets the arm: three numbers of force, then three of torque."""
    arm.spec.site(arm.site).parent.add_site(name=WRIST, group=4)
    for name, kind in (
        ("wrist_force", mujoco.mjtSensor.mjSENS_FORCE),
        ("wrist_torque", mujoco.mjtSensor.mjSENS_TORQUE),
    ):
        arm.spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=WRIST)


def _set_options(spec: Any) -> None:
    """Physics at 500 Hz; an elliptic cone with a high impratio so that a grasp does not creep.

    The solver gets the iterations it wants: cut off at 20, a squeezed cube is shot away (measured: 35 % of grasps).
    """
    spec.option.timestep = 0.002
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.iterations = 100
    spec.option.ls_iterations = 50
    spec.option.tolerance = 1e-8


def _add_room(spec: Any) -> None:
    """Table top at z = 0 and a light."""
    spec.worldbody.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(0, 0, 0.1),
        group=shapes.GROUP_HIDDEN,
        **shapes.TABLE,
    )
    box(spec.worldbody, (0.42, 0, -0.0205), (0.55, 0.55, 0.02), WOOD)
    spec.worldbody.add_light(pos=(0.3, -0.8, 1.8), dir=(0.1, 0.4, -1), diffuse=(0.6, 0.6, 0.6))


def _reach(arm: ArmModel) -> World:
    """A ghost of the hand, to look at: a palm and two fingers."""
    body = arm.spec.worldbody.add_body(name="target", pos=(0.5, 0, 0.2))
    box(body, (0, 0, -0.06), (0.012, 0.05, 0.008), GHOST)
    box(body, (0, 0.045, -0.02), (0.008, 0.005, 0.035), GHOST)
    box(body, (0, -0.045, -0.02), (0.008, 0.005, 0.035), GHOST)
    return World((Tracked("target", False),), arm.site)


def _pick(arm: ArmModel) -> World:
    """A free cube with 4 cm edges."""
    body = arm.spec.worldbody.add_body(name="cube", pos=(0.5, 0, CUBE_HALF_M))
    body.add_freejoint(name="cube")
    box(body, (0, 0, 0), (CUBE_HALF_M,) * 3, RED, mass=CUBE_KG, **shapes.CUBE)
    return World((Tracked("cube", True),), arm.site)


def _insert(arm: ArmModel) -> World:
    """A square peg, held by the gripper without play, and a block with a square hole.

    The tool is the peg's tip: compliance is centred there, which is what lets a peg find its way.
    """
    spec = arm.spec
    site = spec.site(arm.site)
    hand = site.parent
    peg = hand.add_body(name="peg", pos=site.pos, quat=site.quat)
    middle = PEG_LENGTH_M / 2 - 0.015
    box(peg, (0, 0, middle), (PEG_HALF_M, PEG_HALF_M, PEG_LENGTH_M / 2), BLUE, mass=PEG_KG, **shapes.PEG)
    tip = middle + PEG_LENGTH_M / 2
    peg.add_site(name="peg_tip", pos=(0, 0, tip), group=4)
    _add_hole(spec)
    return World((Tracked("hole", False),), "peg_tip", grip_m=2 * PEG_HALF_M)


def _add_hole(spec: Any) -> None:
    """Four walls around the hole; the body's origin is the middle of the opening."""
    body = spec.worldbody.add_body(name="hole", pos=(0.5, 0, HOLE_DEPTH_M))
    inner, outer = PEG_HALF_M + CLEARANCE_M / 2, HOLE_BLOCK_HALF_M
    middle, half = (outer + inner) / 2, (outer - inner) / 2
    z, deep = -HOLE_DEPTH_M / 2, HOLE_DEPTH_M / 2
    for sign in (1.0, -1.0):
        box(body, (sign * middle, 0, z), (half, outer, deep), GREEN, **shapes.HOLE)
        box(body, (0, sign * middle, z), (inner, half, deep), GREEN, **shapes.HOLE)
    cylinder(body, (0.034, 0, 0), (0.034, 0, 0.0005), 0.003, DARK)  # shows which way it points


WORLDS: dict[str, Callable[[ArmModel], World]] = {
    "arm_reach": _reach,
    "arm_pick": _pick,
    "arm_insert": _insert,
}
