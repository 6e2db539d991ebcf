"""What an arm's own controller publishes, put together to one `ArmState`. No ROS; time is an argument."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.device import ArmState
from sandlot.robots.arm.spec import Pose
from sandlot.robots.errors import DeviceError

SMOOTH_S = 0.02
"""Time constant over which differences of poses become velocities."""
NOWHERE = np.full(3, math.nan)


@dataclass(frozen=True, kw_only=True)
class GripperScale:
    """What the position of a gripper's joint means; `closed` and `open` in the joint's own unit."""

    joint: str = ""
    closed: float = 0.0
    open: float = 0.04
    width_m: float = 0.08

    def width(self, position: float) -> float:
        """Opening for a joint position."""
        return (position - self.closed) / (self.open - self.closed) * self.width_m

    def position(self, width_m: float) -> float:
        """Joint position for an opening, which is clipped to what the gripper can."""
        share = min(1.0, max(0.0, width_m / self.width_m))
        return self.closed + share * (self.open - self.closed)


class TopicState:
    """The newest of each message; stamps are steady times of the measurements."""

    def __init__(self, joints: Sequence[str], gripper: GripperScale) -> None:
        self.joints, self.gripper = tuple(joints), gripper
        self.joints_s = self.tool_s = -math.inf
        self.fault = ""  # why the last joint message could not be used
        self._angles = self._speeds = np.zeros(len(self.joints))
        self._width_m = math.nan
        self._tool = Pose(np.zeros(3), np.eye(3))
        self._velocity, self._angular = np.zeros(3), np.zeros(3)
        self._force, self._torque = NOWHERE, NOWHERE

    @property
    def complete(self) -> bool:
        """Whether joints and tool have been heard."""
        return math.isfinite(self.joints_s) and math.isfinite(self.tool_s)

    def hear_joints(
        self, names: Sequence[str], position: Sequence[float], velocity: Sequence[float], stamp_s: float
    ) -> None:
        """Joints by name, in any order and with others between; without speeds they are differences."""
        missing = [n for n in self.joints if n not in names]
        if missing or len(position) != len(names):
            self.fault = f"joints {missing or 'positions'} are missing; there are {list(names)}"
            return
        where = [list(names).index(n) for n in self.joints]
        angles = np.array([position[i] for i in where], float)
        if not np.isfinite(angles).all():
            self.fault = "joint positions are not finite"
            return
        past_s = stamp_s - self.joints_s
        if len(velocity) == len(names):
            self._speeds = np.array([velocity[i] for i in where], float)
        elif 0 < past_s < 1.0:
            self._speeds = _smoothed(self._speeds, (angles - self._angles) / past_s, past_s)
        self._angles, self.joints_s, self.fault = angles, stamp_s, ""
        if self.gripper.joint in names:
            self._width_m = self.gripper.width(position[list(names).index(self.gripper.joint)])

    def hear_tool(self, tool: Pose, stamp_s: float) -> None:
        """The tool pose; velocities are its smoothed differences."""
        past_s = stamp_s - self.tool_s
        if 0 < past_s < 1.0:
            moved = (tool.position_m - self._tool.position_m) / past_s
            turned = rotation.between(self._tool.rotation, tool.rotation) / past_s
            self._velocity = _smoothed(self._velocity, moved, past_s)
            self._angular = _smoothed(self._angular, turned, past_s)
        self._tool, self.tool_s = tool, stamp_s

    def hear_wrench(self, force_n: np.ndarray, torque_nm: np.ndarray, in_tool: bool) -> None:
        """What the world exerts on the tool, in axes of the tool or of the base."""
        turn = self._tool.rotation if in_tool else np.eye(3)
        self._force, self._torque = turn @ force_n, turn @ torque_nm

    def state(self, now_s: float, silent_s: float) -> ArmState:
        """All of it; its stamp is the older one of joints and tool.

        Raises:
            DeviceError: joints or tool were not heard for `silent_s`.
        """
        for name, heard_s in (("joint states", self.joints_s), ("tool poses", self.tool_s)):
            if now_s - heard_s > silent_s:
                late = f"{now_s - heard_s:.2f} s (limit {silent_s:g})"
                why = f": {self.fault}" if self.fault else ""
                raise DeviceError(f"no {name} for {late}{why}; is the arm's controller up?")
        return ArmState(
            stamp_s=min(self.joints_s, self.tool_s),
            joints_rad=self._angles,
            joint_speeds_radps=self._speeds,
            tool=self._tool,
            velocity_mps=self._velocity,
            angular_radps=self._angular,
            width_m=self._width_m,
            force_n=self._force,
            torque_nm=self._torque,
        )


def _smoothed(before: np.ndarray, now: np.ndarray, past_s: float) -> np.ndarray:
    """A first-order low-pass step."""
    return before + (now - before) * -math.expm1(-past_s / SMOOTH_S)
