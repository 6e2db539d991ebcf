"""From an arm's state through messages to a reading: nothing is lost, nothing that makes no sense passes."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sensor_msgs")

from sandlot.robots import rotation  # noqa: E402
from sandlot.robots.arm import readings, ros_messages, topics  # noqa: E402
from sandlot.robots.arm.device import ArmState  # noqa: E402
from sandlot.robots.arm.spec import DOWN, Command, Pose  # noqa: E402
from sandlot.robots.errors import SensorError  # noqa: E402
from sandlot.robots.gate import Mode  # noqa: E402
from sandlot.robots.gate_fault import gate_fault  # noqa: E402
from sandlot.robots.gate_messages import GateReport  # noqa: E402

STAMP_NS = 1_790_000_000_123_456_789
NAMES = tuple(f"joint{i}" for i in range(7))
CUBE = Pose(np.array([0.45, 0.1, 0.02]), rotation.exp(np.array([0.0, 0.0, 0.2])))
STATE = ArmState(
    stamp_s=1.0,
    joints_rad=np.linspace(-1, 1, 7),
    joint_speeds_radps=np.linspace(0, 0.6, 7),
    tool=Pose(np.array([0.5, -0.1, 0.2]), DOWN.copy()),
    velocity_mps=np.array([0.1, 0.2, 0.3]),
    angular_radps=np.array([0.4, 0.5, 0.6]),
    width_m=0.04,
    force_n=np.array([1.0, 2.0, 3.0]),
    torque_nm=np.array([0.1, 0.2, 0.3]),
)
COMMAND = Command(STATE.tool, True)


def messages(state=STATE, cube=CUBE):
    return {
        topics.JOINT_STATES.name: ros_messages.joint_message(state, NAMES, STAMP_NS),
        topics.TOOL_POSE.name: ros_messages.pose_message(state.tool, STAMP_NS),
        topics.TOOL_TWIST.name: ros_messages.twist_message(state, STAMP_NS),
        topics.WRENCH.name: ros_messages.wrench_message(state, STAMP_NS),
        topics.object_pose("cube").name: ros_messages.pose_message(cube, STAMP_NS),
    }


def offer(seen, sent, at_s):
    for name, message in sent.items():
        said = readings.content(message) if seen.watches_content(name) else None
        seen.offer(name, message, round(at_s * 1e9), at_s, at_s, content=said)


def test_a_reading_says_what_the_arm_measured():
    known = {"target": STATE.tool}
    got = readings.reading(messages(), COMMAND, known)
    assert got.joints_rad.tolist() == STATE.joints_rad.tolist() and got.width_m == 0.04
    assert got.velocity_mps.tolist() == [0.1, 0.2, 0.3] and got.angular_radps.tolist() == [0.4, 0.5, 0.6]
    assert got.force_n.tolist() == [1, 2, 3] and got.torque_nm.tolist() == [0.1, 0.2, 0.3]
    assert got.tool.position_m.tolist() == [0.5, -0.1, 0.2] and np.allclose(got.tool.rotation, DOWN)
    assert np.allclose(got.objects["cube"].rotation, CUBE.rotation, atol=1e-12)
    assert got.objects["target"] is known["target"] and got.command is COMMAND


def test_an_arm_without_gripper_or_wrench_reads_zeros_for_them():
    nothing = np.full(3, math.nan)
    got = readings.reading(
        messages(replace(STATE, width_m=math.nan, force_n=nothing, torque_nm=nothing)), COMMAND, {}
    )
    assert got.width_m == 0.0 and not got.force_n.any() and not got.torque_nm.any()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"velocity_mps": np.array([0, math.nan, 0])}, "tool_twist: .* not finite"),
        ({"joints_rad": np.full(7, math.inf)}, "joint_states: .* not finite"),
        ({"tool": Pose(np.array([math.nan, 0, 0]), DOWN)}, "tool_pose: the pose cannot be used: not finite"),
    ],
)
def test_what_is_not_finite_is_refused_by_name(changed, text):
    with pytest.raises(SensorError, match=text):
        readings.reading(messages(replace(STATE, **changed)), COMMAND, {})


def test_an_object_in_another_frame_is_a_fault_of_its_source():
    seen = readings.observer(("cube",), {}, readings.Freshness(), {})
    sent = messages()
    sent[topics.object_pose("cube").name].header.frame_id = "camera"
    offer(seen, sent, 5.0)
    assert seen.problem(5.0) == (
        "objects/cube: the pose cannot be used: wrong frame; it must be in frame 'base'"
    )


def test_frozen_joints_are_found_while_their_stamps_go_on():
    seen = readings.observer((), {}, readings.Freshness(), {})
    for k in range(60):
        at_s = 0.01 * k
        sent = messages()
        del sent[topics.object_pose("cube").name]
        offer(seen, sent, at_s)
        assert bool(seen.problem(at_s)) is (at_s > 0.35), at_s
    assert seen.problem(at_s).startswith("joint_states: values keep coming but have said the same for 0.5")


def test_a_pose_comes_back_from_its_numbers_bit_for_bit():
    again = readings.pose_of(readings.pose_numbers(CUBE))
    assert (again.rotation == CUBE.rotation).all() and (again.position_m == CUBE.position_m).all()


@pytest.mark.parametrize(
    ("report", "silent_s", "modes", "text"),
    [
        (None, 0.0, (Mode.ARMED,), "the gate is silent"),
        (GateReport(Mode.ACTIVE, "commanded", {}), 0.6, (Mode.ACTIVE,), "the gate is silent"),
        (
            GateReport(Mode.STOPPED, "e-stop pressed", {}),
            0.1,
            (Mode.ACTIVE,),
            "is STOPPED: e-stop pressed; .*arm",
        ),
        (GateReport(Mode.DISARMED, "started", {}), 0.1, (Mode.ARMED,), "service /arm/gate/arm"),
        (GateReport(Mode.ARMED, "paused", {}), 0.1, (Mode.ACTIVE,), "the gate took no action"),
        (GateReport(Mode.ACTIVE, "commanded", {}), 0.1, (Mode.ARMED, Mode.ACTIVE), "^$"),
    ],
)
def test_what_a_gates_state_means_for_the_commander(report, silent_s, modes, text):
    import re

    assert re.search(text, gate_fault(report, silent_s, modes, "arm"))
