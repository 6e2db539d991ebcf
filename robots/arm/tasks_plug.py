"""Tasks that put what the hand holds into a hole: a square peg, and a connector with pins into its socket."""

import math
from functools import partial

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm import experts
from sandlot.robots.arm.observation import Group, from_tool, tool_groups, wrench_groups
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose
from sandlot.robots.arm.task import ArmTask, yawed

PEG_HALF_M, PEG_LENGTH_M = 0.01, 0.08
HOLE_DEPTH_M = 0.03
PIN_HALF_M, PIN_LENGTH_M, PIN_PITCH_M = 0.002, 0.012, 0.010
PINS = (4, 2)
"""Along the tool's x and y."""
SOCKET_TOP_M, SOCKET_DEPTH_M = 0.03, 0.014


class PlugTask(ArmTask):
    """What they share: the tool is the tip, the hole's origin the middle of its opening.

    The hole lies anywhere in 10 x 10 cm, turned by up to 15 degrees.
    """

    max_steps = 60
    centre_m = (0.5, 0.0)
    half_side_m = 0.05
    yaw_rad = math.radians(15.0)
    hole: str
    hole_top_m: float
    inserted_m: float
    within_m: float
    aim: experts.Aim
    limits = ArmLimits(
        step_m=0.01,
        step_rad=0.05,
        low_m=(0.42, -0.08, 0.002),
        high_m=(0.58, 0.08, 0.14),
        tilt_rad=0.4,
        lead_m=0.03,
        lead_rad=0.2,
        gripper=False,
    )

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Hole anywhere on its square, tip some centimetres above the middle."""
        x, y = rng.uniform(-self.half_side_m, self.half_side_m, 2) + self.centre_m
        hole = Pose(np.array([x, y, self.hole_top_m]), yawed(rng.uniform(-self.yaw_rad, self.yaw_rad)))
        tip = np.array([*self.centre_m, self.hole_top_m + 0.06]) + rng.uniform(-0.02, 0.02, 3)
        return ArmScene(Pose(tip, DOWN.copy()), False, {self.hole: hole})

    def own_groups(self) -> tuple[Group, ...]:
        """Tip and wrench; 24 numbers."""
        return (*tool_groups((*self.centre_m, 0.07)), *wrench_groups())

    def object_groups(self) -> tuple[Group, ...]:
        """The hole from the tip, once for the way there and once for the last centimetre; 9 numbers."""
        away, fine, turn = (partial(f, name=self.hole) for f in (from_tool, within_1cm, turn_into))
        return (
            Group(f"{self.hole}_from_tip", 3, "m", 0.05, "base", away),
            Group(f"{self.hole}_from_tip_fine", 3, "m", 0.005, "base", fine),
            Group(f"{self.hole}_turn", 3, "rad from the tip", 0.2, "base", turn),
        )

    def success(self, reading: ArmReading) -> bool:
        """The tip is deep enough in the hole."""
        x, y, z = from_tool(reading, self.hole)
        return bool(z >= self.inserted_m and math.hypot(x, y) < self.within_m)

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Above the hole, aligned, then down."""
        return experts.insert(reading, self.limits, self.hole, self.aim)


class ArmInsert(PlugTask):
    """Put a square peg, held by the gripper, 2 cm deep into a hole that is 1 mm wider."""

    name = "arm_insert"
    hole, hole_top_m = "hole", HOLE_DEPTH_M
    inserted_m, within_m = 0.02, PEG_HALF_M / 2
    aim = experts.Aim(press_m=0.0015, press_rad=0.03, inside_m=0.002)


class ArmPcb(PlugTask):
    """Put a connector with 2 x 4 pins into its socket on a circuit board; each hole is 0.5 mm wider.

    The connector is held by the gripper without play. Pins are 4 mm square, 12 mm long, 10 mm apart.
    """

    name = "arm_pcb"
    hole, hole_top_m = "socket", SOCKET_TOP_M
    inserted_m, within_m = 0.011, PIN_HALF_M
    aim = experts.Aim(press_m=0.0008, press_rad=0.012, inside_m=0.0025, search_m=0.0012)


def within_1cm(reading: ArmReading, name: str) -> np.ndarray:
    """From the tip to a hole, m [3], clipped to 1 cm per axis."""
    return np.clip(from_tool(reading, name), -0.01, 0.01)


def turn_into(reading: ArmReading, name: str) -> np.ndarray:
    """The rotation vector [3] that turns what is held so that it fits the hole, base frame, rad."""
    return rotation.between(reading.tool.rotation, rotation.mul(reading.objects[name].rotation, DOWN))
