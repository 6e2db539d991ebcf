"""Kinematics from joint axes: a two-link arm by hand, derivatives by differences, solutions."""

import math

import numpy as np
import pytest
from tests.robots.arm.widowx import config

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.chain import chain
from sandlot.robots.arm.spec import DOWN, Pose

TWO_LINKS = {
    "axes": [0, 0, 1, 0, 0, 1],
    "points_m": [0, 0, 0, 0.3, 0, 0],
    "tool_m": [0.5, 0, 0],
    "tool_rotvec": [0, 0, 0],
    "limits_rad": [-3, 3, -3, 3],
}
WIDOWX = config("none").chain()


def test_two_links_by_hand():
    arm = chain(**TWO_LINKS)
    tool, jacobian = arm.forward(np.array([math.pi / 2, math.pi / 2]))
    assert tool.position_m == pytest.approx([-0.2, 0.3, 0])
    assert tool.rotation == pytest.approx(np.diag([-1, -1, 1]))
    assert jacobian[:, 0] == pytest.approx([-0.3, -0.2, 0, 0, 0, 1])  # about the origin
    assert jacobian[:, 1] == pytest.approx([0, -0.2, 0, 0, 0, 1])  # about the elbow


def test_the_widowx_points_down_with_its_wrist_bent():
    tool, _ = WIDOWX.forward(np.zeros(6))
    assert tool.position_m == pytest.approx([0.458325, 0, 0.36065])
    assert tool.rotation[:, 2] == pytest.approx([1, 0, 0], abs=1e-6)  # the fingers point forward
    tool, _ = WIDOWX.forward(np.array([0, 0, 0, 0, math.pi / 2, 0]))
    assert tool.position_m == pytest.approx([0.29975, 0, 0.36065 - 0.158575])
    assert tool.rotation == pytest.approx(DOWN, abs=1e-6)


def test_the_jacobian_is_the_derivative():
    rng = np.random.default_rng(1)
    for _ in range(20):
        joints, speeds = rng.uniform(-1, 1, 6), rng.uniform(-1, 1, 6)
        (before, jacobian), (after, _) = WIDOWX.forward(joints), WIDOWX.forward(joints + 1e-6 * speeds)
        moved = (after.position_m - before.position_m) / 1e-6
        turned = rotation.between(before.rotation, after.rotation) / 1e-6
        assert np.concatenate([moved, turned]) == pytest.approx(jacobian @ speeds, abs=1e-4)


def test_small_steps_to_reachable_poses_are_met_within_the_limits():
    rng = np.random.default_rng(2)
    start = np.array([0.0, -0.3, 0.6, 0.0, 1.2, 0.0])
    for _ in range(100):
        there = start + rng.uniform(-0.3, 0.3, 6)
        goal, _ = WIDOWX.forward(there)
        joints = WIDOWX.solve(goal, start, 0.3)
        tool, _ = WIDOWX.forward(joints)
        assert np.linalg.norm(tool.position_m - goal.position_m) < 1e-3
        assert np.linalg.norm(rotation.between(tool.rotation, goal.rotation)) < 5e-3
        assert (WIDOWX.low_rad <= joints).all() and (joints <= WIDOWX.high_rad).all()


def test_what_is_out_of_reach_is_approached_without_a_jump():
    start = np.array([0.0, -0.3, 0.6, 0.0, 1.2, 0.0])
    tool, _ = WIDOWX.forward(start)
    far = Pose(tool.position_m + np.array([2.0, 0, 0]), tool.rotation)
    joints = WIDOWX.solve(far, start, 0.3)
    reached, _ = WIDOWX.forward(joints)
    assert np.isfinite(joints).all() and reached.position_m[0] > tool.position_m[0] + 0.1
    assert (WIDOWX.low_rad <= joints).all() and (joints <= WIDOWX.high_rad).all()


def test_a_joint_at_its_limit_leaves_the_work_to_the_others():
    flat = {**TWO_LINKS, "limits_rad": [-3, 3, -0.5, 0.5]}
    joints = chain(**flat).solve(Pose(np.array([0.0, 0.48, 0]), np.eye(3)), np.array([0.5, 0.5]), 1e-3)
    assert joints[1] == pytest.approx(0.5, abs=0.02)
    tool, _ = chain(**flat).forward(joints)
    assert tool.position_m == pytest.approx([0.0, 0.48, 0], abs=0.01)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"axes": [0, 0, 1, 0, 0, 2]}, r"'joint_axes' have lengths \[1.0, 2.0\]: each must be 1"),
        ({"points_m": [0, 0, 0]}, "'joint_points_m' has 3 numbers: it must have 6"),
        ({"tool_m": [0, 0, math.nan]}, "'tool_m' has 3 numbers: it must have 3, all finite"),
        ({"limits_rad": [-1, 1, 1, -1]}, "'joint_limits_rad': low"),
        ({"axes": []}, "'joint_axes' has 0 numbers"),
    ],
)
def test_a_wrong_description_is_named(change, line):
    with pytest.raises(ConfigError, match=line):
        chain(**{**TWO_LINKS, **change})
