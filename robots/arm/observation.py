"""Named, scaled groups of numbers: how a reading of the arm becomes the `state` of an observation."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from sandlot.learners.schema import Entry
from sandlot.robots import rotation
from sandlot.robots.arm.spec import DOWN, MAX_WIDTH_M, ArmReading

BOUND = 5.0
"""Every scaled number is clipped to this magnitude."""


class Group(NamedTuple):
    """One entry of the state.

    Attributes:
        name: of the entry.
        size: how many numbers.
        unit: physical unit of what `read` returns.
        scale: what a 1 in the state stands for, in that unit.
        frame: coordinate frame.
        read: reading -> [size] in physical units.
    """

    name: str
    size: int
    unit: str
    scale: float
    frame: str
    read: Callable[[ArmReading], Sequence[float] | np.ndarray]

    def entry(self) -> Entry:
        """Its public description; the unit says what 1 stands for."""
        return Entry(self.name, self.size, f"{self.scale:g} {self.unit}".strip(), self.frame, -BOUND, BOUND)


def observe(groups: Sequence[Group], reading: ArmReading) -> np.ndarray:
    """The state, float32 [sum of sizes]: each group divided by its scale and clipped."""
    parts = [np.asarray(g.read(reading), np.float64) * (1.0 / g.scale) for g in groups]
    return np.minimum(np.maximum(np.concatenate(parts), -BOUND), BOUND).astype(np.float32)


def tool_groups(centre_m: Sequence[float]) -> tuple[Group, ...]:
    """Where the tool is, how it moves, and how far the command leads it; 18 numbers.

    Orientation is the rotation vector from "straight down": the tasks keep it well within half a turn.
    """
    centre = np.asarray(centre_m)

    def lag_m(r: ArmReading) -> np.ndarray:
        return r.command.pose.position_m - r.tool.position_m

    def lag_rad(r: ArmReading) -> np.ndarray:
        return rotation.between(r.tool.rotation, r.command.pose.rotation)

    return (
        Group(
            "tool_position",
            3,
            "m from the workspace centre",
            0.15,
            "base",
            lambda r: r.tool.position_m - centre,
        ),
        Group(
            "tool_rotation",
            3,
            "rad from straight down",
            0.3,
            "base",
            lambda r: rotation.between(DOWN, r.tool.rotation),
        ),
        Group("tool_velocity", 3, "m/s", 0.3, "base", lambda r: r.velocity_mps),
        Group("tool_angular_velocity", 3, "rad/s", 1.0, "base", lambda r: r.angular_radps),
        Group("command_lead", 3, "m", 0.03, "base", lag_m),
        Group("command_lead_rotation", 3, "rad", 0.2, "base", lag_rad),
    )


def gripper_groups() -> tuple[Group, ...]:
    """Opening and command of the gripper, centred; 2 numbers."""
    half = MAX_WIDTH_M / 2
    return (
        Group("gripper_width", 1, "m from half open", half, "", lambda r: (r.width_m - half,)),
        Group(
            "gripper_command",
            1,
            "1 open, -1 closed",
            1.0,
            "",
            lambda r: (1.0 if r.command.gripper_open else -1.0,),
        ),
    )


def wrench_groups() -> tuple[Group, ...]:
    """What the world exerts on the tool; 6 numbers."""
    return (
        Group("force", 3, "N", 20.0, "base", lambda r: r.force_n),
        Group("torque", 3, "Nm", 2.0, "base", lambda r: r.torque_nm),
    )


def from_tool(reading: ArmReading, name: str) -> np.ndarray:
    """From the tool to an object, m [3], base frame."""
    return reading.objects[name].position_m - reading.tool.position_m


def turn_from_tool(reading: ArmReading, name: str) -> np.ndarray:
    """The rotation vector [3] that turns the tool into an object's orientation, base frame, rad."""
    return rotation.between(reading.tool.rotation, reading.objects[name].rotation)
