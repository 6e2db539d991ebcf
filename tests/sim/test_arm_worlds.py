"""The worlds of the plugs, the cable and the bins: what fits, what holds, and what stays where it is."""

import dataclasses

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.spec import DOWN, ArmScene, Command, Pose
from sandlot.robots.arm.task import yawed
from sandlot.robots.arm.tasks_cable import SEAT_M, SEEN, ArmCable, crossing
from sandlot.robots.arm.tasks_plug import SOCKET_TOP_M
from sandlot.robots.arm.tasks_relocate import ArmRelocate, Place
from sandlot.sim import arm_cable
from sandlot.sim.arm_envs import make

SOCKET_M = np.array([0.5, 0.0, SOCKET_TOP_M])


def pressed_m(aside_m, turned_rad):
    """How deep the pins go when they are pushed down beside the holes by so much, m."""
    env = make("arm_pcb")
    env.reset(seed=0)
    tip = SOCKET_M + (*aside_m, 0.004)
    scene = ArmScene(Pose(tip, DOWN @ yawed(turned_rad)), False, {"socket": Pose(SOCKET_M, np.eye(3))})
    env.robot.reset(scene, np.random.default_rng(0))
    for _ in range(8):
        env.robot.act(np.array([0, 0, -0.4, 0, 0, 0], np.float32))
    return SOCKET_TOP_M - env.robot.observe().tool.position_m[2]


@pytest.mark.parametrize(
    ("aside_m", "turned_rad", "fits"),
    [
        ((0.0, 0.0), 0.0, True),
        ((0.0015, 0.0), 0.0, False),
        ((0.0, -0.0015), 0.0, False),
        ((0.010, 0.0), 0.0, False),  # one row off: the outermost pins stand on the rim
        ((0.0, 0.0), 0.12, False),
    ],
)
def test_pins_go_in_only_where_the_holes_are(aside_m, turned_rad, fits):
    deep = bool(pressed_m(aside_m, turned_rad) > 0.010)
    assert deep is fits


def test_the_board_lies_anywhere_in_its_square_and_is_found_by_touch():
    env = make("arm_pcb")
    forces = []
    for seed in range(3):
        env.reset(seed=seed)
        ended = False
        while not ended:
            *_, terminated, truncated, _ = env.step(env.expert_action())
            forces.append(np.linalg.norm(env.robot.observe().force_n))
            ended = terminated or truncated
    assert 3.0 < max(forces) < 60.0  # it touched, and never by more than the impedance allows in a shock


def cable_env():
    env = make("arm_cable")
    env.reset(seed=0)
    return env


def test_without_the_plugin_there_is_a_line_that_says_so(monkeypatch):
    monkeypatch.setattr(arm_cable, "CABLE", arm_cable.CABLE.replace("elasticity.cable", "elasticity.rope"))
    with pytest.raises(
        ConfigError, match="MuJoCo cannot make a cable .*mujoco.elasticity.cable: pip install"
    ):
        make("arm_cable")


def test_the_cable_hangs_and_does_not_stretch():
    env = cable_env()
    reading = env.robot.observe()
    points = np.array([reading.objects[name].position_m for name in SEEN])
    np.testing.assert_allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 0.02, atol=1e-6)
    sag = reading.tool.position_m[2] - points[:, 2]
    assert (np.diff(sag) > 0).all() and 0.005 < sag[-1] < 0.06
    np.testing.assert_allclose(points[:, 1], reading.tool.position_m[1], atol=2e-3)
    along = np.array([reading.objects[name].rotation[:, 0] for name in SEEN[:-1]])
    np.testing.assert_allclose(along, np.diff(points, axis=0) / 0.02, atol=1e-6)


def test_a_trial_starts_with_the_cable_at_rest():
    env = cable_env()
    before = env.robot.observe().objects[SEEN[-1]].position_m
    for _ in range(3):
        env.robot.act(np.zeros(6, np.float32))
    np.testing.assert_allclose(env.robot.observe().objects[SEEN[-1]].position_m, before, atol=2e-3)


def test_the_jaws_give_way_and_then_hold_the_cable():
    env = cable_env()
    jaws = [env.robot.model.joint(f"jaw_{s}").qposadr[0] for s in ("left", "right")]
    widest, ended, info = 0.0, False, {}
    while not ended:
        *_, terminated, truncated, info = env.step(env.expert_action())
        widest = max(widest, *env.robot.data.qpos[jaws])
        ended = terminated or truncated
    assert info["success"]
    for _ in range(4):  # lifting a little does not pull it out
        env.robot.act(np.array([0, 0, 0.15, 0, 0, 0], np.float32))
    assert abs(crossing(env.robot.observe())[2]) < 0.004


def test_a_cable_beside_or_above_the_clip_is_no_success():
    task, env = ArmCable(), cable_env()
    reading = env.robot.observe()
    for moved in ((0, 0, 0.008), (0, 0.02, 0), (0.3, 0, 0)):
        points = {
            name: Pose(np.array([0.47 + 0.02 * i, 0, SEAT_M]) + moved, np.eye(3))
            for i, name in enumerate(SEEN)
        }
        clip = {"clip": Pose(np.array([0.5, 0, SEAT_M]), np.eye(3))}
        assert not task.success(dataclasses.replace(reading, objects=points | clip))
    for first_m in (0.47, 0.331, 0.33):  # the last: 1 cm of the free end is in the clip
        points = {
            name: Pose(np.array([first_m + 0.02 * i, 0, SEAT_M]), np.eye(3)) for i, name in enumerate(SEEN)
        }
        assert task.success(dataclasses.replace(reading, objects=points | clip))


def test_there_and_back_and_nothing_is_put_back():
    env = make("arm_relocate")
    env.reset(seed=1)
    robot, task = env.robot, env.task
    for _ in range(4):
        for _ in range(task.max_steps):
            reading = robot.observe()
            if task.success(reading):
                break
            robot.act(task.expert(reading))
        assert task.success(robot.observe())
        before = robot.observe()
        robot.settle()
        after = robot.observe()
        for one, other in ((before.objects["cube"], after.objects["cube"]), (before.tool, after.tool)):
            np.testing.assert_allclose(one.position_m, other.position_m, atol=5e-3)
        assert after.command.gripper_open and not task.stuck(after, before)
        task = task.reversed()
    assert task.name == "arm_relocate"


def in_turn(trials):
    """States of expert trials played there and back without a reset, and whether all succeeded."""
    here = make("arm_relocate", randomize=True)
    there = here.reversed()
    states, done = [], []
    for k in range(trials):
        obs, info = here.reset(seed=k, options={"continue": True})
        assert not info["success"]
        ended = False
        while not ended:
            states.append(obs["state"])
            obs, _, terminated, truncated, info = here.step(here.expert_action(noise=0.1))
            ended = terminated or truncated
        done.append(info["success"])
        here, there = there, here
    return np.array(states), all(done)


def test_trials_in_turn_are_the_same_bit_for_bit_when_repeated():
    (one, succeeded), (two, _) = in_turn(4), in_turn(4)
    assert succeeded and one.tobytes() == two.tobytes()


def test_settling_begins_where_the_tool_is_with_the_gripper_as_it_is():
    env = make("arm_relocate", randomize=True)
    env.reset(seed=0)
    for _ in range(5):
        env.step(np.array([0.5, 0.5, 0, 0, 0, 0, -1], np.float32))
    masses = env.robot.model.body_mass.copy()
    env.robot.settle()
    reading = env.robot.observe()
    assert isinstance(reading.command, Command) and not reading.command.gripper_open
    away = reading.command.pose.position_m - env.robot._physics.tool().position_m
    assert np.linalg.norm(away) < 6e-3
    assert not np.array_equal(masses, env.robot.model.body_mass)  # a new episode's draw


@pytest.mark.parametrize(
    ("cube_m", "place"),
    [
        ((0.5, 0.11, 0.02), Place.A),
        ((0.5, -0.11, 0.02), Place.B),
        ((0.5, -0.18, 0.03), Place.B),  # it leans on the rim from inside
        ((0.5, -0.193, 0.032), Place.OUTSIDE),  # it lies on the rim
        ((0.5, -0.205, 0.03), Place.OUTSIDE),  # it leans on the rim from outside
        ((0.5, -0.11, 0.035), Place.OUTSIDE),  # not at rest
        ((0.5, 0.0, 0.02), Place.OUTSIDE),
        ((0.5, 0.3, 0.02), Place.LOST),
        ((0.5, 0.0, -0.5), Place.LOST),
    ],
)
def test_where_the_cube_is(cube_m, place):
    env = make("arm_relocate")
    env.reset(seed=0)
    reading = env.robot.observe()
    task = ArmRelocate()
    moved = dataclasses.replace(reading, objects={"cube": Pose(np.array(cube_m), np.eye(3))})
    assert task.place(moved) is place
    assert task.stuck(moved, moved) is (place in (Place.OUTSIDE, Place.LOST))
    assert (task.nothing_to_do(moved), task.reversed().nothing_to_do(moved)) == (
        place is Place.B,
        place is Place.A,
    )


@pytest.mark.parametrize(
    ("before_m", "now_m", "stuck"),
    [
        ((0.5, 0.0, 0.02), (0.5, 0.0, 0.02), True),  # it lies between the bins
        ((0.5, 0.0, 0.08), (0.5, 0.0, 0.031), False),  # it falls
        ((0.5, 0.11, 0.03), (0.5, 0.11, 0.02), False),  # it has landed in a bin
        ((0.5, 0.02, 0.02), (0.5, 0.0, 0.02), False),  # it is pushed
        ((0.5, 0.11, 0.02), (0.5, 0.031, 0.02), False),  # it came out of a bin just now
        ((0.8, 0.0, -0.05), (0.8, 0.0, -0.2), True),  # off the table: nothing will stop it within reach
    ],
)
def test_a_cube_is_stuck_when_it_lies_still_where_it_must_not(before_m, now_m, stuck):
    env = make("arm_relocate")
    env.reset(seed=0)
    reading = env.robot.observe()
    before, now = (
        dataclasses.replace(reading, objects={"cube": Pose(np.array(at_m), np.eye(3))})
        for at_m in (before_m, now_m)
    )
    assert ArmRelocate().stuck(now, before) is stuck


def test_relocated_means_released_and_clear():
    env = make("arm_relocate")
    env.reset(seed=0)
    reading, task = env.robot.observe(), ArmRelocate()
    cube = {"cube": Pose(np.array([0.5, -0.11, 0.02]), np.eye(3))}

    def at(height_m, is_open, width_m):
        tool = Pose(np.array([0.5, -0.11, 0.02 + height_m]), DOWN)
        return dataclasses.replace(
            reading, objects=cube, tool=tool, command=Command(tool, is_open), width_m=width_m
        )

    assert task.success(at(0.07, True, 0.08))
    assert not task.success(at(0.05, True, 0.08))  # still around it
    assert not task.success(at(0.07, False, 0.08))
    assert not task.success(at(0.07, True, 0.04))  # not open yet
    assert not task.reversed().success(at(0.07, True, 0.08))


def test_the_scripted_expert_recovers_a_cube_that_fell_beside_the_bins():
    env = make("arm_relocate")
    env.reset(seed=2)
    env.robot._physics.place("cube", Pose(np.array([0.5, 0.0, 0.02]), yawed(0.3)))
    env.robot.settle()
    assert env.task.stuck(env.robot.observe(), env.robot.observe())
    for _ in range(60):
        env.robot.act(env.task.expert(env.robot.observe()))
    assert env.task.success(env.robot.observe())


def test_a_cable_that_is_in_its_clip_is_not_pressed_out_at_the_bottom():
    env = make("arm_cable")
    env.reset(seed=1)
    won = [env.step(env.unwrapped.expert_action())[4]["success"] for _ in range(40)]
    assert any(won) and all(won[won.index(True) + 1 :])
