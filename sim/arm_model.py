"""The arm as an MjSpec: a 7-joint arm with the published numbers of the Franka Panda, from primitive shapes.

Kinematics: the maker's table of (modified) Denavit-Hartenberg parameters. Joint and torque limits: the data sheet.
Masses, centres of mass and inertias: identified by Gaz et al., "Dynamic identification of the Franka Emika Panda
robot with retrieval of feasible parameters", RA-L 2019. The look is ours: capsules and cylinders, no meshes.
"""

from typing import NamedTuple

import mujoco
import numpy as np

from sandlot.robots.arm.spec import MAX_WIDTH_M

GROUP_VISUAL, GROUP_COLLISION = 2, 3

WHITE, GREY, DARK, ACCENT = (
    (0.93, 0.94, 0.95, 1),
    (0.55, 0.58, 0.62, 1),
    (0.16, 0.18, 0.21, 1),
    (0.1, 0.45, 0.9, 1),
)


class Link(NamedTuple):
    """One joint and the link it moves.

    Attributes:
        dh: (a_m, d_m, alpha_rad) from the previous link, modified (Craig) convention.
        range_rad: joint limits.
        torque_nm: torque limit.
        mass_kg: of the link.
        com_m: centre of mass in the link frame.
        inertia: (xx, yy, zz, xy, xz, yz) about the centre of mass, kg m^2.
    """

    dh: tuple[float, float, float]
    range_rad: tuple[float, float]
    torque_nm: float
    mass_kg: float
    com_m: tuple[float, float, float]
    inertia: tuple[float, float, float, float, float, float]


_H = np.pi / 2
LINKS = (
    Link((0, 0.333, 0), (-2.8973, 2.8973), 87, 4.970684, (0.003875, 0.002081, -0.04762),
         (0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169)),
    Link((0, 0, -_H), (-1.7628, 1.7628), 87, 0.646926, (-0.003141, -0.02872, 0.003495),
         (0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704)),
    Link((0, 0.316, _H), (-2.8973, 2.8973), 87, 3.228604, (0.027518, 0.039252, -0.066502),
         (0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805)),
    Link((0.0825, 0, _H), (-3.0718, -0.0698), 87, 3.587895, (-0.05317, 0.104419, 0.027454),
         (0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641)),
    Link((-0.0825, 0.384, -_H), (-2.8973, 2.8973), 12, 1.225946, (-0.011953, 0.041065, -0.038437),
         (0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229)),
    Link((0, 0, _H), (-0.0175, 3.7525), 12, 1.666555, (0.060149, -0.014117, -0.010517),
         (0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341)),
    Link((0.088, 0, _H), (-2.8973, 2.8973), 12, 0.735522, (0.010517, -0.004252, 0.061597),
         (0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741)),
)  # fmt: skip

FLANGE_M = 0.107  # from link 7 to the flange
HAND_YAW_RAD = -np.pi / 4  # the hand is mounted turned by this about the flange's axis
FINGER_M = 0.0584  # from the hand to the finger joints
TOOL_M = 0.1034  # from the hand to the point between the fingertips
HAND_KG, FINGER_KG = 0.73, 0.015
GRASP_N = 30.0  # closing force, below the hand's 70 N continuous
READY_RAD = (0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)
"""The maker's ready posture."""

ARMATURE = 0.1  # kg m^2, rotor inertia seen at the joint
DAMPING = 1.0  # Nm s/rad, friction of the gears

JOINTS = tuple(f"joint{i}" for i in range(1, 8))
TOOL_SITE, SENSOR_SITE, GRIPPER = "tool", "wrist", "gripper"


def panda() -> mujoco.MjSpec:
    """The arm with its hand, standing at the world's origin; joints `joint1..7`, sites `tool` and `wrist`."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    parent = spec.worldbody.add_body(name="link0")
    _visual_base(parent)
    for i, link in enumerate(LINKS):
        parent = _add_link(parent, i, link)
    hand = _add_hand(parent)
    _add_gripper(spec, hand)
    return spec


def _add_link(parent: mujoco.MjsBody, index: int, link: Link) -> mujoco.MjsBody:
    """Adds joint `index` + 1 and its link under `parent`."""
    a, d, alpha = link.dh
    body = parent.add_body(
        name=f"link{index + 1}",
        pos=(a, -np.sin(alpha) * d, np.cos(alpha) * d),
        quat=(np.cos(alpha / 2), np.sin(alpha / 2), 0, 0),
        mass=link.mass_kg,
        ipos=link.com_m,
        fullinertia=link.inertia,
        explicitinertial=True,
    )
    body.add_joint(
        name=JOINTS[index],
        axis=(0, 0, 1),
        range=link.range_rad,
        limited=True,
        armature=ARMATURE,
        damping=[DAMPING, 0, 0],
        actfrcrange=(-link.torque_nm, link.torque_nm),
        actfrclimited=True,
    )
    for start, end, radius, rgba in LOOKS[index]:
        _capsule(body, start, end, radius, rgba)
    return body


LOOKS: tuple[
    tuple[tuple[tuple[float, float, float], tuple[float, float, float], float, tuple[float, ...]], ...], ...
]
LOOKS = (
    (((0, 0, -0.19), (0, 0, -0.06), 0.058, WHITE), ((0, -0.045, 0), (0, 0.045, 0), 0.058, WHITE)),
    (((0, 0, -0.055), (0, 0, 0.055), 0.056, WHITE), ((0, -0.05, 0), (0, -0.14, 0), 0.054, WHITE)),
    (((0, 0, -0.13), (0, 0, -0.06), 0.054, WHITE), ((0.0825, -0.035, 0), (0.0825, 0.04, 0), 0.052, WHITE),
     ((0, 0, -0.06), (0.0825, 0, 0), 0.05, WHITE)),
    (((0, 0, -0.045), (0, 0, 0.045), 0.05, WHITE), ((0, 0, 0), (-0.0825, 0.11, 0), 0.048, WHITE)),
    (((0, 0, -0.25), (0, 0.02, -0.1), 0.05, WHITE), ((0, 0.06, -0.13), (0, 0.08, 0), 0.034, WHITE),
     ((0, 0, -0.02), (0, 0.04, 0), 0.045, WHITE)),
    (((0, 0, -0.045), (0, 0, 0.05), 0.046, WHITE), ((0, 0, 0), (0.088, 0.0, 0), 0.042, WHITE)),
    (((0, 0, -0.02), (0, 0, 0.06), 0.044, WHITE), ((0, 0, 0.085), (0, 0, 0.09), 0.04, GREY)),
)  # fmt: skip


def _capsule(
    body: mujoco.MjsBody,
    start: tuple[float, ...],
    end: tuple[float, ...],
    radius_m: float,
    rgba: tuple[float, ...],
) -> None:
    """A capsule to look at: no contacts, no mass."""
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=(*start, *end),
        size=(radius_m, 0, 0),
        rgba=rgba,
        contype=0,
        conaffinity=0,
        group=GROUP_VISUAL,
        mass=0,
    )


def _visual_base(body: mujoco.MjsBody) -> None:
    """The foot of the arm."""
    _capsule(body, (-0.09, 0, 0.05), (0, 0, 0.06), 0.06, WHITE)
    _capsule(body, (0, 0, 0.05), (0, 0, 0.14), 0.062, WHITE)


STIFF: dict[str, object] = {"solref": [0.004, 1.0], "solimp": [0.95, 0.99, 0.001, 0.5, 2.0]}
"""Contact of hard bodies: sinks in by well under a millimetre."""


def box(
    body: mujoco.MjsBody,
    pos: tuple[float, ...],
    half: tuple[float, ...],
    rgba: tuple[float, ...],
    **kw: object,
) -> None:
    """A box, by default only to look at."""
    kw = {"contype": 0, "conaffinity": 0, "group": GROUP_VISUAL, "mass": 0} | kw
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, pos=pos, size=half, rgba=rgba, **kw)


def _add_hand(parent: mujoco.MjsBody) -> mujoco.MjsBody:
    """The hand with the force-torque sensor at its root; returns its body."""
    hand = parent.add_body(
        name="hand",
        pos=(0, 0, FLANGE_M),
        quat=(np.cos(HAND_YAW_RAD / 2), 0, 0, np.sin(HAND_YAW_RAD / 2)),
        mass=HAND_KG,
        ipos=(-0.01, 0, 0.03),
        inertia=(0.001, 0.0025, 0.0017),
        explicitinertial=True,
    )
    box(hand, (0, 0, 0.028), (0.032, 0.1, 0.03), WHITE)
    box(hand, (0, 0, 0.062), (0.022, 0.09, 0.006), DARK)
    hand.add_site(name=SENSOR_SITE, group=4)
    hand.add_site(name=TOOL_SITE, pos=(0, 0, TOOL_M), group=4)
    return hand


def _add_gripper(spec: mujoco.MjSpec, hand: mujoco.MjsBody) -> None:
    """Two fingers that a passive tendon keeps symmetric, and one actuator that sets their distance."""
    width = spec.add_tendon(name="width")
    balance = spec.add_tendon(
        name="balance", stiffness=[4000.0, 0, 0], damping=[40.0, 0, 0], springlength=(0, 0)
    )
    for side, sign in (("left", 1.0), ("right", -1.0)):
        finger = hand.add_body(
            name=f"finger_{side}",
            pos=(0, 0, FINGER_M),
            mass=FINGER_KG,
            ipos=(0, sign * 0.01, 0.03),
            inertia=(2.4e-6, 2.4e-6, 7.5e-7),
            explicitinertial=True,
        )
        joint = f"finger_{side}"
        finger.add_joint(
            name=joint,
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=(0, sign, 0),
            range=(0, MAX_WIDTH_M / 2),
            limited=True,
            armature=0.1,
            damping=[120.0, 0, 0],
        )
        box(finger, (0, sign * 0.013, 0.012), (0.01, 0.012, 0.014), DARK)
        box(finger, (0, sign * 0.007, 0.04), (0.0095, 0.007, 0.0145), DARK,
            group=GROUP_VISUAL, contype=2, conaffinity=1, friction=(1.2, 0.02, 0.001), condim=4, **STIFF)  # fmt: skip
        width.wrap_joint(joint, 1.0)
        balance.wrap_joint(joint, sign)
    spec.add_actuator(
        name=GRIPPER,
        target="width",
        trntype=mujoco.mjtTrn.mjTRN_TENDON,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED,
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        gainprm=[1000.0] + [0.0] * 9,
        biasprm=[0.0, -1000.0, -10.0] + [0.0] * 7,
        ctrlrange=(-0.02, MAX_WIDTH_M),
        ctrllimited=True,
        forcerange=(-GRASP_N, GRASP_N),
        forcelimited=True,
    )
