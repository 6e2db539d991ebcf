"""The arm's messages and what they mean: poses, states, images; the same for live and for recorded messages.

Reading is duck-typed: a message is whatever has the fields of its type, so what a bag reader deserialises
works as well. Writing needs the ROS message packages.
"""

import array
import math
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from sandlot.perception.cameras.frame import optical_frame
from sandlot.robots import rotation
from sandlot.robots.arm.device import ArmState
from sandlot.robots.arm.spec import Pose
from sandlot.robots.arm.topics import BASE_FRAME
from sandlot.robots.errors import SensorError

GRIPPER = "gripper"
NS = 1_000_000_000


def header(stamp_ns: int, frame: str = BASE_FRAME) -> Header:
    """A header; the stamp is wall time in ns."""
    return Header(stamp=Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS), frame_id=frame)


def stamp_ns(message: Any) -> int:
    """A message's header stamp: wall time, ns; equal for everything that was read at one instant."""
    stamp = message.header.stamp
    return int(stamp.sec) * NS + int(stamp.nanosec)


def stamp_s(message: Any) -> float:
    """The same in s, for `stamps.StampClock`."""
    return stamp_ns(message) / NS


def pose_fault(message: Any, frame: str = BASE_FRAME) -> str:
    """Why a PoseStamped cannot be used, "" when it can: wrong_frame, not_finite or bad_quaternion."""
    p, q = message.pose.position, message.pose.orientation
    if message.header.frame_id != frame:
        return "wrong_frame"
    if not all(map(math.isfinite, (p.x, p.y, p.z, q.x, q.y, q.z, q.w))):
        return "not_finite"
    norm = math.sqrt(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    return "" if 0.9 < norm < 1.1 else "bad_quaternion"


def pose_from(message: Any) -> Pose:
    """The pose of a PoseStamped in which `pose_fault` found nothing."""
    p, q = message.pose.position, message.pose.orientation
    return Pose(np.array([p.x, p.y, p.z]), rotation.from_quat(np.array([q.w, q.x, q.y, q.z])))


def pose_message(pose: Pose, stamp_ns: int, frame: str = BASE_FRAME) -> PoseStamped:
    """A pose as a message."""
    message = PoseStamped(header=header(stamp_ns, frame))
    p, q = message.pose.position, message.pose.orientation
    p.x, p.y, p.z = map(float, pose.position_m)
    q.w, q.x, q.y, q.z = map(float, rotation.quat(pose.rotation))
    return message


def gripper_message(width_m: float, stamp_ns: int) -> JointState:
    """A gripper opening as a message."""
    return JointState(header=header(stamp_ns), name=[GRIPPER], position=[float(width_m)])


def gripper_from(message: Any) -> float:
    """The opening, m, in a gripper or joint message; NaN when there is no gripper in it."""
    names = list(message.name)
    if GRIPPER not in names or names.index(GRIPPER) >= len(message.position):
        return math.nan
    return float(message.position[names.index(GRIPPER)])


def joint_message(state: ArmState, names: tuple[str, ...], stamp_ns: int) -> JointState:
    """Joints in the device's order, then the gripper's opening if there is one."""
    position, velocity = state.joints_rad.tolist(), state.joint_speeds_radps.tolist()
    if math.isfinite(state.width_m):
        names, position, velocity = (*names, GRIPPER), [*position, state.width_m], [*velocity, 0.0]
    return JointState(header=header(stamp_ns), name=list(names), position=position, velocity=velocity)


def joints_from(message: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Joint angles rad [n], speeds rad/s [n] (without the gripper) and the gripper's opening m (or NaN)."""
    arm = [i for i, name in enumerate(message.name) if name != GRIPPER]
    position, velocity = np.asarray(message.position, float), np.asarray(message.velocity, float)
    if len(position) != len(message.name) or len(velocity) != len(message.name):
        raise SensorError(
            f"joint states: {len(message.name)} names, {len(position)} positions and {len(velocity)} "
            "velocities; the driver must give all three for every joint"
        )
    return position[arm], velocity[arm], gripper_from(message)


def twist_message(state: ArmState, stamp_ns: int) -> TwistStamped:
    """The tool's velocity, base axes."""
    message = TwistStamped(header=header(stamp_ns))
    _fill(message.twist.linear, state.velocity_mps)
    _fill(message.twist.angular, state.angular_radps)
    return message


def twist_from(message: Any) -> tuple[np.ndarray, np.ndarray]:
    """The tool's velocity m/s [3] and angular velocity rad/s [3]."""
    return _vector(message.twist.linear), _vector(message.twist.angular)


def wrench_message(state: ArmState, stamp_ns: int) -> WrenchStamped:
    """What the world exerts on the tool, base axes."""
    message = WrenchStamped(header=header(stamp_ns))
    _fill(message.wrench.force, state.force_n)
    _fill(message.wrench.torque, state.torque_nm)
    return message


def wrench_from(message: Any) -> tuple[np.ndarray, np.ndarray]:
    """Force N [3] and torque Nm [3]."""
    return _vector(message.wrench.force), _vector(message.wrench.torque)


def image_message(pixels: np.ndarray, camera: str, stamp_ns: int) -> Image:
    """A frame, uint8 [H, W, 3] RGB, as a message; `frames.frame_of` reads it."""
    height, width, _ = pixels.shape
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))  # 500 times as fast as a list
    message = Image(header=header(stamp_ns, optical_frame(camera)), height=height, width=width)
    message.encoding = "rgb8"
    message.step, message.data = 3 * width, data
    return message


def _fill(vector: Any, values: np.ndarray) -> None:
    vector.x, vector.y, vector.z = map(float, values)


def _vector(vector: Any) -> np.ndarray:
    return np.array([vector.x, vector.y, vector.z])
