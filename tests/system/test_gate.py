"""The gate as a process, over DDS: what stops it, what does not, and that it stays stopped."""

import os
import pathlib
import re
import subprocess
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

from bench import faults_gate  # noqa: E402
from bench.gate_rig import NAMESPACE, GateRig  # noqa: E402
from rclpy.qos import QoSProfile  # noqa: E402
from std_msgs.msg import Bool, Int32  # noqa: E402
from tests.stalls import real_time  # noqa: E402

from sandlot.robots import gate, ros_node, ros_qos  # noqa: E402
from sandlot.robots.arm import topics  # noqa: E402
from sandlot.robots.gate import Mode  # noqa: E402
from sandlot.robots.teleop.mapping import Button  # noqa: E402
from sandlot.robots.topics import ESTOP  # noqa: E402

pytestmark = real_time


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """One gate for all tests of this module; a person is there unless a test says otherwise."""
    with GateRig(tmp_path_factory.mktemp("gate"), operator_timeout_s=0.5) as one:
        one.present = True
        yield one


@pytest.fixture
def moving(rig):
    """The gate, armed and commanded; nothing is left over from the test before."""
    rig.present, rig.down, rig.wall_ahead_s = True, frozenset(), 0.0
    if rig.process.poll() is not None:  # a test that ends it is tried again
        rig.kill()
        rig.process = rig.start_gate()
    rig.until(lambda: rig.joys.get_subscription_count() > 0, "hears Joy")
    rig.go()
    yield rig
    rig.commanding = False
    rig.until(lambda: rig.report.mode is not Mode.ACTIVE, "stops")


def why_it_stops(rig, inject):
    """The cause of the stop that a fault brings about; again when a busy machine made the commander late."""
    for _ in range(5):
        rig.go()
        began_s = time.monotonic()
        inject()
        try:
            cause = rig.hold_after(began_s)[1]
        except TimeoutError:  # it stood before the fault came
            continue
        if cause != gate.NO_ACTION:
            return cause
    raise AssertionError(f"no stop by the fault; {rig.report}")


def stays_stopped(rig, cause):
    """The stop is latched: actions go on, nothing leaves."""
    rig.until(lambda: rig.report.mode is Mode.STOPPED, "says that it stopped")
    assert rig.report.cause == cause
    rig.commanding = True
    count, rejected = len(rig.commands), int(rig.report.values.get("rejected_not_armed", 0))
    rig.until(lambda: int(rig.report.values.get("rejected_not_armed", 0)) > rejected + 2, "rejects")
    assert len(rig.commands) == count


def test_no_learning_and_no_other_network_in_its_process(moving):
    maps = pathlib.Path(f"/proc/{moving.process.pid}/maps").read_text()
    assert "fastrtps" in maps
    for library in ("jaxlib", "zmq", "libtorch", "mujoco", "libcuda"):
        assert library not in maps, library


def test_forwards_repeats_and_counts(moving):
    before = len(moving.commands)
    moving.until(lambda: len(moving.commands) > before + 20, "repeats")
    stamps = {c.stamp_ns for c in moving.commands[before:]}
    assert 2 <= len(stamps) < len(moving.commands) - before
    moving.until(lambda: "period_p999_ms" in moving.report.values, "has figures")
    assert int(moving.report.values["accepted"]) > 0


def test_silence_stops(moving):
    moving.commanding = False
    moving.until(lambda: moving.report.mode is Mode.STOPPED, "stops")
    stays_stopped(moving, gate.NO_ACTION)


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        ({"x": float("nan")}, "not_finite"),
        ({"y": 1e20}, "far_out"),
        ({"qx": 0.0, "qw": 0.0, "qy": 0.0, "qz": 0.0}, "bad_quaternion"),
    ],
)
def test_bad_actions_are_no_actions(moving, spoilt, why):
    assert why_it_stops(moving, moving.pause) == "paused"  # armed, and no deadline
    moving.until(lambda: moving.report.mode is Mode.ARMED, "rests")
    before, name = len(moving.commands), f"rejected_{why}"
    count = int(moving.report.values.get(name, 0))
    moving.until(lambda: moving.act(**spoilt) or int(moving.report.values.get(name, 0)) > count, "counts it")
    assert moving.report.mode is Mode.ARMED and len(moving.commands) == before


def test_a_tool_that_is_not_measured_stops(moving):
    moving.measuring = False
    moving.until(lambda: moving.report.mode is Mode.STOPPED, "stops")
    moving.until(lambda: moving.call("arm")[0], "arms")
    name = "rejected_no_tool_pose"
    moving.until(lambda: int(moving.report.values.get(name, 0)) > 0, "rejects")
    moving.until(lambda: moving.report.cause == gate.ROBOT_SILENT, "misses the driver")


def test_a_driver_that_dies_while_paused_moves_nothing_when_it_is_back(moving):
    assert why_it_stops(moving, moving.pause) == "paused"
    moving.measuring = False
    moving.until(lambda: moving.report.mode is Mode.STOPPED, "misses the driver")
    moving.measuring = True
    stays_stopped(moving, gate.ROBOT_SILENT)


def test_pause_holds_and_the_next_action_moves_again(moving):
    assert why_it_stops(moving, moving.pause) == "paused"
    moving.until(lambda: moving.report.mode is Mode.ARMED, "rests")
    count = len(moving.commands)
    moving.commanding = True
    moving.until(lambda: len(moving.commands) > count, "moves again")


def test_the_stop_button_stops_and_the_arm_button_arms(moving):
    def press():
        moving.down = frozenset({Button.STOP})

    assert why_it_stops(moving, press) == "stop button"
    stays_stopped(moving, "stop button")
    moving.down = frozenset()
    time.sleep(0.05)  # the release has to be seen before a fresh press
    moving.down = frozenset({Button.ARM})
    moving.until(lambda: moving.report.mode is Mode.ACTIVE, "moves again")


def test_a_person_who_is_gone_stops_and_arming_is_refused(moving):
    moving.present = False
    moving.until(lambda: moving.holds[-1][1] == gate.OPERATOR_LOST, "notices")
    armed, said = moving.call("arm")
    assert not armed and "no operator" in said
    stays_stopped(moving, gate.OPERATOR_LOST)


def test_the_stop_service_stops(moving):
    assert why_it_stops(moving, lambda: moving.call("stop")) == "stop service"
    stays_stopped(moving, "stop service")


def test_the_estop_stops_and_must_be_released(moving):
    with moving.stranger("panel") as panel:
        button = ros_node.publisher(panel.node, ESTOP)
        moving.until(lambda: button.get_subscription_count() == 2, "is wired")
        assert why_it_stops(moving, lambda: button.publish(Bool(data=True))) == gate.ESTOP_PRESSED
        armed, said = moving.call("arm")
        assert not armed and "release it" in said
        moving.kill()  # its successor learns of the press as soon as it is there
        moving.process = moving.start_gate()
        moving.until(lambda: moving.report.cause == gate.ESTOP_PRESSED, "knows")
        button.publish(Bool(data=False))
        moving.until(lambda: moving.call("arm")[0], "arms after the release", 5.0)


@pytest.mark.parametrize(
    ("message", "qos", "said"),
    [
        (Int32, ros_qos.profile(ESTOP), "publishes std_msgs/msg/Int32"),
        (Bool, QoSProfile(depth=1), "without reliable, transient-local"),
    ],
)
def test_a_wrongly_wired_estop_stops_and_is_named(moving, message, qos, said):
    with moving.stranger("panel") as panel:
        panel.node.create_publisher(message, ESTOP.name, qos)
        moving.until(lambda: said in moving.report.values["wiring"], "notices")
        moving.until(lambda: moving.report.mode is Mode.STOPPED, "stops")
        armed, why = moving.call("arm")
        assert not armed and said in why and "/arm/panel" in why


def test_a_second_commander_stops(moving):
    with moving.stranger("intruder") as intruder:
        poses = ros_node.publisher(intruder.node, topics.ACTION_POSE)
        moving.until(lambda: poses.get_subscription_count() > 0, "is connected")
        assert why_it_stops(moving, lambda: moving.act(by=poses)) == gate.TWO_COMMANDERS
    stays_stopped(moving, gate.TWO_COMMANDERS)


def test_a_frozen_gate_stops_before_it_lets_a_queued_action_through(moving):
    def freeze():
        with moving.frozen():
            time.sleep(0.3)
            moving.commands.clear()

    assert why_it_stops(moving, freeze) == gate.STARVED
    assert len(moving.commands) <= 1  # one may have been on its way


def test_a_second_gate_refuses_and_the_first_goes_on(moving):
    second = subprocess.run(
        moving.argv, check=False, env=moving.env, capture_output=True, text=True, timeout=20
    )
    assert second.returncode == 2
    assert re.search(rf"node {NAMESPACE}/gate already runs.*pid {moving.process.pid}", second.stderr)
    assert len(second.stderr.strip().splitlines()) == 1
    assert moving.process.poll() is None
    moving.go()


def test_a_gate_that_is_ended_says_hold(moving):
    count = len(moving.holds)
    moving.process.terminate()
    moving.until(lambda: len(moving.holds) > count, "says so")
    assert moving.process.wait(10.0) == 0
    moving.process = moving.start_gate()
    moving.until(lambda: moving.report.cause == "started", "is back")


def test_a_killed_gate_comes_back_disarmed(moving):
    moving.kill()
    count = len(moving.commands)
    moving.process = moving.start_gate()
    moving.until(lambda: moving.report.cause == "started", "is back")
    moving.until(lambda: int(moving.report.values.get("rejected_not_armed", 0)) > 3, "hears actions")
    assert moving.report.mode is Mode.DISARMED and len(moving.commands) == count
    moving.go()
    assert os.path.exists(f"/proc/{moving.process.pid}")


def accepted(rig):
    """How many actions were; a commander that this machine made late is let in again."""
    if rig.report.mode is not Mode.ACTIVE:
        rig.go()
    return int(rig.report.values["accepted"])


def test_no_clock_jump_makes_an_action_stale_or_lets_an_old_one_pass(tmp_path):
    clock = tmp_path / "clock"
    clock.write_bytes(np.float64(0.0).tobytes())
    with GateRig(tmp_path, script=("-m", "bench.gate_with_clock", str(clock))) as rig:
        for hours in (1, -1, 0):
            rig.go()
            faults_gate.jump(rig, clock, 3600.0 * hours)
            goal = int(rig.report.values["accepted"]) + 3
            rig.until(lambda n=goal: accepted(rig) >= n, "goes on")
        assert "rejected_stale" not in rig.report.values
        rig.commanding = False
        assert rig.hold_after(rig.acted_s)[1] == gate.NO_ACTION
        rig.until(lambda: rig.report.mode is Mode.STOPPED, "says that it stopped")
        passed = rig.report.values["accepted"]
        rig.wall_ahead_s = -5.0  # now the actions alone are old
        rig.commanding = True
        rig.until(lambda: armed(rig) and rejected(rig) > 2, "rejects old ones")
        assert rig.report.values["accepted"] == passed


def armed(rig):
    """Whether the gate is, or is again: a busy machine may have kept the tool's pose from it."""
    return rig.report.mode is not Mode.STOPPED or rig.call("arm")[0]


def rejected(rig):
    return int(rig.report.values.get("rejected_stale", 0))


def test_no_bad_number_leaves_and_every_fault_row_exists():
    row = faults_gate.fault_16_numbers(5000, seed=7)
    assert row["violations"] == 0 and row["injections"] == 5000
    numbers = {int(name.split("_")[1]) for name in faults_gate.__all__}
    assert numbers >= {4, 16, 20, 22, 27, 29}
