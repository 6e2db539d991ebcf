"""Routing a flexible cable: press it, held at one end, into a clip with two springy jaws."""

import math

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm import experts_cable
from sandlot.robots.arm.observation import Group, from_tool, tool_groups, wrench_groups
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose
from sandlot.robots.arm.task import ArmTask, yawed

CABLE_RADIUS_M, CABLE_M, SEGMENTS = 0.004, 0.20, 10
SEEN = tuple(f"cable_{i}" for i in range(1, SEGMENTS))
"""Tracked points of the cable, from the hand outwards, `SEGMENT_M` apart; the first is 1 cm from the tool.

The x axis of each points along the cable, so the last one tells where the free end is.
"""
SEGMENT_M = CABLE_M / SEGMENTS
SEAT_M = 0.05
"""Height of the clip's origin: where the cable's centreline lies when it is in."""


class ArmCable(ArmTask):
    """Press a cable of 8 mm into a clip whose mouth is 6 mm wide; the jaws give way.

    The gripper holds the cable's end without play, its free end hangs ahead of the hand. The clip stands
    anywhere in 10 x 10 cm, turned by up to 15 degrees.
    """

    name = "arm_cable"
    max_steps = 60
    centre_m = (0.5, 0.0)
    half_side_m = 0.05
    yaw_rad = math.radians(15.0)
    seen = SEEN
    inside_m = 0.003
    deep_m = 0.005  # above 2.9 mm a cable touches the lips, which push it down as far as their axis, 6.5 mm
    limits = ArmLimits(
        step_m=0.02,
        step_rad=0.05,
        low_m=(0.38, -0.10, 0.022),
        high_m=(0.58, 0.10, 0.18),
        tilt_rad=0.4,
        lead_m=0.03,
        lead_rad=0.2,
        gripper=False,
    )

    def own_groups(self) -> tuple[Group, ...]:
        """Tool and wrench; 24 numbers."""
        return (*tool_groups((0.46, 0.0, 0.1)), *wrench_groups())

    def object_groups(self) -> tuple[Group, ...]:
        """The clip from the tool, and where the cable passes the clip; 12 numbers."""
        return (
            Group("clip_from_tool", 3, "m", 0.05, "base", lambda r: from_tool(r, "clip")),
            Group("clip_turn", 3, "rad from the tool", 0.2, "base", clip_turn),
            Group("cable_in_clip", 3, "m", 0.03, "clip", crossing),
            Group("cable_in_clip_fine", 3, "m", 0.005, "clip", lambda r: np.clip(crossing(r), -0.01, 0.01)),
        )

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Clip anywhere on its square, tool behind the middle and above, the cable hanging ahead."""
        x, y = rng.uniform(-self.half_side_m, self.half_side_m, 2) + self.centre_m
        clip = Pose(np.array([x, y, SEAT_M]), yawed(rng.uniform(-self.yaw_rad, self.yaw_rad)))
        tool = np.array([self.centre_m[0] - 0.05, 0.0, SEAT_M + 0.08]) + rng.uniform(-0.02, 0.02, 3)
        return ArmScene(Pose(tool, DOWN.copy()), False, {"clip": clip})

    def success(self, reading: ArmReading) -> bool:
        """The cable's centreline passes between the jaws, and their lips push it down rather than out."""
        along, across, above = crossing(reading)
        return bool(abs(along) < 1e-6 and abs(across) < self.inside_m and abs(above) < self.deep_m)

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Lay the cable over the clip, then press it down close to the clip."""
        return experts_cable.route(reading, self.limits, crossing(reading))


def crossing(reading: ArmReading) -> np.ndarray:
    """Where the cable's centreline passes the clip's middle plane: along 0, across, above; clip axes, m [3].

    When it does not reach that plane: its nearest point, along not 0.
    """
    clip = reading.objects["clip"]
    last = reading.objects[SEEN[-1]]
    end_m = last.position_m + SEGMENT_M * last.rotation[:, 0]
    points_m = np.array([*(reading.objects[n].position_m for n in SEEN), end_m])
    points = (points_m - clip.position_m) @ clip.rotation
    for a, b in zip(points[:-1], points[1:], strict=True):
        if a[0] <= 0.0 <= b[0]:
            at = a + (b - a) * (-a[0] / max(b[0] - a[0], 1e-9))
            return np.array([0.0, at[1], at[2]])
    return np.asarray(points[np.abs(points[:, 0]).argmin()])


def clip_turn(reading: ArmReading) -> np.ndarray:
    """The rotation vector [3] that turns the hand along the clip, base frame, rad."""
    return rotation.between(reading.tool.rotation, rotation.mul(reading.objects["clip"].rotation, DOWN))
