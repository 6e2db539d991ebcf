"""The arm's messages and what they mean: poses, states, images; the same for live and for recorded messages.

Reading is duck-typed: a message is whatever has the fields of its type, so what a bag reader deserialises
works as well. Writing needs the ROS message packages.
"""

import math
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseStamped, TwistStamped, WrenchStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from sandlot.robots import ros_messages, rotation
from sandlot.robots.arm.device import ArmState
from sandlot.robots.arm.spec import Pose
from sandlot.robots.arm.topics import BASE_FRAME
from sandlot.robots.errors import SensorError
from sandlot.robots.ros_messages import NS, fill, image_message, numbers, stamp_ns, stamp_s

GRIPPER = "gripper"
__all__ = ["NS", "image_message", "stamp_ns", "stamp_s"]  # of every robot


def header(stamp_ns: int, frame: str = BASE_FRAME) -> Header:
    """A header; the stamp is wall time in ns."""
    return ros_messages.header(stamp_ns, frame)


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
    fill(message.twist.linear, state.velocity_mps)
    fill(message.twist.angular, state.angular_radps)
    return message


def twist_from(message: Any) -> tuple[np.ndarray, np.ndarray]:
    """The tool's velocity m/s [3] and angular velocity rad/s [3]."""
    return numbers(message.twist.linear), numbers(message.twist.angular)


def wrench_message(state: ArmState, stamp_ns: int) -> WrenchStamped:
    """What the world exerts on the tool, base axes."""
    message = WrenchStamped(header=header(stamp_ns))
    fill(message.wrench.force, state.force_n)
    fill(message.wrench.torque, state.torque_nm)
    return message


def wrench_from(message: Any) -> tuple[np.ndarray, np.ndarray]:
    """Force N [3] and torque Nm [3]."""
    return numbers(message.wrench.force), numbers(message.wrench.torque)
