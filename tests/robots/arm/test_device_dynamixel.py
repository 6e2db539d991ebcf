"""The Dynamixel arm on an emulated bus: it goes where it is told, holds, and says which servo is at fault."""

import time

import numpy as np
import pytest
from tests.robots.arm.widowx import config

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm import devices
from sandlot.robots.arm.spec import Pose
from sandlot.robots.dynamixel import registers as reg
from sandlot.robots.dynamixel.emulator import Emulator
from sandlot.robots.errors import DeviceError

IDS = [1, 2, 4, 6, 7, 8, 9]
POSTURE_RAD = [0.0, -0.3, 0.6, 0.0, 1.2, 0.0, 0.9]
WITHIN_S = 20.0


@pytest.fixture
def emulator():
    found = Emulator(IDS)
    for servo, angle in zip(found.servos.values(), POSTURE_RAD, strict=True):
        servo.position_rad = angle
        servo.advance(0.0)
    found.start()
    yield found
    found.close()


@pytest.fixture
def arm(emulator):
    found = devices.find("dynamixel").make(config(emulator.port))
    found.connect()
    yield found
    found.close()


def until(arm, condition):
    """Reads until a condition holds, as the driver would; returns that state."""
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        state = arm.read(time.monotonic())
        if condition(state):
            return state
    raise AssertionError(f"not within {WITHIN_S} s: {state}")


def test_connecting_moves_nothing_and_makes_the_arm_stiff(arm, emulator):
    state = arm.read(time.monotonic())
    assert state.joints_rad == pytest.approx(POSTURE_RAD[:6], abs=2e-3)
    assert state.width_m == pytest.approx(0.074, abs=1e-3) and np.isnan(state.force_n).all()
    with emulator.lock:
        assert all(s.get(reg.TORQUE_ENABLE) == 1 for s in emulator.servos.values())
        assert {s.get(reg.BUS_WATCHDOG) for s in emulator.servos.values()} == {50}


def test_the_tool_goes_where_it_is_told_and_the_gripper_closes(arm):
    start = arm.read(time.monotonic())
    goal = Pose(start.tool.position_m + np.array([0.03, 0.02, -0.03]), start.tool.rotation)
    arm.command(goal, 0.02, time.monotonic())
    state = until(arm, lambda s: np.linalg.norm(s.tool.position_m - goal.position_m) < 0.002)
    assert until(arm, lambda s: abs(s.width_m - 0.02) < 0.001).width_m < start.width_m
    assert np.allclose(state.tool.rotation, goal.rotation, atol=0.02)


def test_a_command_is_sent_with_the_speed_that_brings_every_joint_there_in_one_period(arm, emulator):
    start = arm.read(time.monotonic())
    turned = arm._chain.forward(start.joints_rad + np.array([0.1, 0, 0, 0, 0.05, 0]))[0]
    with emulator.lock:
        arm.command(turned, start.width_m, time.monotonic())
    arm.read(time.monotonic())  # the answer comes behind the command
    with emulator.lock:
        speeds = [emulator.servos[i].get(reg.PROFILE_VELOCITY) * reg.RADPS_PER_UNIT for i in (1, 7)]
    assert speeds == pytest.approx([1.0, 0.5], abs=0.05)


def test_too_far_a_command_is_slowed_down_for_all_joints_alike(arm, emulator):
    start = arm.read(time.monotonic())
    turned = arm._chain.forward(start.joints_rad + np.array([0.4, 0, 0, 0, 0.2, 0]))[0]
    arm.command(turned, start.width_m, time.monotonic())
    arm.read(time.monotonic())
    with emulator.lock:
        speeds = [emulator.servos[i].get(reg.PROFILE_VELOCITY) * reg.RADPS_PER_UNIT for i in (1, 7)]
    assert speeds == pytest.approx([2.0, 1.0], abs=0.1)


def test_a_hold_stops_every_joint_where_it_is(arm, emulator):
    start = arm.read(time.monotonic())
    far = arm._chain.forward(start.joints_rad + np.array([1.5, 0, 0, 0, 0, 0]))[0]
    arm.command(far, start.width_m, time.monotonic())
    moving = until(arm, lambda s: s.joint_speeds_radps[0] > 1.0)
    arm.hold(time.monotonic())
    held = until(arm, lambda s: np.abs(s.joint_speeds_radps).max() < 0.02)
    assert moving.joints_rad[0] <= held.joints_rad[0] < 1.4
    arm.hold(time.monotonic())
    again = until(arm, lambda s: np.abs(s.joint_speeds_radps).max() < 0.02)
    assert again.joints_rad == pytest.approx(held.joints_rad, abs=0.01)


def test_servos_stop_by_themselves_when_the_driver_falls_silent_and_do_not_go_on_later(emulator):
    arm = devices.find("dynamixel").make(config(emulator.port, watchdog_s=0.2))
    arm.connect()
    start = arm.read(time.monotonic())
    far = arm._chain.forward(start.joints_rad + np.array([2.5, 0, 0, 0, 0, 0]))[0]
    arm.command(far, start.width_m, time.monotonic())
    end_s, tripped = time.monotonic() + WITHIN_S, False
    while not tripped and time.monotonic() < end_s:
        time.sleep(0.01)
        with emulator.lock:
            tripped = all(s.get(reg.BUS_WATCHDOG) == reg.WATCHDOG_TRIPPED for s in emulator.servos.values())
    assert tripped
    with emulator.lock:
        stopped = emulator.servos[1].position_rad
    state = until(arm, lambda s: np.abs(s.joint_speeds_radps).max() < 0.02)
    assert 0 < stopped < 2.0 and state.joints_rad[0] == pytest.approx(stopped, abs=0.03)
    near = arm._chain.forward(state.joints_rad + np.array([0.1, 0, 0, 0, 0, 0]))[0]
    arm.command(near, start.width_m, time.monotonic())  # it obeys again
    until(arm, lambda s: abs(s.joints_rad[0] - state.joints_rad[0] - 0.1) < 0.01)
    arm.close()


def test_a_servo_that_switched_itself_off_is_named(arm, emulator):
    with emulator.lock:
        emulator.servos[4].fail(0x20)
    with pytest.raises(DeviceError, match=r"servo 4 switched itself off \(overload\)"):
        arm.read(time.monotonic())


def test_a_servo_that_fell_silent_is_named(arm, emulator):
    emulator.faults.missing = {7}
    with pytest.raises(DeviceError, match=r"servo 7 \('wrist_angle'\) fell silent; check its cable"):
        arm.read(time.monotonic())


def test_a_noisy_bus_is_only_slower(arm, emulator):
    for _ in range(3):
        emulator.faults.drop, emulator.faults.flip = 1, 1
        assert np.isfinite(arm.read(time.monotonic()).joints_rad).all()


def test_connecting_names_what_is_wrong(emulator):
    make = devices.find("dynamixel").make
    with pytest.raises(DeviceError, match=r"servo 3 \('elbow'\) does not answer at 1000000 baud"):
        make(config(emulator.port, ids=(1, 2, 3, 6, 7, 8))).connect()
    with emulator.lock:
        emulator.servos[2].set(reg.OPERATING_MODE, 1)
    with pytest.raises(DeviceError, match=r"servo 2 \('shoulder'\) is in operating mode 1; the arm needs 3"):
        make(config(emulator.port)).connect()
    with pytest.raises(DeviceError, match="the arm is not connected"):
        make(config(emulator.port)).read(0.0)


def test_closing_leaves_the_arm_stiff_unless_it_was_told_to_let_go(emulator):
    for limp, torque in ((False, 1), (True, 0)):
        arm = devices.find("dynamixel").make(config(emulator.port, limp_at_close=limp))
        arm.connect()
        arm.close()
        arm.close()
        with emulator.lock:
            assert {s.get(reg.TORQUE_ENABLE) for s in emulator.servos.values()} == {torque}
            assert {s.get(reg.BUS_WATCHDOG) for s in emulator.servos.values()} == {0}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"ids": (1, 2)}, "'ids' has 2 numbers for 6 joints"),
        ({"ids": (1, 2, 4, 6, 7, 7)}, "must differ and lie in"),
        ({"directions": (1, 1, 1, 1, 1, 0)}, "each must be 1 or -1"),
        ({"watchdog_s": 0.0}, r"watchdog_s=0.0 must lie in \[0.02, 2\]"),
        ({"joint_axes": (0.0, 0.0, 1.0)}, "'joint_points_m' has 18 numbers: it must have 3"),
        ({"max_speed_radps": 0.0}, "max_speed_radps"),
    ],
)
def test_a_wrong_description_is_refused(change, line):
    with pytest.raises(ConfigError, match=line):
        config("none", **change)
