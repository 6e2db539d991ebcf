"""The arm's tasks: what is observed, what counts as success, how a trial starts. No simulator here."""

import math

import numpy as np

from sandlot.learners.schema import Entry
from sandlot.robots import rotation
from sandlot.robots.arm import experts
from sandlot.robots.arm.observation import Group, gripper_groups, observe, tool_groups, wrench_groups
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose


def yawed(angle_rad: float) -> np.ndarray:
    """A turn about the vertical by `angle_rad` [3, 3]."""
    return rotation.exp(np.array([0.0, 0.0, angle_rad]))


class ArmTask:
    """What the arm's tasks share: limits and state groups are data, set by each task."""

    name: str
    max_steps: int
    limits: ArmLimits
    groups: tuple[Group, ...]

    def state_entries(self) -> tuple[Entry, ...]:
        """The named entries of the state."""
        return tuple(g.entry() for g in self.groups)

    def action_entries(self) -> tuple[Entry, ...]:
        """The named entries of the action."""
        return self.limits.entries()

    def observe(self, reading: ArmReading) -> np.ndarray:
        """The state, float32 [n]."""
        return observe(self.groups, reading)


class ArmPick(ArmTask):
    """Lift a 4 cm cube, lying anywhere in 25 x 25 cm, by 10 cm while it is held."""

    name = "arm_pick"
    max_steps = 50
    centre_m = (0.5, 0.0)
    half_side_m = 0.125
    yaw_rad = 0.25
    rest_m = 0.02  # height of the cube's centre on the table
    lift_m = 0.10
    limits = ArmLimits(
        step_m=0.05,
        step_rad=0.15,
        low_m=(0.34, -0.16, 0.012),
        high_m=(0.66, 0.16, 0.30),
        tilt_rad=0.4,
        lead_m=0.08,
        lead_rad=0.3,
    )

    def __init__(self, privileged: bool = True) -> None:
        """With `privileged`, the state holds the cube's pose; without, cameras have to show it."""
        cube = (
            Group("cube_from_tool", 3, "m", 0.1, "base", cube_from_tool),
            Group("cube_height", 1, "m above rest", 0.1, "base", lambda r: (self._height(r),)),
            Group("cube_yaw", 2, "sine and cosine of 4 x yaw from the tool", 1.0, "tool", cube_yaw),
        )
        base = (*tool_groups((0.5, 0.0, 0.15)), *gripper_groups(), *wrench_groups())
        self.groups = (*base, *cube) if privileged else base

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Cube anywhere on its square, tool somewhere above the middle."""
        x, y = rng.uniform(-self.half_side_m, self.half_side_m, 2) + self.centre_m
        cube = Pose(np.array([x, y, self.rest_m]), yawed(rng.uniform(-self.yaw_rad, self.yaw_rad)))
        tool = np.array([*self.centre_m, 0.20]) + rng.uniform(-0.03, 0.03, 3)
        return ArmScene(Pose(tool, DOWN.copy()), True, {"cube": cube})

    def success(self, reading: ArmReading) -> bool:
        """Lifted by 10 cm, and the tool is at the cube: thrown is not held."""
        held = float(np.linalg.norm(cube_from_tool(reading))) < 0.03 and reading.width_m > 0.02
        return held and self._height(reading) >= self.lift_m

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Above the cube, down, close, up."""
        return experts.pick(reading, self.limits, self.rest_m)

    def _height(self, reading: ArmReading) -> float:
        return float(reading.objects["cube"].position_m[2]) - self.rest_m


def cube_from_tool(reading: ArmReading) -> np.ndarray:
    """From the tool to the cube's centre, m [3]."""
    return reading.objects["cube"].position_m - reading.tool.position_m


def cube_yaw(reading: ArmReading) -> tuple[float, float]:
    """Sine and cosine of four times the cube's yaw from the tool: a square looks the same every quarter turn."""
    angle = 4.0 * experts.yaw_between(reading.tool.rotation, reading.objects["cube"].rotation)
    return math.sin(angle), math.cos(angle)
