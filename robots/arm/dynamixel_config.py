"""How an arm of Dynamixel servos is built and wired: the driver node's parameters for it."""

from dataclasses import dataclass

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.chain import Chain, chain
from sandlot.robots.dynamixel import registers as reg
from sandlot.robots.dynamixel.bus import BusConfig


@dataclass(frozen=True, kw_only=True)
class Config(BusConfig):
    """One arm. Joints are listed from the base to the tool; the base frame is REP-103.

    Attributes:
        port: serial port.
        ids: servo of each joint.
        names: of the joints.
        directions: 1 where a servo turns as its joint does, -1 where it turns the other way.
        zeros_rad: servo angle, from its centre, at which each joint is at 0.
        joint_axes: x, y, z of each joint's axis with every joint at 0.
        joint_points_m: x, y, z of a point on each axis.
        joint_limits_rad: low, high of each joint.
        tool_m: position of the tool with every joint at 0, between the fingertips.
        tool_rotvec: its orientation, a rotation vector; z points along the fingers.
        turn_m: position error that is as bad as 1 rad of orientation error; small for arms of few joints.
        max_speed_radps: no joint is asked to turn faster.
        gripper_id: servo of the gripper, 0 without one.
        gripper_closed_rad: its angle from the centre when the fingers touch.
        gripper_open_rad: the same when they are apart by `gripper_width_m`.
        gripper_width_m: opening of the gripper.
        watchdog_s: the servos stop by themselves when the bus is silent for so long; 0.02 to 2.
        limp_at_close: switches the torque off in the end, which lets the arm fall.
    """

    port: str
    ids: tuple[int, ...]
    names: tuple[str, ...]
    directions: tuple[int, ...]
    zeros_rad: tuple[float, ...]
    joint_axes: tuple[float, ...]
    joint_points_m: tuple[float, ...]
    joint_limits_rad: tuple[float, ...]
    tool_m: tuple[float, ...]
    tool_rotvec: tuple[float, ...]
    turn_m: float = 0.3
    max_speed_radps: float = 2.0
    gripper_id: int = 0
    gripper_closed_rad: float = 0.0
    gripper_open_rad: float = 1.0
    gripper_width_m: float = 0.08
    watchdog_s: float = 0.1
    limp_at_close: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("ids", "directions", "zeros_rad"):
            if len(getattr(self, name)) != len(self.names):
                raise ConfigError(
                    f"'{name}' has {len(getattr(self, name))} numbers for {len(self.names)} joints"
                )
        every = [*self.ids, *([self.gripper_id] if self.gripper_id else [])]
        if len(set(every)) != len(every) or not all(0 <= i <= 252 for i in every):
            raise ConfigError(f"servo ids {every} must differ and lie in [0, 252]")
        if not set(self.directions) <= {1, -1}:
            raise ConfigError(f"'directions' are {list(self.directions)}: each must be 1 or -1")
        if not reg.WATCHDOG_UNIT_S <= self.watchdog_s <= 2.0:
            raise ConfigError(f"watchdog_s={self.watchdog_s} must lie in [0.02, 2]")
        if self.max_speed_radps <= 0 or self.turn_m <= 0 or self.gripper_open_rad == self.gripper_closed_rad:
            raise ConfigError("max_speed_radps and turn_m must be positive, and the gripper must open")
        if len(self.chain().axes) != len(self.names):
            raise ConfigError(f"'joint_axes' describe {len(self.chain().axes)} of {len(self.names)} joints")

    def chain(self) -> Chain:
        """The kinematics."""
        return chain(
            self.joint_axes, self.joint_points_m, self.tool_m, self.tool_rotvec, self.joint_limits_rad
        )
