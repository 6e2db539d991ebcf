"""The simulated arm in real time: it acts at once, brakes in time, keeps to the present; its sensors live."""

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.command import advance
from sandlot.robots.arm.spec import DOWN, Command, Pose
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.arm.tasks_cable import SEEN
from sandlot.robots.errors import DeviceError
from sandlot.sim.arm_device import Config, make

STILL_RADPS = 0.02


def device(**settings):
    """A connected device whose time begins at 100 s."""
    made = make(Config(**settings))
    made.connect()
    made.read(100.0)
    return made


def fastest(state):
    return float(np.abs(state.joint_speeds_radps).max())


def rush(arm, task, rng, now_s, periods):
    """Full speed: corner actions, a new command every 100 ms; ends in the middle of a period."""
    command = Command(arm.read(now_s).tool, True)
    for _ in range(periods):
        action = rng.choice([-1.0, 1.0], 7)
        command = advance(command, action, arm.read(now_s).tool, task.limits)
        arm.command(command.pose, 0.08, now_s)
        for _ in range(10):
            now_s += 0.01
            arm.read(now_s)
    arm.command(advance(command, action, arm.read(now_s).tool, task.limits).pose, 0.08, now_s)
    return now_s + float(rng.uniform(0.02, 0.1))


@pytest.mark.parametrize("name", ["arm_pick", "arm_insert"])
def test_from_full_speed_it_is_at_rest_within_250_ms_of_hold_and_stays_there(name):
    arm, rng, now_s, speeds = device(task=name), np.random.default_rng(0), 100.0, []
    for _ in range(15):
        now_s = rush(arm, TASKS[name](), rng, now_s, int(rng.integers(1, 5)))
        before = arm.read(now_s)
        speeds.append(fastest(before))
        arm.hold(now_s)
        trace = [fastest(arm.read(now_s + 0.01 * k)) for k in range(1, 60)]
        assert max(trace[25:]) < STILL_RADPS
        assert max(trace) < speeds[-1] + 0.15  # the torque's rate is limited: it cannot turn round at once
        now_s += 0.6
    assert max(speeds) > 0.7


def test_a_held_arm_does_not_sag_creep_or_let_go():
    arm = device()
    arm.hold(100.0)
    start = arm.read(100.1)
    later = arm.read(100.2)
    for k in range(100):
        later = arm.read(100.2 + 0.1 * k)
    assert np.abs(later.joints_rad - start.joints_rad).max() < 5e-4
    assert later.width_m == pytest.approx(start.width_m, abs=1e-4)


def test_a_command_moves_the_arm_at_once_and_is_reached():
    arm = device()
    tool = arm.read(100.1).tool
    goal = Pose(tool.position_m + [0.03, 0.0, 0.0], tool.rotation)
    arm.command(goal, 0.0, 100.1)
    assert arm.read(100.15).tool.position_m[0] - tool.position_m[0] > 0.001
    for k in range(1, 6):
        arrived = arm.read(100.1 + 0.1 * k).tool  # a spring and a damper lag 75 ms
    np.testing.assert_allclose(arrived.position_m, goal.position_m, atol=0.003)
    assert rotation.length(rotation.between(arrived.rotation, DOWN)) < 0.02
    assert arm.read(100.7).width_m < 0.01


def test_after_a_hold_the_next_command_starts_from_where_the_arm_is():
    arm, rng = device(), np.random.default_rng(1)
    now_s = rush(arm, TASKS["arm_pick"](), rng, 100.0, 4)
    arm.hold(now_s)
    rest = arm.read(now_s + 0.15)
    rest = arm.read(now_s + 0.3)
    arm.command(rest.tool, 0.08, now_s + 0.3)
    speeds = [fastest(arm.read(now_s + 0.3 + 0.01 * k)) for k in range(1, 40)]
    assert max(speeds) < 0.3
    np.testing.assert_allclose(arm.read(now_s + 0.75).tool.position_m, rest.tool.position_m, atol=0.002)


def test_a_process_that_was_held_up_skips_time_instead_of_running_after_it(caplog):
    arm = device()
    arm.read(100.1)
    before = arm.pace.skipped_s
    arm.read(160.1)
    assert arm.pace.skipped_s - before == pytest.approx(60.0, abs=0.01)
    assert "sim_behind" in caplog.text
    arm.read(160.2)
    assert arm.pace.skipped_s - before == pytest.approx(60.0, abs=0.01)


def test_physics_runs_as_much_as_time_passes_however_often_it_is_asked():
    often, seldom = device(), device()
    for k in range(1, 101):
        often.read(100.0 + 0.001 * k)
    seldom.read(100.1)
    for arm in (often, seldom):
        assert float(arm._physics.data.time) == pytest.approx(float(often._physics.data.time), abs=0.0021)


def test_its_sensors_are_never_twice_the_same_so_that_frozen_ones_stand_out():
    arm = device()
    arm.hold(100.0)
    for k in range(1, 100):
        arm.read(100.0 + 0.01 * k)
    one, two = arm.read(101.01), arm.read(101.02)
    for name in ("joints_rad", "joint_speeds_radps", "velocity_mps", "force_n"):
        assert (getattr(one, name) != getattr(two, name)).all(), name
    assert (one.tool.position_m != two.tool.position_m).all()
    assert (one.objects["cube"].position_m != two.objects["cube"].position_m).all()
    assert np.abs(one.joints_rad - two.joints_rad).max() < 2e-4


def test_objects_are_put_where_they_are_asked_to_be_at_rest():
    arm = device()
    pose = Pose(np.array([0.45, 0.1, 0.02]), rotation.exp(np.array([0.0, 0.0, 0.2])))
    arm.place("cube", pose, 100.1)
    seen = arm.read(100.2).objects["cube"]
    np.testing.assert_allclose(seen.position_m, pose.position_m, atol=5e-4)
    assert rotation.length(rotation.between(seen.rotation, pose.rotation)) < 0.01
    with pytest.raises(DeviceError, match="no object 'banana'.*there are: cube"):
        arm.place("banana", pose, 100.2)


def test_a_hole_is_placed_too():
    arm = device(task="arm_insert")
    pose = Pose(np.array([0.47, 0.03, 0.03]), np.eye(3))
    arm.place("hole", pose, 100.1)
    np.testing.assert_allclose(arm.read(100.11).objects["hole"].position_m, pose.position_m, atol=1e-4)


def test_a_cable_is_seen_but_cannot_be_placed():
    arm = device(task="arm_cable")
    assert set(arm.read(100.0).objects) == {"clip", *SEEN}
    with pytest.raises(DeviceError, match="no object 'cable_1'.*there are: clip"):
        arm.place("cable_1", Pose(np.array([0.5, 0.0, 0.05]), np.eye(3)), 100.1)


def test_frames_show_the_present_and_their_lowest_bit_is_never_quiet():
    arm = device(cameras=("side",), image_width_px=64, image_height_px=48)
    one, two = arm.frames(100.0)["side"], arm.frames(100.0)["side"]
    assert one.pixels.shape == (48, 64, 3)
    assert one.pixels.mean() > 20
    difference = np.abs(one.pixels.astype(int) - two.pixels)
    assert difference.max() == 1
    arm.place("cube", Pose(np.array([0.5, 0.0, 0.15]), np.eye(3)), 100.05)
    arm.read(100.06)
    moved = arm.frames(100.06)["side"]
    assert moved.stamp_s == 100.06
    assert np.abs(moved.pixels.astype(int) - one.pixels).max() > 20
    arm.close_frames()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"task": "arm_dance"}, "task is 'arm_dance': it must be one of arm_reach, arm_pick, arm_insert"),
        ({"image_width_px": 0}, "image_width_px is 0"),
        ({"cameras": ("nose",)}, "camera 'nose' does not exist; choose from .*wrist"),
        ({"mjcf": "nowhere.xml"}, "nowhere.xml' does not exist"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, text):
    with pytest.raises(ConfigError, match=text):
        device(**settings)
