"""The arm's tasks: what is observed, what counts as success, how a trial starts. No simulator here."""

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm import experts
from sandlot.robots.arm.cube import CUBE_HALF_M, cube_groups, lifted_m
from sandlot.robots.arm.observation import (
    Group,
    from_tool,
    gripper_groups,
    tool_groups,
    turn_from_tool,
    wrench_groups,
)
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose
from sandlot.robots.arm.task import ArmTask, yawed
from sandlot.robots.arm.tasks_cable import ArmCable
from sandlot.robots.arm.tasks_plug import ArmInsert, ArmPcb
from sandlot.robots.arm.tasks_relocate import ArmRelocate, ArmRelocateBack


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
    movable = ("cube",)
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
        return cube_groups()

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


TASKS: dict[str, type[ArmTask]] = {
    task.name: task for task in (ArmReach, ArmPick, ArmInsert, ArmPcb, ArmCable, ArmRelocate, ArmRelocateBack)
}
"""Every task of the arm, by name."""
