"""Carrying a cube between two bins, there (`ArmRelocate`) and back (`ArmRelocateBack`), without resets.

Both tasks live in one world. A trial that succeeded ends with the hand open and clear of the cube, which is
how a trial of the other task begins; so they can be practised in turn, and nobody puts anything back.
"""

import enum

import numpy as np

from sandlot.robots.arm import experts_relocate
from sandlot.robots.arm.cube import CUBE_HALF_M, cube_groups, lifted_m
from sandlot.robots.arm.observation import Group, from_tool, gripper_groups, tool_groups, wrench_groups
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose
from sandlot.robots.arm.task import ArmTask, yawed

BIN_A_M, BIN_B_M = (0.5, 0.11), (0.5, -0.11)
BIN_HALF_M = 0.08
"""Half of a bin's inner side."""
RIM_M = 0.012


class Place(enum.Enum):
    """Where the cube is."""

    A = "in bin A"
    B = "in bin B"
    HELD = "in the hand"
    OUTSIDE = "outside the bins, within reach"
    LOST = "out of reach"


class ArmRelocate(ArmTask):
    """Carry a 4 cm cube from bin A, on the left, to bin B, on the right, let go of it and rise."""

    name, reverse = "arm_relocate", "arm_relocate_back"
    movable = ("cube",)
    max_steps = 60
    start, goal = Place.A, Place.B
    half_side_m, yaw_rad = 0.04, 0.25
    home = Pose(np.array([0.5, 0.0, 0.18]), DOWN)
    held_m, held_width_m = 0.03, 0.02
    rest_m, open_m, clear_m = 0.011, 0.06, 0.06
    """A cube that leans on a rim from inside is raised by up to 10 mm, one that lies on the rim by 12 mm."""
    still_m = 0.003
    """A cube that moved less in a control period lies still; in its first it falls 50 mm."""
    limits = ArmLimits(
        step_m=0.05,
        step_rad=0.15,
        low_m=(0.37, -0.21, 0.028),
        high_m=(0.63, 0.21, 0.28),
        tilt_rad=0.5,
        lead_m=0.08,
        lead_rad=0.3,
    )

    def own_groups(self) -> tuple[Group, ...]:
        """Tool, gripper and wrench; 26 numbers."""
        return (*tool_groups((0.5, 0.0, 0.15)), *gripper_groups(), *wrench_groups())

    def object_groups(self) -> tuple[Group, ...]:
        """The cube from the tool, and the bin that it shall be in from the cube; 8 numbers."""
        goal_m = np.array(CENTRES_M[self.goal])
        away = Group(
            "goal_from_cube", 2, "m", 0.1, "base", lambda r: goal_m - r.objects["cube"].position_m[:2]
        )
        return (*cube_groups(), away)

    def scene(self, rng: np.random.Generator) -> ArmScene:
        """Cube in the bin that this task empties, tool somewhere above the middle."""
        x, y = rng.uniform(-self.half_side_m, self.half_side_m, 2) + CENTRES_M[self.start]
        cube = Pose(np.array([x, y, CUBE_HALF_M]), yawed(rng.uniform(-self.yaw_rad, self.yaw_rad)))
        tool = self.home.position_m + rng.uniform(-0.03, 0.03, 3)
        return ArmScene(Pose(tool, DOWN.copy()), True, {"cube": cube})

    def place(self, reading: ArmReading) -> Place:
        """Where the cube is."""
        cube_m = reading.objects["cube"].position_m
        near = float(np.linalg.norm(from_tool(reading, "cube"))) < self.held_m
        if near and reading.width_m > self.held_width_m and not reading.command.gripper_open:
            return Place.HELD
        for place, centre_m in CENTRES_M.items():
            inside = np.abs(cube_m[:2] - centre_m).max() < BIN_HALF_M
            if inside and abs(lifted_m(reading)) < self.rest_m:
                return place
        low, high = self.limits.low_m, self.limits.high_m
        reachable = np.all(cube_m[:2] > low[:2]) and np.all(cube_m[:2] < high[:2]) and cube_m[2] > 0.0
        return Place.OUTSIDE if reachable else Place.LOST

    def success(self, reading: ArmReading) -> bool:
        """The cube rests in the goal's bin, the hand is open and well above it."""
        released = reading.command.gripper_open and reading.width_m > self.open_m
        clear = -from_tool(reading, "cube")[2] >= self.clear_m
        return bool(released and clear and self.place(reading) is self.goal)

    def reversed(self) -> "ArmRelocate":
        """The other direction."""
        return (ArmRelocateBack if self.reverse == ArmRelocateBack.name else ArmRelocate)(self._privileged)

    def nothing_to_do(self, reading: ArmReading) -> bool:
        """The cube rests where it shall be; that only the hand has to leave it is no carrying."""
        return self.place(reading) is self.goal

    def stuck(self, reading: ArmReading, before: ArmReading) -> bool:
        """The cube lies in no bin and is not held; not while it falls or is pushed, unless off the table."""
        nowhere = all(self.place(r) in (Place.OUTSIDE, Place.LOST) for r in (reading, before))
        now_m, then_m = (r.objects["cube"].position_m for r in (reading, before))
        moves = bool(np.linalg.norm(now_m - then_m) > self.still_m)
        return nowhere and (not moves or bool(now_m[2] <= 0.0))

    def expert(self, reading: ArmReading) -> np.ndarray:
        """Grasp, carry, put down, let go, rise; from wherever the cube lies within reach."""
        x = np.clip(reading.objects["cube"].position_m[0], 0.5 - self.half_side_m, 0.5 + self.half_side_m)
        spot_m = np.array([x, CENTRES_M[self.goal][1], CUBE_HALF_M])
        arrived = self.place(reading) is self.goal
        return experts_relocate.relocate(reading, self.limits, spot_m, arrived)


class ArmRelocateBack(ArmRelocate):
    """Carry the cube from bin B back to bin A."""

    name, reverse = "arm_relocate_back", "arm_relocate"
    start, goal = Place.B, Place.A


CENTRES_M = {Place.A: BIN_A_M, Place.B: BIN_B_M}
"""x and y of the bins' centres."""
