"""The arm's controllers on the simulated arm, from wherever a trial may leave things."""

from dataclasses import replace

import numpy as np
import pytest
from bench.faults_reset import KINDS, Broken, fault_26

from sandlot.learners import envs
from sandlot.robots import rotation
from sandlot.robots.arm.spec import DOWN, Command, Pose
from sandlot.robots.arm.task import yawed
from sandlot.robots.arm.tasks_relocate import Place
from sandlot.robots.resets.arm import LiftOut, PutBack, Retreat, holds


@pytest.fixture(scope="module")
def env():
    env = envs.make("arm_relocate")
    yield env
    env.close()


def put(env, x, y, z=0.02, turn_rad=(0, 0, 0)):
    """Places the cube by hand, turned by a rotation vector."""
    data = env.unwrapped.robot.data
    data.joint("cube").qpos[:] = (x, y, z, *rotation.quat(rotation.exp(np.array(turn_rad, float))))
    data.joint("cube").qvel[:] = 0
    still = np.zeros(7, np.float32)
    for _ in range(3):
        env.step(still)


def scripted(env, seed):
    _, info = env.reset(seed=seed, options={"scripted": True})
    return [note.controller for note in info["resets"]], info["resets"]


@pytest.mark.parametrize("spot", [(0.5, 0.0), (0.5, -0.11), (0.46, 0.0), (0.55, -0.15)])
def test_a_cube_between_the_bins_or_in_the_wrong_one_is_put_where_the_task_begins(env, spot):
    env.reset(seed=1)
    put(env, *spot)
    names, notes = scripted(env, 2)
    inner = env.unwrapped
    assert inner.task.place(inner.robot.observe()) is Place.A
    assert names == ["put_back", "go_home"] and all(n.tries == 1 for n in notes)
    assert 1.0 < sum(n.seconds for n in notes) < 12.0


TUMBLED = rotation.log(
    rotation.mul(rotation.exp(np.array([0, 0, 0.4])), rotation.exp(np.array([0, -np.pi / 2, 0])))
)


@pytest.mark.parametrize(
    ("spot", "turn_rad"),
    [
        ((0.5, -0.11), (0, 0, 0.7)),  # further than the hand may turn
        ((0.46, -0.1), (0, 0, -0.78)),
        ((0.5, 0.0), TUMBLED),  # its x axis points up
        ((0.45, -0.17, 0.05), (0, 0, 0.7)),  # it leans on a rim
        ((0.641, 0.0), (0, 0, 0.7)),  # beyond the border, by less than the fingers are wide
        ((0.55, 0.221), (0, 0, 0)),
    ],
)
def test_however_a_cube_lies_it_is_put_back_at_the_first_try(env, spot, turn_rad):
    env.reset(seed=1)
    put(env, *spot, turn_rad=turn_rad)
    names, notes = scripted(env, 2)
    inner = env.unwrapped
    assert inner.task.place(inner.robot.observe()) is Place.A
    assert names == ["put_back", "go_home"] and all(n.tries == 1 for n in notes)


def test_the_hand_does_not_waver_where_a_cube_could_be_grasped_either_way_round(env):
    env.reset(seed=1)
    put(env, 0.5, 0.0)
    inner = env.unwrapped
    reading, hold = inner.robot.observe(), PutBack(inner.task.limits)
    for hand_rad in (0.4, -0.4):
        turned = rotation.mul(yawed(hand_rad), DOWN)
        above = replace(reading, tool=Pose(np.array([0.5, 0.0, 0.08]), turned), width_m=0.08)
        above = replace(above, command=Command(above.tool, True))
        for seen_rad in (np.pi / 4 - 0.03, np.pi / 4 + 0.03):
            cube = Pose(reading.objects["cube"].position_m, yawed(seen_rad))
            _, action = hold.next("above it", replace(above, objects={"cube": cube}), None)
            assert action[5] * hand_rad > 0  # on, to 0.5 rad, in either case


def test_a_cube_in_the_hand_is_in_reach_even_beyond_the_border(env):
    inner = env.unwrapped
    reading, scene = inner.robot.observe(), inner.task.scene(np.random.default_rng(0))
    out = {"cube": Pose(np.array([0.35, 0.0, 0.1]), np.eye(3))}
    tool = Pose(np.array([0.37, 0.0, 0.1]), DOWN)
    held = replace(reading, tool=tool, objects=out, width_m=0.04, command=Command(tool, False))
    assert not PutBack(inner.task.limits).problem(held, scene)
    assert "out of the arm's reach" in PutBack(inner.task.limits).problem(replace(held, width_m=0.08), scene)


def test_a_cube_in_the_hand_is_put_down_where_it_belongs(env):
    env.reset(seed=3)
    while not (
        holds(env.unwrapped.robot.observe(), "cube")
        and env.unwrapped.robot.observe().tool.position_m[2] > 0.08
    ):
        env.step(env.unwrapped.expert_action())
    names, _ = scripted(env, 4)
    inner = env.unwrapped
    assert inner.task.place(inner.robot.observe()) is Place.A and names[-1] == "go_home"
    assert inner.robot.observe().command.gripper_open


def test_a_hand_low_in_a_corner_is_lifted_out(env):
    env.reset(seed=5)
    low = np.float32([1, 1, -1, 0, 0, 0, -1])  # forward and left, down, closed round nothing
    for _ in range(14):
        env.step(low)
    names, _ = scripted(env, 6)
    assert names[0] == "lift_out" and names[-1] == "go_home"


def test_when_each_of_them_has_something_to_do(env):
    env.reset(seed=7)
    inner = env.unwrapped
    reading, scene, limits = (
        inner.robot.observe(),
        inner.task.scene(np.random.default_rng(0)),
        inner.task.limits,
    )
    shut = replace(reading, width_m=0.0, command=replace(reading.command, gripper_open=False))
    assert Retreat(limits).applies(shut, scene) and not Retreat(limits).applies(reading, scene)
    assert not Retreat(limits).applies(shut, replace(scene, gripper_open=False))
    assert not LiftOut(limits).applies(reading, scene)
    assert not PutBack(limits, "lid").applies(reading, scene)  # nobody knows where that is
    there = replace(reading, objects=scene.objects)
    assert not PutBack(limits).applies(there, scene) and not PutBack(limits).problem(there, scene)
    for at in ((0.9, 0.0, 0.02), (0.5, 0.11, -1.0), (np.nan, 0.0, 0.0)):
        lost = replace(reading, objects={"cube": Pose(np.array(at), np.eye(3))})
        assert "out of the arm's reach" in PutBack(limits).problem(lost, scene)


def test_every_kind_of_broken_reset_ends_and_calls_a_person():
    assert fault_26(injections=len(KINDS))["violations"] == 0


def test_the_bench_notices_a_reset_that_does_not_fail(monkeypatch):
    monkeypatch.setattr(Broken, "broken", "")
    assert fault_26(injections=1)["violations"] == 1
