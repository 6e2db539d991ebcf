"""The world with a flexible cable in the hand and a clip with two springy jaws on the table.

The cable is MuJoCo's own: a chain of capsules whose bending and twisting its plugin `mujoco.elasticity.cable`
computes. Its first segment is fixed in the hand.
"""

from typing import Any

import mujoco

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.tasks_cable import CABLE_M, CABLE_RADIUS_M, SEAT_M, SEEN, SEGMENTS
from sandlot.sim.arm_model import ArmModel
from sandlot.sim.arm_world import Tracked, World, aim
from sandlot.sim.shapes import DARK, GREEN, GROUP_LOOK, HOLE, ORANGE, PEG, box, capsule

YOUNG_PA = 1.0e7  # soft PVC; a bending stiffness of 0.002 Nm2
DENSITY_KGPM3 = 1500.0
ARMATURE_KGM2, DAMPING_NMS = 5e-6, 0.004  # a stable explicit step of 2 ms, and a swing that dies out
HELD_M = 0.01  # of the cable, on either side of the tool
PREFIX = "cable_"
JAW_HALF_M, JAW_GAP_M, LIP_GAP_M, LIP_RADIUS_M = 0.008, 0.0090, 0.0060, 0.003
JAW_NPM, JAW_NSPM, JAW_KG = 1000.0, 5.0, 0.02
LIP_M = 0.0065  # from the seat up to the lips' axis

PLUGIN = "mujoco.elasticity.cable"
CABLE = f"""
<mujoco><extension><plugin plugin="{PLUGIN}"/></extension>
<worldbody><body name="root"><composite type="cable" curve="s" count="{SEGMENTS + 1} 1 1" size="{CABLE_M}"
initial="none"><plugin plugin="{PLUGIN}"><config key="bend" value="{YOUNG_PA}"/>
<config key="twist" value="{YOUNG_PA}"/><config key="vmax" value="0"/></plugin>
<joint kind="main" damping="{DAMPING_NMS}" armature="{ARMATURE_KGM2}"/>
<geom type="capsule" size="{CABLE_RADIUS_M}" density="{DENSITY_KGPM3}"/></composite></body></worldbody>
</mujoco>
"""


def cable(arm: ArmModel) -> World:
    """A cable held by the gripper without play, and the clip."""
    spec = arm.spec
    joints = _add_cable(arm)
    jaws = _add_clip(spec)
    # along the jaws, obliquely: what lies between them shows
    aim(spec, "side", (0.8, -0.3, 0.15), (0.5, 0, 0.062), 21.0)
    seen = tuple(Tracked(name, free=False, placed=False) for name in SEEN)
    clip = Tracked("clip", False)
    return World((clip, *seen), arm.site, grip_m=2 * CABLE_RADIUS_M, joints=(*joints, *jaws))


def _add_cable(arm: ArmModel) -> list[str]:
    """The cable along the tool's x axis; names of its joints."""
    try:
        child = mujoco.MjSpec.from_string(CABLE)
    except ValueError as err:
        raise ConfigError(
            f"MuJoCo cannot make a cable ({' '.join(str(err).split())}); its wheel brings the plugin "
            f"{PLUGIN}: pip install --force-reinstall mujoco"
        ) from err
    for name, body in zip(SEEN, [b for b in child.bodies if b.name.startswith("B_")][1:], strict=False):
        body.name = name.removeprefix(PREFIX)
    for geom in child.geoms:
        for name, value in (PEG | {"condim": 3, "rgba": ORANGE, "group": GROUP_LOOK}).items():
            setattr(geom, name, value)
    joints = [PREFIX + joint.name for joint in child.joints]
    site = arm.spec.site(arm.site)
    start = site.parent.add_frame(pos=site.pos, quat=site.quat).attach_body(child.body("root"), PREFIX, "")
    start.pos = (-HELD_M, 0, 0)
    return joints


def _add_clip(spec: Any) -> list[str]:
    """A post that carries a seat and two jaws, each on a spring; names of the jaws' joints."""
    body = spec.worldbody.add_body(name="clip", pos=(0.5, 0, SEAT_M))
    seat = -CABLE_RADIUS_M
    box(body, (0, 0, (seat - SEAT_M) / 2), (JAW_HALF_M, 0.012, (SEAT_M + seat) / 2), DARK, **HOLE)
    box(body, (0, 0, 0.003 - SEAT_M), (0.02, 0.03, 0.003), DARK)
    joints = []
    for side, sign in (("left", 1.0), ("right", -1.0)):
        jaw = body.add_body(name=f"jaw_{side}", mass=JAW_KG, inertia=(1e-5,) * 3, explicitinertial=True)
        jaw.add_joint(
            name=f"jaw_{side}",
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=(0, sign, 0),
            stiffness=[JAW_NPM, 0, 0],
            damping=[JAW_NSPM, 0, 0],
        )
        _add_jaw(jaw, sign)
        joints.append(f"jaw_{side}")
    return joints


def _add_jaw(jaw: Any, sign: float) -> None:
    """A wall, a round lip that narrows the mouth, and a flare that guides the cable in."""
    inner, lip_y = JAW_GAP_M / 2, LIP_GAP_M / 2 + LIP_RADIUS_M
    low, high = -CABLE_RADIUS_M, LIP_M
    wall = (JAW_HALF_M, 0.0015, (high - low) / 2)
    box(jaw, (0, sign * (inner + 0.0015), (low + high) / 2), wall, GREEN, **HOLE)
    y, x = sign * lip_y, JAW_HALF_M - LIP_RADIUS_M
    capsule(jaw, (-x, y, LIP_M), (x, y, LIP_M), LIP_RADIUS_M, GREEN, **HOLE)
    flare = sign * (lip_y + 0.0045)
    capsule(jaw, (-x, flare, LIP_M + 0.007), (x, flare, LIP_M + 0.007), LIP_RADIUS_M, GREEN, **HOLE)
