"""The arm's messages there and back, and what makes one unusable."""

import math
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from sandlot.robots import rotation
from sandlot.robots.arm import ros_messages
from sandlot.robots.arm.device import ArmState
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.errors import SensorError
from sandlot.robots.frames import frame_of

STAMP_NS = 1_795_354_596_624_178_168
NAMES = ("a", "b")

vectors = st.lists(st.floats(-3, 3), min_size=3, max_size=3).map(np.array)


def state(width_m=0.03):
    return ArmState(
        stamp_s=1.0,
        joints_rad=np.array([0.1, -0.2]),
        joint_speeds_radps=np.array([0.3, 0.4]),
        tool=Pose(np.array([0.5, 0.1, 0.2]), DOWN),
        velocity_mps=np.array([1.0, 2.0, 3.0]),
        angular_radps=np.array([4.0, 5.0, 6.0]),
        width_m=width_m,
        force_n=np.array([7.0, 8.0, 9.0]),
        torque_nm=np.array([0.7, 0.8, 0.9]),
    )


@given(vectors, vectors)
def test_a_pose_survives_its_message(position, turn):
    pose = Pose(position, rotation.exp(turn))
    message = ros_messages.pose_message(pose, STAMP_NS)
    back = ros_messages.pose_from(message)
    np.testing.assert_array_equal(back.position_m, position)
    np.testing.assert_allclose(back.rotation, pose.rotation, atol=1e-12)
    assert ros_messages.pose_fault(message) == ""
    assert ros_messages.stamp_ns(message) == STAMP_NS


@pytest.mark.parametrize("field", ["x", "y", "z"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_found(field, value):
    for part in ("position", "orientation"):
        message = ros_messages.pose_message(Pose(np.zeros(3), DOWN), STAMP_NS)
        setattr(getattr(message.pose, part), field, value)
        assert ros_messages.pose_fault(message) == "not_finite"


def test_a_quaternion_that_is_no_rotation_and_another_frame_are_found():
    message = ros_messages.pose_message(Pose(np.zeros(3), np.eye(3)), STAMP_NS)
    message.pose.orientation.w = 0.0
    assert ros_messages.pose_fault(message) == "bad_quaternion"
    message.header.frame_id = "world"
    assert ros_messages.pose_fault(message) == "wrong_frame"


def test_joints_and_gripper_survive_and_an_arm_without_gripper_has_none():
    joints, speeds, width_m = ros_messages.joints_from(ros_messages.joint_message(state(), NAMES, STAMP_NS))
    assert (joints.tolist(), speeds.tolist(), width_m) == ([0.1, -0.2], [0.3, 0.4], 0.03)
    bare = ros_messages.joint_message(state(math.nan), NAMES, STAMP_NS)
    assert list(bare.name) == ["a", "b"]
    assert math.isnan(ros_messages.joints_from(bare)[2])


def test_joints_are_read_from_anything_with_their_fields_in_any_order():
    """As a bag reader gives them: arrays, and the gripper not last."""
    message = types.SimpleNamespace(
        name=["a", "gripper", "b"], position=np.array([1.0, 0.08, 2.0]), velocity=np.array([3.0, 0.0, 4.0])
    )
    joints, speeds, width_m = ros_messages.joints_from(message)
    assert (joints.tolist(), speeds.tolist(), width_m) == ([1.0, 2.0], [3.0, 4.0], 0.08)
    message.velocity = np.array([])
    with pytest.raises(SensorError, match="3 names, 3 positions and 0 velocities"):
        ros_messages.joints_from(message)


def test_twist_and_wrench_survive():
    velocity, angular = ros_messages.twist_from(ros_messages.twist_message(state(), STAMP_NS))
    force, torque = ros_messages.wrench_from(ros_messages.wrench_message(state(), STAMP_NS))
    assert (velocity.tolist(), angular.tolist()) == ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0])
    assert (force.tolist(), torque.tolist()) == ([7.0, 8.0, 9.0], [0.7, 0.8, 0.9])


def test_a_frame_survives_whatever_its_layout_in_memory():
    pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    for view in (pixels, pixels[::-1], pixels[:, ::2]):
        message = ros_messages.image_message(view, "wrist", STAMP_NS)
        np.testing.assert_array_equal(frame_of(message), view)
