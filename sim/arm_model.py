"""The arm as an MjSpec: a 7-joint arm with the published numbers of the Franka Panda, from primitive shapes.

Kinematics: the maker's table of (modified) Denavit-Hartenberg parameters. Joint and torque limits: the
data sheet. Masses, centres of mass and inertias: identified by Gaz et al., "Dynamic identification of the
Franka Emika Panda robot with retrieval of feasible parameters", RA-L 2019. The look is ours: capsules and
boxes, no meshes.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import mujoco
import numpy as np

from sandlot.sim.arm_hand import add_hand
from sandlot.sim.shapes import BLUE, GREY, WHITE, Vec, capsule, cylinder

ARMATURE = 0.1  # kg m^2, rotor inertia seen at the joint
DAMPING = 1.0  # Nm s/rad, friction of the gears
_H = np.pi / 2


@dataclass(frozen=True)
class ArmModel:
    """An arm that is not compiled yet, and the names the rest of the simulation needs.

    Attributes:
        spec: the MjSpec; the arm stands at the world's origin, x forward, z up.
        joints: hinge joints from the base to the tool.
        torque_nm: torque limit of each joint.
        site: the tool: between the fingertips, z along the fingers.
        gripper: actuator of the gripper, or "" when there is none.
        open_ctrl: its control when open.
        closed_ctrl: its control when closed.
        home_rad: posture that the null space is pulled to and inverse kinematics starts from.
    """

    spec: Any
    joints: tuple[str, ...]
    torque_nm: tuple[float, ...]
    site: str
    gripper: str
    open_ctrl: float
    closed_ctrl: float
    home_rad: tuple[float, ...]


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

    dh: Vec
    range_rad: tuple[float, float]
    torque_nm: float
    mass_kg: float
    com_m: Vec
    inertia: tuple[float, float, float, float, float, float]


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

READY_RAD = (0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4)
"""The maker's ready posture."""


class Look(NamedTuple):
    """A white capsule (`kind` 0), grey cylinder (1) or blue ring (2) of a link, in the link's frame."""

    kind: int
    start: Vec
    end: Vec
    radius_m: float


LOOKS: tuple[tuple[Look, ...], ...] = (
    (Look(0, (0, 0, -0.17), (0, 0, -0.05), 0.058), Look(0, (0, -0.04, 0), (0, 0.04, 0), 0.058),
     Look(2, (0, 0, -0.15), (0, 0, -0.14), 0.0605)),
    (Look(0, (0, -0.05, 0), (0, -0.15, 0), 0.055), Look(1, (0, 0, -0.064), (0, 0, 0.064), 0.05)),
    (Look(0, (0, 0, -0.14), (0, 0, -0.06), 0.054), Look(0, (0, 0, -0.05), (0.08, 0.0, 0), 0.05),
     Look(2, (0, 0, -0.125), (0, 0, -0.115), 0.0565)),
    (Look(1, (0, 0, -0.062), (0, 0, 0.062), 0.05), Look(0, (0, 0, -0.01), (0, 0, 0.01), 0.055),
     Look(0, (0, 0, 0), (-0.0825, 0.11, 0), 0.05)),
    (Look(0, (0, 0, -0.26), (0, 0.03, -0.12), 0.05), Look(0, (0, 0.05, -0.14), (0, 0.07, -0.02), 0.036),
     Look(0, (0, 0.0, -0.1), (0, 0, -0.03), 0.04), Look(2, (0, 0, -0.262), (0, 0, -0.252), 0.0515)),
    (Look(1, (0, 0, -0.056), (0, 0, 0.056), 0.046), Look(0, (0, 0, -0.01), (0, 0, 0.01), 0.051),
     Look(0, (0, 0, 0), (0.088, 0, 0), 0.044)),
    (Look(0, (0, 0, -0.02), (0, 0, 0.055), 0.044), Look(1, (0, 0, 0.06), (0, 0, 0.104), 0.036),
     Look(2, (0, 0, 0.094), (0, 0, 0.1), 0.038)),
)  # fmt: skip


def panda() -> ArmModel:
    """The arm with its hand, standing at the world's origin."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    body = spec.worldbody.add_body(name="link0")
    cylinder(body, (0, 0, 0), (0, 0, 0.02), 0.1, GREY)
    capsule(body, (-0.06, 0, 0.05), (0, 0, 0.06), 0.065, WHITE)
    capsule(body, (0, 0, 0.05), (0, 0, 0.15), 0.064, WHITE)
    names = tuple(f"joint{i}" for i in range(1, len(LINKS) + 1))
    for name, link, looks in zip(names, LINKS, LOOKS, strict=True):
        body = _add_link(body, name, link, looks)
    add_hand(spec, body)
    gripper = spec.actuator("gripper")
    return ArmModel(
        spec=spec,
        joints=names,
        torque_nm=tuple(link.torque_nm for link in LINKS),
        site="tool",
        gripper="gripper",
        open_ctrl=float(gripper.ctrlrange[1]),
        closed_ctrl=float(gripper.ctrlrange[0]),
        home_rad=READY_RAD,
    )


def _add_link(parent: Any, joint: str, link: Link, looks: tuple[Look, ...]) -> Any:
    """Adds a joint and its link under `parent`; returns the link's body."""
    a, d, alpha = link.dh
    body = parent.add_body(
        name=joint.replace("joint", "link"),
        pos=(a, -np.sin(alpha) * d, np.cos(alpha) * d),
        quat=(np.cos(alpha / 2), np.sin(alpha / 2), 0, 0),
        mass=link.mass_kg,
        ipos=link.com_m,
        fullinertia=link.inertia,
        explicitinertial=True,
    )
    body.add_joint(
        name=joint,
        axis=(0, 0, 1),
        range=link.range_rad,
        limited=True,
        armature=ARMATURE,
        damping=[DAMPING, 0, 0],
    )
    for look in looks:
        shape, rgba = ((capsule, WHITE), (cylinder, GREY), (cylinder, BLUE))[look.kind]
        shape(body, look.start, look.end, look.radius_m, rgba)
    return body
