"""The worlds the arm works in: floor, table, light, cameras, and the objects of each task."""

from collections.abc import Callable
from typing import NamedTuple

import mujoco

from sandlot.sim.arm_model import GROUP_COLLISION, STIFF, box

Geom = mujoco.mjtGeom

CUBE_HALF_M = 0.02
CUBE_KG = 0.06
WOOD, RED = (0.83, 0.71, 0.55, 1), (0.9, 0.22, 0.2, 1)


class ObjectSpec(NamedTuple):
    """An object a task places: body name, and whether it moves by itself (free joint) or stays where it is put."""

    name: str
    free: bool


def add_room(spec: mujoco.MjSpec) -> None:
    """Floor, table top at z = 0 in front of the arm, lights and cameras."""
    world = spec.worldbody
    world.add_geom(
        name="table", type=Geom.mjGEOM_PLANE, size=(0, 0, 0.1), group=GROUP_COLLISION, rgba=(0, 0, 0, 0),
        contype=1, conaffinity=2, friction=(0.9, 0.01, 0.001), **STIFF,
    )  # fmt: skip
    box(world, (0.42, 0, -0.0205), (0.55, 0.55, 0.02), WOOD)
    world.add_light(pos=(0.3, -0.8, 1.8), dir=(0.1, 0.4, -1), diffuse=(0.6, 0.6, 0.6))


def add_cube(spec: mujoco.MjSpec) -> tuple[ObjectSpec, ...]:
    """A free cube with 4 cm edges."""
    body = spec.worldbody.add_body(name="cube", pos=(0.5, 0, CUBE_HALF_M))
    body.add_freejoint(name="cube")
    box(body, (0, 0, 0), (CUBE_HALF_M,) * 3, RED, mass=CUBE_KG, contype=2, conaffinity=3, condim=4,
        friction=(1.2, 0.02, 0.001), **STIFF)  # fmt: skip
    return (ObjectSpec("cube", True),)


def set_options(spec: mujoco.MjSpec) -> None:
    """Physics at 500 Hz; an elliptic cone with a high impratio so that a grasp does not creep."""
    opt = spec.option
    opt.timestep = 0.002
    opt.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    opt.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    opt.impratio = 10.0
    opt.iterations = 100
    opt.ls_iterations = 50
    opt.tolerance = 1e-8


WORLDS: dict[str, Callable[[mujoco.MjSpec], tuple[ObjectSpec, ...]]] = {"arm_pick": add_cube}
