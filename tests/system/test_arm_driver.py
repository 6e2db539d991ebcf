"""The arm's driver as a real process, seen through DDS: state, obedience, holds, refusals."""

import math
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

from lifecycle_msgs.msg import Transition
from tests.ros_domain import ros_domain  # noqa: F401
from tests.stalls import real_time
from tests.system.arm_rig import MODULE, STILL_RADPS, Beside, freeze, output, running

from sandlot.robots.arm import ros_messages
from sandlot.robots.arm.spec import Pose
from sandlot.robots.frames import frame_of

PLACE_M, EYE = np.array([0.45, 0.1, 0.02]), np.eye(3)

pytestmark = [real_time, pytest.mark.usefixtures("ros_domain")]


@pytest.fixture
def beside():
    node = Beside()
    yield node
    node.close()


def still_for(beside, seconds):
    """Whether the arm stands still from now on, for a while."""
    fastest, until_s = [beside.speed()], time.monotonic() + seconds
    beside.until(lambda: fastest.append(beside.speed()) or time.monotonic() > until_s, "a while")
    return max(fastest) < STILL_RADPS


def comes_to_rest(beside):
    beside.until(lambda: beside.speed() < STILL_RADPS, "rest", 1.0)
    beside.until(lambda: still_for(beside, 0.2), "rest for good", 2.0)


def test_state_commands_and_every_way_to_a_hold(tmp_path, beside):
    with running(tmp_path, "cameras:=['side']", "image_width_px:=64", "image_height_px:=48") as driver:
        beside.sees_state()
        beside.until(lambda: len(beside.newest) == 7, "every topic")
        joints = beside.newest["joint_states"]
        assert (len(joints.name), joints.name[-1]) == (8, "gripper")
        assert abs(time.time() - ros_messages.stamp_s(joints)) < 1.0
        assert frame_of(beside.newest["camera/side/image_raw"]).shape == (48, 64, 3)
        assert still_for(beside, 0.3)

        moves = lambda: beside.speed() > 0.3  # noqa: E731
        beside.drive(moves, "motion")  # then the gate is silent
        comes_to_rest(beside)
        assert beside.figures()["cause"] == "gate silent"

        beside.drive(moves, "motion")
        beside.hold.publish(beside.hold.msg_type(data="deadline: no action"))
        comes_to_rest(beside)
        assert int(beside.figures()["hold_deadline"]) == 1

        for spoilt in 5 * ({"x": math.nan}, {"age_s": 3.0}):
            beside.send(**spoilt)
            assert still_for(beside, 0.06)  # its queue holds one command: let it take each
        figures = beside.figures()
        assert int(figures["ignored_not_finite"]) > 0
        assert int(figures["ignored_stale"]) > 0

        beside.drive(moves, "motion")
        beside.estop.publish(beside.estop.msg_type(data=True))
        comes_to_rest(beside)
        beside.send()
        assert still_for(beside, 0.3)
        beside.estop.publish(beside.estop.msg_type(data=False))
        beside.drive(moves, "motion after the e-stop's release")

        assert beside.call("stop").success
        comes_to_rest(beside)
        beside.send()
        assert still_for(beside, 0.2)
        assert beside.call("arm").success
        beside.drive(moves, "motion after arming")

        beside.place.publish(ros_messages.pose_message(Pose(PLACE_M, EYE), time.time_ns()))
        placed = lambda: abs(beside.newest["objects/cube"].pose.position.x - PLACE_M[0]) < 1e-3  # noqa: E731
        beside.until(placed, "the cube where it was put")

        freeze(driver)
        silent_s = beside.until(
            lambda: time.monotonic() - beside.heard_s["joint_states"] > 0.5, "a frozen driver's silence"
        )
        assert silent_s < 3.0
        driver.send_signal(signal.SIGCONT)
        beside.sees_state()
        comes_to_rest(beside)
        driver.terminate()
        assert driver.wait(10.0) == 0
    assert "Traceback" not in output(tmp_path)


def test_a_lifecycle_manager_may_start_and_end_it(tmp_path, beside):
    """Twice over: connected, active, holding and silent, let go; each time as new."""
    silent = lambda: time.monotonic() - beside.heard_s["joint_states"] > 0.3  # noqa: E731
    with running(tmp_path, "autostart:=false", "cameras:=['side']", "image_width_px:=64") as driver:
        for _ in range(2):
            assert not beside.change_state(Transition.TRANSITION_ACTIVATE)  # not connected yet
            assert beside.change_state(Transition.TRANSITION_CONFIGURE)
            assert beside.change_state(Transition.TRANSITION_ACTIVATE)
            beside.drive(lambda: beside.speed() > 0.3, "motion")
            assert beside.change_state(Transition.TRANSITION_DEACTIVATE)
            beside.until(silent, "silence")
            assert beside.figures()["mode"] == "locked"
            assert beside.change_state(Transition.TRANSITION_CLEANUP)
        driver.terminate()
        assert driver.wait(10.0) == 0
    assert "Traceback" not in output(tmp_path)


def test_a_second_one_is_refused_and_the_first_is_undisturbed(tmp_path, beside):
    argv = [sys.executable, "-m", MODULE, "--ros-args", "-r", "__ns:=/arm"]
    with running(tmp_path):
        beside.sees_state()
        second = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert second.returncode == 2
        assert len(second.stderr.strip().splitlines()) == 1
        assert "node /arm/driver already runs on this machine" in second.stderr
        beside.sees_state()


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("device:=toaster", "device 'toaster' does not exist; choose from sim, franka, topics, dynamixel"),
        ("state_hz:=0.0", "'state_hz' is 0.0: it must lie in [1, 1000]"),
        ("cameras:=['nose']", "camera 'nose' does not exist; choose from"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line_and_exit_code_2(tmp_path, word, text):
    with running(tmp_path, word) as driver:
        assert driver.wait(60.0) == 2
    assert text in output(tmp_path)
    assert "Traceback" not in output(tmp_path)


def test_a_device_that_fails_is_told_held_and_ends_the_node(tmp_path, beside, monkeypatch):
    monkeypatch.setenv("FAIL_FILE", str(tmp_path / "fail"))
    with running(tmp_path, module="tests.system.failing_driver") as driver:
        assert beside.figures()["mode"] == "holding"
        (tmp_path / "fail").touch()
        told = lambda: "failed: sim arm" in beside.newest["/diagnostics"].status[0].message  # noqa: E731
        beside.until(told, "diagnostics that tell")
        assert driver.wait(10.0) == 1
    assert "sandlot driver: sim arm: the cable is out; plug it in and start again" in output(tmp_path)
    assert "held at the end" in output(tmp_path)
    assert "Traceback" not in output(tmp_path)
