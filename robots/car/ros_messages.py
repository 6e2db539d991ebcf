"""The car's messages and what they mean: commands, odometry, inertial sensor, wheels, battery."""

import math
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry as OdometryMessage
from sensor_msgs.msg import BatteryState, Imu, JointState

from sandlot.robots import ros_qos
from sandlot.robots.car.device import CarState, Inertial, Odometry
from sandlot.robots.car.spec import CarCommand
from sandlot.robots.car.topics import ACKERMANN, BASE_FRAME, COMMAND, MAP_FRAME
from sandlot.robots.ros_messages import NS, fill, header, numbers, stamp_ns, stamp_s

__all__ = ["NS", "stamp_ns", "stamp_s"]  # of every robot

UNKNOWN = -1.0
"""In a covariance: there is no such measurement (sensor_msgs/Imu)."""


def command_message(command: CarCommand, stamp: int) -> Any:
    """A command as AckermannDriveStamped, or as TwistStamped where that is not installed."""
    message = ros_qos.message_class(COMMAND)(header=header(stamp, BASE_FRAME))
    if ACKERMANN:
        message.drive.speed, message.drive.steering_angle = command.speed_mps, command.steering_rad
    else:
        message.twist.linear.x, message.twist.angular.z = command.speed_mps, command.steering_rad
    return message


def command_from(message: Any) -> CarCommand:
    """The command in either type; it may hold what is no number."""
    if hasattr(message, "drive"):
        return CarCommand(float(message.drive.speed), float(message.drive.steering_angle))
    return CarCommand(float(message.twist.linear.x), float(message.twist.angular.z))


def command_fault(command: CarCommand) -> str:
    """Why a command cannot be obeyed, "" when it can."""
    return "" if math.isfinite(command.speed_mps) and math.isfinite(command.steering_rad) else "not_finite"


def odometry_message(odometry: Odometry, stamp: int) -> OdometryMessage:
    """Where the car is in the map, and its speed in the body frame."""
    message = OdometryMessage(header=header(stamp, MAP_FRAME), child_frame_id=BASE_FRAME)
    pose, twist = message.pose.pose, message.twist.twist
    pose.position.x, pose.position.y = map(float, odometry.position_m)
    pose.orientation.z = math.sin(odometry.heading_rad / 2)
    pose.orientation.w = math.cos(odometry.heading_rad / 2)
    twist.linear.x, twist.linear.y = map(float, odometry.velocity_mps)
    twist.angular.z = float(odometry.yaw_rate_radps)
    return message


def odometry_from(message: Any) -> Odometry:
    """The inverse; heading is the turn about z."""
    q, twist = message.pose.pose.orientation, message.twist.twist
    at = message.pose.pose.position
    return Odometry(
        stamp_s(message),
        np.array([at.x, at.y]),
        math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z)),
        np.array([twist.linear.x, twist.linear.y]),
        float(twist.angular.z),
    )


def imu_message(inertial: Inertial, stamp: int) -> Imu:
    """Acceleration with gravity and turn rates; the orientation is not known."""
    message = Imu(header=header(stamp, BASE_FRAME))
    message.orientation_covariance[0] = UNKNOWN
    fill(message.linear_acceleration, inertial.accel_mps2)
    fill(message.angular_velocity, inertial.gyro_radps)
    return message


def imu_from(message: Any) -> Inertial:
    """The inverse."""
    return Inertial(stamp_s(message), numbers(message.linear_acceleration), numbers(message.angular_velocity))


def wheels_message(state: CarState, stamp: int, *, faulty: bool = False) -> JointState:
    """What the drive says, and whether it has, or just had, a fault."""
    said = {"speed": state.wheel_mps, "steering": state.steering_rad, "jolt": state.jolt_mps2}
    said["fault"] = float(faulty)
    return JointState(
        header=header(stamp, BASE_FRAME), name=list(said), position=list(map(float, said.values()))
    )


def wheels_from(message: Any) -> dict[str, float]:
    """Its numbers by name."""
    return dict(zip(message.name, map(float, message.position), strict=True))


def battery_message(state: CarState, stamp: int) -> BatteryState:
    """Voltage, V, and the current that flows out of it, A, negative."""
    message = BatteryState(header=header(stamp, BASE_FRAME), present=True)
    message.voltage, message.current = float(state.battery_v), -abs(float(state.motor_a))
    return message
