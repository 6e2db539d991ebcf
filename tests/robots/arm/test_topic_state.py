"""An arm's messages put together by hand: joints by name, speeds by differences, silence; the glide."""

import math

import numpy as np
import pytest

from sandlot.robots import rotation
from sandlot.robots.arm.glide import Glide, staying
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.arm.topic_state import GripperScale, TopicState
from sandlot.robots.errors import DeviceError


def at(x_m, yaw_rad=0.0):
    return Pose(np.array([x_m, 0, 0.3]), rotation.exp(np.array([0, 0, yaw_rad])) @ DOWN)


@pytest.fixture
def heard():
    state = TopicState(("a", "b"), GripperScale(joint="finger", closed=0.0, open=0.04, width_m=0.08))
    state.hear_joints(["finger", "b", "a"], [0.02, 2.0, 1.0], [0.0, 0.2, 0.1], 10.0)
    state.hear_tool(at(0.5), 10.0)
    return state


def test_joints_are_found_by_name(heard):
    state = heard.state(10.01, 0.5)
    assert state.joints_rad.tolist() == [1.0, 2.0] and state.joint_speeds_radps.tolist() == [0.1, 0.2]
    assert state.width_m == pytest.approx(0.04) and state.stamp_s == 10.0
    assert np.isnan(state.force_n).all() and state.velocity_mps.tolist() == [0, 0, 0]


def test_speeds_that_are_not_published_are_differences(heard):
    for k in range(1, 30):
        heard.hear_joints(["a", "b"], [1.0 + 0.01 * k, 2.0], [], 10.0 + 0.01 * k)
        heard.hear_tool(at(0.5 + 0.002 * k, 0.005 * k), 10.0 + 0.01 * k)
    state = heard.state(10.3, 0.5)
    assert state.joint_speeds_radps == pytest.approx([1.0, 0.0], abs=1e-3)
    assert state.velocity_mps == pytest.approx([0.2, 0, 0], abs=1e-3)
    assert state.angular_radps == pytest.approx([0, 0, 0.5], abs=1e-3)


def test_a_wrench_in_tool_axes_is_turned_into_the_base(heard):
    heard.hear_wrench(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0]), True)
    state = heard.state(10.0, 0.5)
    assert state.force_n.tolist() == [1.0, -2.0, -3.0] and state.torque_nm.tolist() == [0, 0, -1.0]
    heard.hear_wrench(np.array([1.0, 2.0, 3.0]), np.zeros(3), False)
    assert heard.state(10.0, 0.5).force_n.tolist() == [1.0, 2.0, 3.0]


def test_the_stamp_is_that_of_the_older_part(heard):
    heard.hear_tool(at(0.5), 10.2)
    assert heard.state(10.3, 0.5).stamp_s == 10.0


def test_silence_is_named(heard):
    heard.hear_tool(at(0.5), 10.6)
    with pytest.raises(DeviceError, match=r"no joint states for 0.60 s \(limit 0.5\); is the arm's contr"):
        heard.state(10.6, 0.5)
    heard.hear_joints(["a", "c"], [0, 0], [], 10.6)
    with pytest.raises(DeviceError, match=r"joints \['b'\] are missing; there are \['a', 'c'\]"):
        heard.state(10.6, 0.5)
    heard.hear_joints(["a", "b"], [0, math.nan], [], 10.6)
    with pytest.raises(DeviceError, match="joint positions are not finite"):
        heard.state(10.6, 0.5)
    heard.hear_joints(["a", "b"], [0, 0], [], 11.6)
    with pytest.raises(DeviceError, match="no tool poses for 1.00 s"):
        heard.state(11.6, 0.5)


def test_a_grippers_scale_may_run_backwards():
    scale = GripperScale(joint="f", closed=0.8, open=0.0, width_m=0.1)
    assert scale.position(0.1) == 0.0 and scale.position(0.0) == pytest.approx(0.8)
    assert scale.position(9.0) == 0.0 and scale.width(0.4) == pytest.approx(0.05)


def test_a_glide_begins_where_it_is_and_ends_at_its_goal():
    way = Glide(at(0.5), at(0.6, 0.4), 10.0, 0.1)
    assert way.at(9.0).position_m[0] == 0.5 and way.at(99.0).position_m[0] == pytest.approx(0.6)
    half = way.at(10.05)
    assert half.position_m[0] == pytest.approx(0.55)
    assert rotation.between(at(0.5).rotation, half.rotation) == pytest.approx([0, 0, 0.2])
    assert staying(at(0.5)).at(7.0).position_m[0] == 0.5
