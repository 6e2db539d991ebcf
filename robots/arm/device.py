"""What a driver node needs of an arm: connect, read, command, hold. One module a device.

A device knows no ROS, no task and no policy. Its clock is `time.monotonic`; nothing here waits longer than
the device's own round trip. `devices` says how a module offers one.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from sandlot.robots.arm.spec import Pose
from sandlot.robots.device import Frame, OwnCameras

__all__ = ["ArmDevice", "ArmState", "Frame", "OwnCameras", "Placeable"]


@dataclass(frozen=True)
class ArmState:
    """What an arm measured at one instant, base frame.

    Attributes:
        stamp_s: `time.monotonic` of the measurement.
        joints_rad: joint angles [n].
        joint_speeds_radps: [n].
        tool: measured tool pose.
        velocity_mps: of the tool [3].
        angular_radps: of the tool [3].
        width_m: distance between the fingers; NaN when there is no gripper.
        force_n: what the world exerts on the tool, without gravity [3]; NaN when it is not sensed.
        torque_nm: the same for torques [3].
        objects: pose of each tracked object; empty on hardware, where a tracker publishes them.
    """

    stamp_s: float
    joints_rad: np.ndarray
    joint_speeds_radps: np.ndarray
    tool: Pose
    velocity_mps: np.ndarray
    angular_radps: np.ndarray
    width_m: float
    force_n: np.ndarray
    torque_nm: np.ndarray
    objects: dict[str, Pose] = field(default_factory=dict)


class ArmDevice(Protocol):
    """One arm on one connection. Every method raises DeviceError, naming the device and the way out."""

    joint_names: tuple[str, ...]
    cameras: tuple[str, ...]

    def connect(self) -> None:
        """Opens the connection and checks the arm; nothing moves."""
        ...

    def read(self, now_s: float) -> ArmState:
        """The newest measurement."""
        ...

    def frames(self, now_s: float) -> dict[str, Frame]:
        """The newest frame of each own camera; called by one thread of its own, which it may keep waiting."""
        ...

    def command(self, pose: Pose, width_m: float, now_s: float) -> None:
        """Brings the tool to a pose within one control period (100 ms) and the gripper to an opening."""
        ...

    def hold(self, now_s: float) -> None:
        """Stops: joint speed below 0.02 rad/s as fast as is safe, then holds where it is; adds no motion."""
        ...

    def close(self) -> None:
        """Leaves the arm holding or braked and frees the connection; may be called twice."""
        ...


@runtime_checkable
class Placeable(Protocol):
    """A device that can put the objects of a task somewhere: only a simulated one."""

    def place(self, name: str, pose: Pose, now_s: float) -> None:
        """Puts an object at a pose, at rest."""
        ...
