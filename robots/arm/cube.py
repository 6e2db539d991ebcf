"""The cube that some tasks move: its size, and what is observed of it."""

import math

from sandlot.robots.arm import experts
from sandlot.robots.arm.observation import Group, from_tool
from sandlot.robots.arm.spec import ArmReading

CUBE_HALF_M = 0.02


def cube_groups() -> tuple[Group, ...]:
    """The cube from the tool; 6 numbers."""
    return (
        Group("cube_from_tool", 3, "m", 0.1, "base", lambda r: from_tool(r, "cube")),
        Group("cube_height", 1, "m above rest", 0.1, "base", lambda r: (lifted_m(r),)),
        Group("cube_yaw", 2, "sine and cosine of 4 x yaw from the tool", 1.0, "tool", cube_yaw),
    )


def lifted_m(reading: ArmReading) -> float:
    """How far the cube's centre is above where it rests."""
    return float(reading.objects["cube"].position_m[2]) - CUBE_HALF_M


def cube_yaw(reading: ArmReading) -> tuple[float, float]:
    """Sine and cosine of 4 x the cube's yaw from the tool: a square looks the same every quarter turn."""
    angle = 4.0 * experts.yaw_between(reading.tool.rotation, reading.objects["cube"].rotation)
    return math.sin(angle), math.cos(angle)
