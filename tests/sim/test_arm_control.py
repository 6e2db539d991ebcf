"""The impedance controller on the real physics: holds, yields no more than it may, never jumps."""

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmScene, Pose
from sandlot.sim.arm import SimArm
from sandlot.sim.arm_control import Impedance, torques

LIMITS = ArmLimits(
    step_m=0.05,
    step_rad=0.2,
    low_m=(0.3, -0.3, -0.3),
    high_m=(0.7, 0.3, 0.6),
    tilt_rad=3.0,
    lead_m=0.3,
    lead_rad=3.0,
)
HOLD = np.zeros(7, np.float32)


def arm_at(position, cube=(0.35, 0.25, 0.02), impedance=None, is_open=False):
    arm = SimArm("arm_pick", LIMITS, impedance=impedance)
    scene = ArmScene(Pose(np.array(position), DOWN), is_open, {"cube": Pose(np.array(cube), np.eye(3))})
    arm.reset(scene, np.random.default_rng(0))
    return arm


def repeat(arm, action, times):
    for _ in range(times):
        arm.act(np.array(action, np.float32))
    return arm.observe()


def test_gravity_compensation_holds_the_pose():
    arm = arm_at((0.5, 0.1, 0.3))
    after = repeat(arm, HOLD, 20)
    np.testing.assert_allclose(after.tool.position_m, [0.5, 0.1, 0.3], atol=2e-4)
    assert rotation.length(rotation.between(DOWN, after.tool.rotation)) < 1e-3
    assert np.abs(after.velocity_mps).max() < 1e-4


def test_a_weight_it_does_not_know_makes_it_sag_by_weight_over_stiffness():
    arm = arm_at((0.5, 0.1, 0.3), impedance=Impedance(stiffness_npm=2000.0))
    arm.data.xfrc_applied[arm.model.body("hand").id, 2] = -20.0
    after = repeat(arm, HOLD, 20)
    assert after.tool.position_m[2] == pytest.approx(0.29, abs=0.001)  # 20 N / 2000 N/m
    assert after.force_n[2] == pytest.approx(-20.0, abs=0.5)


@pytest.mark.parametrize(("stiffness", "error_m"), [(2000.0, 0.02), (3000.0, 0.007)])
def test_pressing_force_is_stiffness_times_error_limit(stiffness, error_m):
    """Commanded 10 cm into the table, it presses with K * limit, not with K * 10 cm (200 N and more)."""
    arm = arm_at((0.5, 0, 0.03), impedance=Impedance(stiffness_npm=stiffness, error_m=error_m))
    pressed = repeat(arm, (0, 0, -1, 0, 0, 0, -1), 10)
    assert pressed.command.pose.position_m[2] < -0.1
    assert pressed.force_n[2] == pytest.approx(stiffness * error_m, rel=0.1)


def test_force_reading_is_zero_in_free_space_and_the_weight_of_what_is_held():
    arm = arm_at((0.5, 0, 0.02), cube=(0.5, 0, 0.02), is_open=True)
    free = repeat(arm, (0, 0, 0, 0, 0, 0, 1), 5)
    assert np.abs(free.force_n).max() < 0.2
    repeat(arm, (0, 0, 0, 0, 0, 0, -1), 4)
    repeat(arm, (0, 0, 1, 0, 0, 0, -1), 3)
    held = repeat(arm, HOLD, 10)
    assert held.objects["cube"].position_m[2] > 0.1
    assert held.force_n[2] == pytest.approx(-0.06 * 9.81, abs=0.1)


@pytest.mark.parametrize("axis", [3, 4, 5])
def test_turning_follows_true_angles_although_down_is_half_a_turn_from_the_base(axis):
    """Straight down is where Euler angles and rotation vectors of the base wrap; nothing may jump there."""
    arm = arm_at((0.5, 0, 0.35))
    last = DOWN
    for sign in (1, 1, -1, -1, -1, -1, 1, 1):
        action = HOLD.copy()
        action[axis] = sign
        arm.act(action)
        now = arm.observe().tool.rotation
        assert rotation.length(rotation.between(last, now)) < 0.3
        last = now
    settled = repeat(arm, HOLD, 10).tool.rotation
    assert rotation.length(rotation.between(DOWN, settled)) < 0.01


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_action_that_is_not_finite_does_not_move_the_arm(bad):
    arm = arm_at((0.5, 0, 0.3))
    before = arm.observe().tool.position_m
    action = np.ones(7, np.float32)
    action[0] = bad
    assert not arm.act(action).any()
    np.testing.assert_allclose(arm.observe().tool.position_m, before, atol=1e-4)


def test_fingers_stay_symmetric_and_close_on_the_cube():
    arm = arm_at((0.5, 0, 0.02), cube=(0.5, 0.004, 0.02), is_open=True)
    closed = repeat(arm, (0, 0, 0, 0, 0, 0, -1), 10)
    assert closed.width_m == pytest.approx(0.04, abs=0.001)
    left, right = (float(arm.data.joint(f"finger_{s}").qpos[0]) for s in ("left", "right"))
    assert left == pytest.approx(right, abs=0.003)


def test_the_law_by_hand():
    """One joint per axis: errors beyond the limits count as the limits, posture is not felt."""
    cfg = Impedance(stiffness_npm=1000.0, stiffness_nmprad=100.0, error_m=0.01, error_rad=0.1)
    joints = np.zeros((4, 6))
    joints[2] = 0.5  # bias
    joints[3] = 1.0  # a posture far away, but six joints leave no null space
    error = np.array([[0.0, 3.0, 4.0], [0.05, 0.0, 0.0]])
    tau = torques(cfg.gains(0.002), np.eye(6), joints, error)
    np.testing.assert_allclose(tau, [0.5, 6.5, 8.5, 5.5, 0.5, 0.5], atol=1e-4)


def test_refuses_gains_that_make_no_sense():
    with pytest.raises(ConfigError, match="stiffness_npm.* -1.* above 0"):
        Impedance(stiffness_npm=-1.0)
