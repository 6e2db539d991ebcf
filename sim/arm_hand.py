"""The Panda's hand: force-torque sensor at its root, two coupled fingers, one actuator for their distance."""

from typing import Any

import mujoco
import numpy as np

from sandlot.robots.arm.spec import MAX_WIDTH_M
from sandlot.sim.shapes import DARK, GREY, HAND, WHITE, box, capsule

FLANGE_M = 0.107  # from link 7 to the flange
YAW_RAD = -np.pi / 4  # the hand is mounted turned by this about the flange's axis
FINGER_M = 0.0584  # from the hand to the finger joints
TOOL_M = 0.1034  # from the hand to the point between the fingertips
HAND_KG, FINGER_KG = 0.73, 0.015
GRASP_N = 30.0  # closing force; the hand's datasheet allows 70 N
STIFFNESS = 3000.0  # N/m: closing on anything wider than a centimetre reaches the force limit
FINGER_ARMATURE_KG = 0.1  # motor and gear, seen at the finger
FINGER_DAMPING = 120.0  # Ns/m: with the force above, a finger moves at about 0.12 m/s


def add_hand(spec: Any, flange: Any) -> None:
    """Adds hand, fingers, actuator `gripper` and site `tool` to the last link."""
    hand = flange.add_body(
        name="hand",
        pos=(0, 0, FLANGE_M),
        quat=(np.cos(YAW_RAD / 2), 0, 0, np.sin(YAW_RAD / 2)),
        mass=HAND_KG,
        ipos=(-0.01, 0, 0.03),
        inertia=(0.001, 0.0025, 0.0017),
        explicitinertial=True,
    )
    capsule(hand, (0, -0.075, 0.024), (0, 0.075, 0.024), 0.031, WHITE)
    box(hand, (0, 0, 0.045), (0.025, 0.1, 0.018), WHITE, **HAND)
    box(hand, (0, 0, 0.0635), (0.018, 0.09, 0.0015), DARK)
    hand.add_site(name="tool", pos=(0, 0, TOOL_M), group=4)
    width = spec.add_tendon(name="width")
    # A spring on q_left - q_right, where the real hand has a gear: cheaper than a constraint.
    balance = spec.add_tendon(
        name="balance", stiffness=[4000.0, 0, 0], damping=[40.0, 0, 0], springlength=(0, 0)
    )
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _add_finger(hand, f"finger_{side}", sign)
        width.wrap_joint(f"finger_{side}", 1.0)
        balance.wrap_joint(f"finger_{side}", sign)
    _add_actuator(spec)


def _add_finger(hand: Any, name: str, sign: float) -> None:
    """One finger, opening along `sign` y."""
    finger = hand.add_body(
        name=name,
        pos=(0, 0, FINGER_M),
        mass=FINGER_KG,
        ipos=(0, sign * 0.01, 0.03),
        inertia=(2.4e-6, 2.4e-6, 7.5e-7),
        explicitinertial=True,
    )
    finger.add_joint(
        name=name,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=(0, sign, 0),
        range=(0, MAX_WIDTH_M / 2),
        limited=True,
        armature=FINGER_ARMATURE_KG,
        damping=[FINGER_DAMPING, 0, 0],
    )
    box(finger, (0, sign * 0.013, 0.014), (0.009, 0.012, 0.012), GREY)
    box(finger, (0, sign * 0.007, 0.040), (0.0095, 0.007, 0.0145), DARK, **HAND)


def _add_actuator(spec: Any) -> None:
    """A position servo on the distance between the fingers, with the grasp force as its limit."""
    spec.add_actuator(
        name="gripper",
        target="width",
        trntype=mujoco.mjtTrn.mjTRN_TENDON,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED,
        biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        gainprm=[STIFFNESS] + [0.0] * 9,
        biasprm=[0.0, -STIFFNESS, -10.0] + [0.0] * 7,
        ctrlrange=(0.0, MAX_WIDTH_M),
        ctrllimited=True,
        forcerange=(-GRASP_N, GRASP_N),
        forcelimited=True,
    )
