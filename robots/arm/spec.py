"""What an arm reads and what may be asked of it: readings, limits, scales and names, all in SI units.

Frames: `base` is the arm's foot (REP-103: x forward, y left, z up; metres). The tool frame has its origin
between the fingertips and its z axis along the fingers.
"""

from dataclasses import dataclass, field

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Entry

DOWN = np.diag([1.0, -1.0, -1.0])
"""The tool pointing straight down, x forward [3, 3]."""

MAX_WIDTH_M = 0.08
"""Opening of the parallel gripper (Franka hand datasheet)."""


@dataclass(frozen=True)
class Pose:
    """Where something is in the base frame: `position_m` [3], `rotation` [3, 3]."""

    position_m: np.ndarray
    rotation: np.ndarray


@dataclass(frozen=True)
class Command:
    """What the arm was told: the tool pose to reach, and the gripper (True: open)."""

    pose: Pose
    gripper_open: bool


@dataclass(frozen=True)
class ArmReading:
    """Everything the arm knows at one instant, base frame.

    Attributes:
        tool: the measured tool pose.
        velocity_mps: of the tool [3].
        angular_radps: of the tool [3].
        joints_rad: [7] or as many as the arm has.
        width_m: distance between the fingers, 0 when closed.
        force_n: what the world exerts on the tool at the wrist sensor, without gravity [3].
        torque_nm: the same for torques [3].
        command: the pose and gripper command in force.
        objects: pose of each tracked object, by name.
    """

    tool: Pose
    velocity_mps: np.ndarray
    angular_radps: np.ndarray
    joints_rad: np.ndarray
    width_m: float
    force_n: np.ndarray
    torque_nm: np.ndarray
    command: Command
    objects: dict[str, Pose]


@dataclass(frozen=True)
class ArmScene:
    """How a trial starts: tool pose, gripper, and where each object of the task lies."""

    tool: Pose
    gripper_open: bool
    objects: dict[str, Pose]


@dataclass(frozen=True, kw_only=True)
class ArmLimits:
    """What an action means and how far it may lead; one per task.

    Attributes:
        step_m: translation of the command by an action of 1, per control period.
        step_rad: rotation of the command by an action of 1, per control period.
        low_m: lower corner of the box that the commanded position is kept in [3].
        high_m: its upper corner [3].
        centre: the orientation [3, 3] that `tilt_rad` is measured from.
        tilt_rad: true angle between the commanded orientation and `centre` that is never exceeded.
        lead_m: how far the command may run ahead of the measured position.
        lead_rad: how far it may run ahead of the measured orientation, true angle.
        gripper: whether the action has a gripper entry; without it the gripper stays as the scene set it.
        gripper_threshold: the gripper switches only when its action exceeds this in magnitude (hysteresis).
    """

    step_m: float
    step_rad: float
    low_m: tuple[float, float, float]
    high_m: tuple[float, float, float]
    tilt_rad: float
    lead_m: float
    lead_rad: float
    gripper: bool = True
    gripper_threshold: float = 0.3
    centre: np.ndarray = field(default_factory=DOWN.copy)

    def __post_init__(self) -> None:
        for name in ("step_m", "step_rad", "tilt_rad", "lead_m", "lead_rad"):
            if not 0 < getattr(self, name) <= np.pi:
                raise ConfigError(f"arm limit '{name}' is {getattr(self, name)}: it must lie in (0, pi]")
        if not np.all(np.less(self.low_m, self.high_m)):
            raise ConfigError(
                f"arm limit 'low_m' {self.low_m} must lie below 'high_m' {self.high_m} on every axis"
            )

    def middle(self) -> Pose:
        """The middle of the workspace."""
        return Pose((np.array(self.low_m) + self.high_m) / 2, self.centre)

    def entries(self) -> tuple[Entry, ...]:
        """The named entries of the action."""
        arm = (
            Entry("delta_position", 3, f"{self.step_m:g} m", "base", -1, 1),
            Entry("delta_rotation", 3, f"{self.step_rad:g} rad (rotation vector)", "base", -1, 1),
        )
        grip = Entry(
            "gripper", 1, f"open above {self.gripper_threshold:g}, close below the negative", "", -1, 1
        )
        return (*arm, grip) if self.gripper else arm
