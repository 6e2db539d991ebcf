"""The worlds the arm works in: table, light, cameras, and the objects of each task."""

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from sandlot.sim import arm_bins, arm_cable, arm_plugs, shapes
from sandlot.sim.appearance import PATTERN, PATTERN_PX
from sandlot.sim.arm_model import ArmModel
from sandlot.sim.arm_world import Tracked, World, aim, look_at
from sandlot.sim.shapes import GHOST, box

WRIST = "wrist_sensor"
HORIZON = (0.66, 0.71, 0.78)


def build(world: str, arm: ArmModel) -> World:
    """Puts the arm's spec into the named world."""
    spec = arm.spec
    _set_options(spec)
    _add_room(arm)
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

    The solver gets the iterations it wants: cut off at 20, a squeezed cube is shot away (measured: 35 %
    of grasps).
    """
    spec.option.timestep = 0.002
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.iterations = 100
    spec.option.ls_iterations = 50
    spec.option.tolerance = 1e-8


def _add_room(arm: ArmModel) -> None:
    """Table with its top at z = 0, floor, lights, background and cameras."""
    spec, world = arm.spec, arm.spec.worldbody
    table = mujoco.mjtGeom.mjGEOM_PLANE
    world.add_geom(name="table", type=table, size=(0, 0, 0.1), group=shapes.GROUP_HIDDEN, **shapes.TABLE)
    _add_pattern(spec)
    box(world, (0.35, 0, -0.0255), (0.62, 0.6, 0.025), shapes.OAK, material=PATTERN)
    box(world, (0.35, 0, -0.4), (0.5, 0.48, 0.35), shapes.SLATE)
    box(world, (0.5, 0, 0.0002), (0.2, 0.2, 0.0003), shapes.MAT, material=PATTERN)  # where objects lie
    world.add_geom(
        type=table, pos=(0, 0, -0.75), size=(0, 0, 0.1), rgba=shapes.FLOOR, contype=0, conaffinity=0
    )
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=HORIZON,
        rgb2=(0.52, 0.63, 0.78),
        width=64,
        height=384,
    )
    world.add_light(pos=(0.9, -0.9, 2.0), dir=(-0.25, 0.45, -1), diffuse=(0.6, 0.59, 0.56), castshadow=True,
                    type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)  # fmt: skip
    world.add_light(pos=(1.5, 1.2, 1.6), dir=(-0.7, -0.6, -0.8), diffuse=(0.22, 0.24, 0.27), castshadow=False,
                    type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)  # fmt: skip
    spec.visual.headlight.ambient = (0.36, 0.36, 0.37)
    spec.visual.headlight.diffuse = (0.12, 0.12, 0.12)
    spec.visual.headlight.specular = (0.05, 0.05, 0.05)
    spec.visual.rgba.haze = (*HORIZON, 1.0)
    spec.visual.map.shadowclip = 1.2
    spec.visual.quality.shadowsize = 4096
    _add_cameras(arm)


def _add_pattern(spec: Any) -> None:
    """A white texture, which randomisation may paint; the geoms that have it keep their own colours."""
    spec.add_texture(
        name=PATTERN,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=(1, 1, 1),
        rgb2=(1, 1, 1),
        width=PATTERN_PX,
        height=PATTERN_PX,
    )
    material = spec.add_material(name=PATTERN, rgba=(1, 1, 1, 1), texuniform=True, texrepeat=(4, 4))
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = PATTERN


def _add_cameras(arm: ArmModel) -> None:
    """`front` and `side` look at the workspace, `wrist` rides on the hand, `film` is for people."""
    for name, (pos, target, fovy_deg) in CAMERAS.items():
        arm.spec.worldbody.add_camera(name=name, pos=pos, quat=look_at(pos, target), fovy=fovy_deg)
    site = arm.spec.site(arm.site)
    eye = np.asarray(site.pos) + (0.11, 0.0, -0.085)
    ahead = np.asarray(site.pos) + (0.04, 0.0, 0.02)
    site.parent.add_camera(name="wrist", pos=eye, quat=look_at(eye, ahead), fovy=70.0)


CAMERAS = {
    "front": ((1.05, 0.0, 0.4), (0.47, 0.0, 0.09), 45.0),
    "side": ((0.5, -0.6, 0.35), (0.5, 0.0, 0.09), 45.0),
    "film": ((1.3, -0.85, 0.62), (0.36, 0.0, 0.27), 39.0),
}
"""Camera fixed in the room -> (position_m, point it looks at, vertical field of view in degrees)."""


def _reach(arm: ArmModel) -> World:
    """A ghost of the hand, to look at: a palm and two fingers."""
    body = arm.spec.worldbody.add_body(name="target", pos=(0.5, 0, 0.2))
    box(body, (0, 0, -0.06), (0.012, 0.05, 0.008), GHOST)
    box(body, (0, 0.045, -0.02), (0.008, 0.005, 0.035), GHOST)
    box(body, (0, -0.045, -0.02), (0.008, 0.005, 0.035), GHOST)
    return World((Tracked("target", False),), arm.site)


def _pick(arm: ArmModel) -> World:
    """A free cube with 4 cm edges."""
    aim(arm.spec, "side", (0.5, -0.62, 0.17), (0.5, 0, 0.105), 40.0)
    return World((arm_bins.add_cube(arm.spec, (0.5, 0)),), arm.site)


WORLDS: dict[str, Callable[[ArmModel], World]] = {
    "arm_reach": _reach,
    "arm_pick": _pick,
    "arm_insert": arm_plugs.peg,
    "arm_pcb": arm_plugs.connector,
    "arm_cable": arm_cable.cable,
    "arm_relocate": arm_bins.bins,
    "arm_relocate_back": arm_bins.bins,
}
