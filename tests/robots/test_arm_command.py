"""From action to command: what is not finite does nothing, and no action leads out of the limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.command import advance, executed
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
START = Pose(np.array([0.5, 0.0, 0.2]), DOWN)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_that_is_not_finite_holds_everything(bad):
    action = np.full(7, 0.5, np.float32)
    action[2] = bad
    assert not executed(action, 7).any()


def test_wrong_length_holds():
    assert not executed(np.ones(6, np.float32), 7).any()


def test_clips_to_the_unit_box():
    assert executed(np.array([2, -3, 0.5, 0, 0, 0, 9], np.float32), 7).tolist() == [1, -1, 0.5, 0, 0, 0, 1]


def test_one_step_by_hand():
    action = np.array([1, 0, -0.5, 0, 0, 1, 0], np.float32)
    after = advance(Command(START, True), action, START, LIMITS)
    np.testing.assert_allclose(after.pose.position_m, [0.55, 0.0, 0.175])
    np.testing.assert_allclose(rotation.between(DOWN, after.pose.rotation), [0, 0, 0.2], atol=1e-12)


@pytest.mark.parametrize(
    ("before", "grip", "after"),
    [(True, -0.2, True), (True, -0.4, False), (False, 0.2, False), (False, 0.4, True)],
)
def test_gripper_has_hysteresis(before, grip, after):
    action = np.array([0, 0, 0, 0, 0, 0, grip], np.float32)
    assert advance(Command(START, before), action, START, LIMITS).gripper_open is after


actions = st.lists(st.lists(st.floats(-1, 1, width=32), min_size=7, max_size=7), min_size=1, max_size=30)


@given(actions)
def test_no_sequence_leaves_the_workspace(sequence):
    command, tool = Command(START, True), START
    for action in sequence:
        command = advance(command, np.array(action, np.float32), tool, LIMITS)
        tool = command.pose
        assert (command.pose.position_m >= LIMITS.low_m).all() and (
            command.pose.position_m <= LIMITS.high_m
        ).all()
        tilt = rotation.length(rotation.between(DOWN, command.pose.rotation))
        assert tilt <= LIMITS.tilt_rad + 1e-9


def test_command_does_not_run_away_from_a_blocked_tool():
    command = Command(START, True)
    for _ in range(20):
        command = advance(command, np.array([0, 0, -1, 1, 0, 0, 0], np.float32), START, LIMITS)
    assert np.linalg.norm(command.pose.position_m - START.position_m) == pytest.approx(LIMITS.lead_m)
    assert rotation.length(rotation.between(DOWN, command.pose.rotation)) == pytest.approx(LIMITS.lead_rad)


def test_refuses_an_empty_workspace():
    with pytest.raises(ConfigError, match="low_m.*must lie below"):
        ArmLimits(
            step_m=0.1, step_rad=0.1, low_m=(0, 0, 0), high_m=(1, 0, 1), tilt_rad=1, lead_m=0.1, lead_rad=0.1
        )
