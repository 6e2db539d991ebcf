"""The arm's tasks: what is observed, what counts as success, how a trial starts. No simulator here."""

import abc
import math

import numpy as np

from sandlot.learners.schema import Entry
from sandlot.robots import rotation
from sandlot.robots.arm import experts
from sandlot.robots.arm.observation import (
    Group,
    from_tool,
    gripper_groups,
    observe,
    tool_groups,
    turn_from_tool,
    wrench_groups,
)
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose

CUBE_HALF_M = 0.02
PEG_HALF_M, PEG_LENGTH_M = 0.01, 0.08
HOLE_DEPTH_M = 0.03


class ArmTask(abc.ABC):
    """What the arm's tasks share. Limits and state groups are data, set by each task.

    With `privileged`, the state holds the poses of objects; without, cameras have to show them.
    """

    name: str
    max_steps: int
    limits: ArmLimits

    def __init__(self, privileged: bool = True) -> None:
        self._groups = (*self.own_groups(), *(self.object_groups() if privileged else ()))

    @abc.abstractmethod
    def own_groups(self) -> tuple[Group, ...]:
        """What the arm feels of itself."""

    @abc.abstractmethod
    def object_groups(self) -> tuple[Group, ...]:
        """What has to be seen."""

    @abc.abstractmethod
    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Draws how the next trial starts."""

    @abc.abstractmethod
    def success(self, reading: ArmReading) -> bool:
        """Whether the task is done."""

    @abc.abstractmethod
    def expert(self, reading: ArmReading) -> np.ndarray:
        """A scripted action, float32 [A] in [-1, 1]."""

    def state_entries(self) -> tuple[Entry, ...]:
        """The named entries of the state."""
        return tuple(g.entry() for g in self._groups)

    def action_entries(self) -> tuple[Entry, ...]:
        """The named entries of the action."""
        return self.limits.entries()

    def observe(self, reading: ArmReading) -> np.ndarray:
        """The state, float32 [n]."""
        return observe(self._groups, reading)


class ArmReach(ArmTask):
    """Bring the tool to a target pose: anywhere in 24 x 24 x 16 cm, turned by up to 0.3 rad."""

    name = "arm_reach"
    max_steps = 40
    centre_m = (0.5, 0.0, 0.25)
    half_m = (0.12, 0.12, 0.08)
    turn_rad = 0.3
    within_m, within_rad = 0.02, 0.15
    limits = ArmLimits(
        step_m=0.05,
        step_rad=0.2,
        low_m=(0.34, -0.16, 0.12),
        high_m=(0.66, 0.16, 0.38),
        tilt_rad=0.7,
        lead_m=0.08,
        lead_rad=0.4,
        gripper=False,
    )

    def own_groups(self) -> tuple[Group, ...]:
        """Pose, velocity and command of the tool; 18 numbers."""
        return tool_groups(self.centre_m)

    def object_groups(self) -> tuple[Group, ...]:
        """The target from the tool; 6 numbers."""
        return (
            Group("target_from_tool", 3, "m", 0.1, "base", lambda r: from_tool(r, "target")),
            Group("target_turn", 3, "rad from the tool", 0.3, "base", lambda r: turn_from_tool(r, "target")),
        )

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Tool near the middle, target anywhere in its box."""
        half = np.array(self.half_m)
        start, goal = rng.uniform(-half / 2, half / 2), rng.uniform(-half, half)
        axis = rng.standard_normal(3)
        turn = rotation.exp(axis / np.linalg.norm(axis) * rng.uniform(0.0, self.turn_rad))
        target = Pose(goal + self.centre_m, rotation.mul(turn, DOWN))
        return ArmScene(Pose(start + self.centre_m, DOWN.copy()), False, {"target": target})

    def success(self, reading: ArmReading) -> bool:
        """Within 2 cm and 0.15 rad of the target."""
        near = np.linalg.norm(from_tool(reading, "target")) < self.within_m
        return bool(near and np.linalg.norm(turn_from_tool(reading, "target")) < self.within_rad)

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Straight to the target."""
        target = reading.objects["target"]
        return experts.towards(reading, self.limits, target.position_m, target.rotation)


class ArmPick(ArmTask):
    """Lift a 4 cm cube, lying anywhere in 25 x 25 cm, by 10 cm while it is held."""

    name = "arm_pick"
    max_steps = 50
    centre_m = (0.5, 0.0)
    half_side_m = 0.125
    yaw_rad = 0.25
    lift_m = 0.10
    held_m, held_width_m = 0.03, 0.02
    limits = ArmLimits(
        step_m=0.05,
        step_rad=0.15,
        low_m=(0.34, -0.16, 0.012),
        high_m=(0.66, 0.16, 0.30),
        tilt_rad=0.4,
        lead_m=0.08,
        lead_rad=0.3,
    )

    def own_groups(self) -> tuple[Group, ...]:
        """Tool, gripper and wrench; 26 numbers."""
        return (*tool_groups((*self.centre_m, 0.15)), *gripper_groups(), *wrench_groups())

    def object_groups(self) -> tuple[Group, ...]:
        """The cube from the tool; 6 numbers."""
        return (
            Group("cube_from_tool", 3, "m", 0.1, "base", lambda r: from_tool(r, "cube")),
            Group("cube_height", 1, "m above rest", 0.1, "base", lambda r: (lifted_m(r),)),
            Group("cube_yaw", 2, "sine and cosine of 4 x yaw from the tool", 1.0, "tool", cube_yaw),
        )

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Cube anywhere on its square, tool somewhere above the middle."""
        x, y = rng.uniform(-self.half_side_m, self.half_side_m, 2) + self.centre_m
        cube = Pose(np.array([x, y, CUBE_HALF_M]), yawed(rng.uniform(-self.yaw_rad, self.yaw_rad)))
        tool = np.array([*self.centre_m, 0.20]) + rng.uniform(-0.03, 0.03, 3)
        return ArmScene(Pose(tool, DOWN.copy()), True, {"cube": cube})

    def success(self, reading: ArmReading) -> bool:
        """Lifted by 10 cm with the cube between the fingers: a thrown cube does not count."""
        near = float(np.linalg.norm(from_tool(reading, "cube"))) < self.held_m
        held = near and reading.width_m > self.held_width_m and not reading.command.gripper_open
        return held and lifted_m(reading) >= self.lift_m

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Above the cube, down, close, up."""
        return experts.pick(reading, self.limits)


class ArmInsert(ArmTask):
    """Put a square peg, held by the gripper, into a hole that is 1 mm wider.

    The hole lies anywhere in 10 x 10 cm, turned by up to 15 degrees. The tool is the peg's tip.
    """

    name = "arm_insert"
    max_steps = 60
    centre_m = (0.5, 0.0)
    half_side_m = 0.05
    yaw_rad = math.radians(15.0)
    inserted_m = 0.02
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

    def own_groups(self) -> tuple[Group, ...]:
        """Tip and wrench; 24 numbers."""
        return (*tool_groups((*self.centre_m, 0.07)), *wrench_groups())

    def object_groups(self) -> tuple[Group, ...]:
        """The hole from the tip, once for the way there and once for the last centimetre; 9 numbers."""
        return (
            Group("hole_from_tip", 3, "m", 0.05, "base", lambda r: from_tool(r, "hole")),
            Group("hole_from_tip_fine", 3, "m", 0.005, "base", hole_within_1cm),
            Group("hole_turn", 3, "rad from the tip", 0.2, "base", hole_turn),
        )

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Hole anywhere on its square, tip some centimetres above the middle."""
        x, y = rng.uniform(-self.half_side_m, self.half_side_m, 2) + self.centre_m
        hole = Pose(np.array([x, y, HOLE_DEPTH_M]), yawed(rng.uniform(-self.yaw_rad, self.yaw_rad)))
        tip = np.array([*self.centre_m, HOLE_DEPTH_M + 0.06]) + rng.uniform(-0.02, 0.02, 3)
        return ArmScene(Pose(tip, DOWN.copy()), False, {"hole": hole})

    def success(self, reading: ArmReading) -> bool:
        """The tip is 2 cm deep in the hole."""
        x, y, z = from_tool(reading, "hole")
        return bool(z >= self.inserted_m and math.hypot(x, y) < PEG_HALF_M / 2)

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Above the hole, aligned, then down."""
        return experts.insert(reading, self.limits)


TASKS: dict[str, type[ArmTask]] = {task.name: task for task in (ArmReach, ArmPick, ArmInsert)}
"""Every task of the arm, by name."""


def yawed(angle_rad: float) -> np.ndarray:
    """A turn about the vertical by `angle_rad` [3, 3]."""
    return rotation.exp(np.array([0.0, 0.0, angle_rad]))


def lifted_m(reading: ArmReading) -> float:
    """How far the cube's centre is above where it rests."""
    return float(reading.objects["cube"].position_m[2]) - CUBE_HALF_M


def cube_yaw(reading: ArmReading) -> tuple[float, float]:
    """Sine and cosine of 4 x the cube's yaw from the tool: a square looks the same every quarter turn."""
    angle = 4.0 * experts.yaw_between(reading.tool.rotation, reading.objects["cube"].rotation)
    return math.sin(angle), math.cos(angle)


def hole_within_1cm(reading: ArmReading) -> np.ndarray:
    """From the tip to the hole, m [3], clipped to 1 cm per axis."""
    return np.clip(from_tool(reading, "hole"), -0.01, 0.01)


def hole_turn(reading: ArmReading) -> np.ndarray:
    """The rotation vector [3] that turns the peg so that it fits the hole, base frame, rad."""
    return rotation.between(reading.tool.rotation, rotation.mul(reading.objects["hole"].rotation, DOWN))
