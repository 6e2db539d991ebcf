"""The arm's limits at the gate: by hand, and for any sequence of actions and measured poses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.robots import rotation
from sandlot.robots.arm.command import advance
from sandlot.robots.arm.gate_limits import ArmCommand, Wish, limited, offered, with_margin
from sandlot.robots.arm.spec import DOWN, ArmLimits, Command, Pose

LIMITS = ArmLimits(
    step_m=0.05,
    step_rad=0.2,
    low_m=(0.3, -0.2, 0.0),
    high_m=(0.7, 0.2, 0.4),
    tilt_rad=0.5,
    lead_m=0.08,
    lead_rad=0.3,
)
EPS = 1e-9


def pose(x, y, z, turn=(0.0, 0.0, 0.0)):
    return Pose(np.array([x, y, z]), rotation.mul(rotation.exp(np.array(turn)), DOWN))


HERE = pose(0.5, 0.0, 0.2)


def wish(asked, width_m=None, fault=""):
    return Wish(b"a", 7, 0.001, fault, asked, width_m)


def test_what_is_within_the_limits_passes_unchanged():
    asked = pose(0.52, 0.01, 0.18, (0.0, 0.0, 0.1))
    offer = offered(wish(asked, 0.03), ArmCommand(HERE, 0.08, 1), 0.1, HERE, LIMITS)
    assert not offer.clamped and offer.rejected == ""
    np.testing.assert_allclose(offer.command.pose.position_m, [0.52, 0.01, 0.18], atol=1e-15)
    np.testing.assert_allclose(offer.command.pose.rotation, asked.rotation, atol=1e-12)
    assert offer.command.width_m == 0.03 and offer.command.stamp_ns == 7


@pytest.mark.parametrize(
    ("before", "elapsed_s", "tool", "asked_x", "given_x"),
    [
        (HERE, 0.1, HERE, 0.6, 0.55),  # one step
        (HERE, 0.05, HERE, 0.6, 0.5375),  # three quarters of a step after half a period
        (HERE, 9.0, HERE, 0.6, 0.55),  # a long wait earns no longer step
        (None, 0.0, HERE, 0.6, 0.58),  # after a hold: the lead alone
        (pose(0.69, 0.0, 0.2), 0.1, pose(0.69, 0.0, 0.2), 0.73, 0.70),  # the box
        (pose(0.6, 0.0, 0.2), 0.1, pose(0.5, 0.0, 0.2), 0.64, 0.58),  # the tool was left behind
        (None, 0.0, pose(0.85, 0.0, 0.2), 0.5, 0.77),  # from outside it is led back, not thrown
        (None, 0.0, pose(0.85, 0.0, 0.2), 0.9, 0.77),  # and never farther out
    ],
)
def test_limits_by_hand(before, elapsed_s, tool, asked_x, given_x):
    given_pose = limited(pose(asked_x, 0.0, 0.2), before, elapsed_s, tool, LIMITS)
    np.testing.assert_allclose(given_pose.position_m, [given_x, 0.0, 0.2], atol=1e-12)


def test_turns_are_limited_by_true_angles():
    asked = pose(0.5, 0.0, 0.2, (1.0, 0.0, 0.0))
    stepped = limited(asked, HERE, 0.1, HERE, LIMITS)
    np.testing.assert_allclose(rotation.between(DOWN, stepped.rotation), [0.2, 0, 0], atol=1e-9)
    led = limited(asked, None, 0.0, HERE, LIMITS)
    np.testing.assert_allclose(rotation.between(DOWN, led.rotation), [0.3, 0, 0], atol=1e-9)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (wish(None, fault="not_finite"), "not_finite"),
        (wish(HERE, math.nan), "not_finite"),
        (wish(HERE, math.inf), "not_finite"),
        (wish(HERE, 5.0), "far_out"),
        (wish(pose(1e20, 0.0, 0.2)), "far_out"),
        (wish(pose(0.5, 0.0, -1.1)), "far_out"),
    ],
)
def test_what_is_no_action_is_named(bad, why):
    offer = offered(bad, None, 0.0, HERE, LIMITS)
    assert offer.command is None and offer.rejected == why


def test_without_a_measured_pose_there_is_no_action():
    assert offered(wish(HERE), None, 0.0, None, LIMITS).rejected == "no_tool_pose"


def test_the_gripper_is_kept_in_its_range():
    offer = offered(wish(HERE, 0.2), None, 0.0, HERE, LIMITS)
    assert offer.command.width_m == 0.08 and offer.clamped


def poses(low_m, high_m, most_rad):
    axis = st.floats(low_m, high_m)
    turn = st.floats(-most_rad, most_rad)
    return st.builds(lambda x, y, z, a, b, c: pose(x, y, z, (a, b, c)), axis, axis, axis, turn, turn, turn)


def outside_m(position):
    """How far a position lies outside the box."""
    return float(np.linalg.norm(position - np.clip(position, LIMITS.low_m, LIMITS.high_m)))


@settings(max_examples=150)
@given(st.lists(st.tuples(poses(-0.6, 1.2, 3.0), poses(-0.1, 0.9, 0.4), st.floats(0.0, 0.2)), max_size=12))
def test_no_sequence_leaves_the_limits(sequence):
    before = None
    worst_m = 0.0  # how far outside the tool has been
    for asked, tool, elapsed_s in sequence:
        command = offered(wish(asked), before, elapsed_s, tool, LIMITS).command
        assert command is not None
        position, turned = command.pose.position_m, command.pose.rotation
        worst_m = max(worst_m, outside_m(tool.position_m))
        assert np.linalg.norm(position - tool.position_m) <= LIMITS.lead_m + EPS
        assert rotation.length(rotation.between(tool.rotation, turned)) <= LIMITS.lead_rad + 1e-6
        assert outside_m(position) <= worst_m + EPS
        tool_tilt = rotation.length(rotation.between(DOWN, tool.rotation))
        assert rotation.length(rotation.between(DOWN, turned)) <= max(LIMITS.tilt_rad, tool_tilt) + 1e-6
        if before is not None:
            share = min(1.0, 1.5 * elapsed_s / 0.1)
            step_m = np.linalg.norm(position - before.pose.position_m)
            pulled = np.linalg.norm(position - tool.position_m) >= LIMITS.lead_m - EPS
            assert step_m <= share * LIMITS.step_m + EPS or pulled
        before = command


@settings(max_examples=200, deadline=None)
@given(
    actions=st.lists(st.lists(st.floats(-1, 1), min_size=7, max_size=7), min_size=1, max_size=8),
    follow=st.floats(0.0, 1.0),
    moved_m=st.floats(-0.01, 0.01),
)
def test_a_correct_commander_is_never_clamped(actions, follow, moved_m):
    """Full steps along every axis at once, seen from where the tool was 1 cm ago, pass unchanged."""
    command, tool = Command(HERE, True), HERE
    for action in actions:
        before = command
        command = advance(command, np.array(action, np.float32), tool, LIMITS)
        now = Pose(tool.position_m + [moved_m, 0.0, 0.0], tool.rotation)
        previous = ArmCommand(before.pose, 0.08, 1)
        offer = offered(wish(command.pose, 0.08), previous, 0.098, now, with_margin(LIMITS))
        assert not offer.clamped
        tool = Pose(
            tool.position_m + follow * (command.pose.position_m - tool.position_m),
            rotation.mul(
                rotation.exp(follow * rotation.between(tool.rotation, command.pose.rotation)), tool.rotation
            ),
        )
