"""How a `RobotEnv`'s trial begins: where things stand, by controllers, by a person; on two kinds of robot."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from tests.robots.resets.test_machine import Drive

from sandlot.learners.errors import SandlotError
from sandlot.learners.schema import Entry
from sandlot.robots.env import RobotEnv
from sandlot.robots.errors import ResetFailedError, RobotStoppedError
from sandlot.robots.intervention import Intervention


class Carriage:
    """A carriage on a rail, in simulation: a reset puts it where the scene wants it."""

    control_hz = 10.0
    cameras = {}

    def __init__(self):
        self.at, self.said, self.blocked, self.diverged = 0.0, [], False, False

    def reset(self, scene, rng):
        self.said.append("reset")
        self.at = scene

    def settle(self):
        self.said.append("settle")

    def observe(self):
        return self.at

    def images(self):
        return {}

    def act(self, action):
        if self.diverged:
            raise SandlotError("the simulation diverged")
        self.at += 0.0 if self.blocked else float(action[0])
        return action

    def render(self):
        return np.zeros((2, 2, 3), np.uint8)

    def close(self):
        pass


class Hardware(Carriage):
    """The same behind a gate that a person arms: it moves by itself, and nobody teleports it."""

    armed = True

    def reset(self, scene, rng):
        self.settle()
        super().reset(self.at, rng)

    def settle(self):
        super().settle()
        if not self.armed:
            raise RobotStoppedError("the gate is STOPPED")

    def pause(self):
        self.said.append("pause")

    def figures(self):
        return {}

    def note(self, note):
        pass

    def stop(self):
        self.said.append("stop")
        self.armed = False


class OnTopics(Hardware):
    """A simulated device behind a gate: it puts things where they belong, once it is armed."""

    def reset(self, scene, rng):
        self.settle()
        Carriage.reset(self, scene, rng)

    def places(self):
        return True


class There:
    """Bring the carriage to 10; the reverse task brings it to 0."""

    max_steps = 4
    resets = (Drive(),)

    def __init__(self, goal=10.0):
        self.goal, self.name = goal, "there" if goal else "back"
        self.reverse = "back" if goal else "there"

    def reversed(self):
        return There(10.0 - self.goal)

    def state_entries(self):
        return (Entry("at", 1),)

    def action_entries(self):
        return (Entry("go", 1, low=-1, high=1),)

    def scene(self, rng):
        return 10.0 - self.goal

    def observe(self, reading):
        return np.float32([reading])

    def success(self, reading):
        return abs(reading - self.goal) < 0.6

    def nothing_to_do(self, reading):
        return abs(reading - self.goal) < 1.6

    def stuck(self, reading, before):
        return reading < 0 and before < 0

    def expert(self, reading):
        return np.float32([1.0])


def go(env, action, steps=1):
    for _ in range(steps):
        found = env.step(np.float32([action]))
    return found


def test_two_envs_round_one_robot_take_turns_where_it_stands():
    env = RobotEnv(Carriage(), There())
    back = env.reversed()
    assert (env.reverse_task, back.reverse_task, back.env_spec.task) == ("back", "there", "back")
    assert back.robot is env.robot
    assert env.reset(options={"continue": True})[1]["success"] is False  # the first trial has a scene
    assert env.robot.said == ["reset"]
    go(env, 1.0, 3)
    obs, info = back.reset(options={"continue": True})
    assert obs["state"] == 3.0 and env.robot.said == ["reset", "settle"] and not info["success"]
    assert not info["nothing_to_do"] and go(back, -1.0, 2)[4]["success"] is False
    assert back.reset(options={"continue": True})[1]["nothing_to_do"] is True  # and yet no success
    assert go(back, -1.0)[2] is True and back.reset(options={"continue": True})[1]["success"] is True
    assert [go(back, -1.0)[4]["stuck"] for _ in range(2)] == [False, True]
    assert back.reset(options={"continue": True})[1]["stuck"] is True  # nothing came before
    env.reset()
    assert env.robot.said[-1] == "reset"


def test_controllers_bring_things_to_the_scene_and_their_work_is_told():
    env = RobotEnv(Carriage(), There())
    env.reset()
    go(env, 1.0, 4)
    obs, info = env.reset(options={"scripted": True})
    (note,) = info["resets"]
    assert abs(obs["state"][0]) <= 0.5 and (note.controller, note.steps, note.failed) == ("drive", 4, "")
    assert "called" not in info


def test_after_a_simulation_diverged_nothing_is_continued():
    env = RobotEnv(Carriage(), There())
    env.reset()
    env.robot.diverged = True
    with pytest.raises(SandlotError, match="diverged"):
        go(env, 1.0)
    env.robot.diverged = False
    env.reset(options={"continue": True})
    assert env.robot.said == ["reset", "reset"]


def test_in_simulation_the_next_reset_stands_for_the_person_who_was_called():
    env = RobotEnv(Carriage(), There())
    env.reset()
    go(env, 1.0, 4)
    env.robot.blocked = True
    with pytest.raises(ResetFailedError, match="'drive' gave up"):
        env.reset(options={"scripted": True})
    env.robot.blocked = False
    obs, info = env.reversed().reset(options={"continue": True})
    assert env.robot.said[-1] == "reset" and "called" not in info  # the failure was counted already
    _, info = env.reset(options={"call": "nothing works"})
    assert info["called"] == 1.0 and env.robot.said[-1] == "reset"


@pytest.fixture
def clock(monkeypatch):
    """A steady clock that goes on by 0.1 s whenever somebody looks."""
    now_s = itertools.count(0.0, 0.1)
    monkeypatch.setattr("sandlot.robots.resets.plan.time", SimpleNamespace(monotonic=lambda: next(now_s)))


def test_a_robot_is_stopped_waits_for_a_person_and_goes_on_when_armed(clock):
    env = RobotEnv(Hardware(), There())
    env.reset()
    go(env, 1.0, 4)
    env.robot.blocked = True
    with pytest.raises(ResetFailedError, match="'drive' gave up"):
        env.reset(options={"scripted": True})
    assert env.robot.said[-1] == "stop" and not env.robot.armed
    before = env.robot.at
    for _ in range(5):  # however often the actor asks: nothing moves, and nobody is called again
        with pytest.raises(RobotStoppedError, match="'drive' gave up after.*the gate is STOPPED"):
            env.reset(options={"scripted": True})
    assert env.robot.at == before and env.robot.said.count("stop") == 1
    env.robot.blocked, env.robot.armed = False, True
    obs, info = env.reset(options={"scripted": True})
    assert abs(obs["state"][0]) <= 0.5 and [n.controller for n in info["resets"]] == ["drive"]


def test_a_simulated_device_behind_a_gate_puts_things_right_when_a_person_has_armed_it(clock):
    env = RobotEnv(OnTopics(), There())
    env.reset()
    go(env, 1.0, 4)
    env.robot.blocked = True
    with pytest.raises(ResetFailedError):
        env.reset(options={"scripted": True})
    with pytest.raises(RobotStoppedError):
        env.reset(options={"scripted": True})
    env.robot.armed = True
    _, info = env.reset(options={"scripted": True})  # still blocked: only a hand can have moved it
    assert env.robot.said[-1] == "reset" and env.robot.at == 0.0 and info["resets"] == []
    env.reset(options={"continue": True})
    assert env.robot.said[-1] == "settle"


def test_a_call_without_a_failed_controller_stops_the_robot_once():
    env = RobotEnv(Hardware(), There())
    env.reset()
    ask = {"call": "50 trials in a row failed"}
    with pytest.raises(RobotStoppedError, match="50 trials in a row failed: a person is called"):
        env.reset(options=ask)
    with pytest.raises(RobotStoppedError, match="the gate is STOPPED"):
        env.reset(options=ask)
    env.robot.armed = True
    _, info = env.reset(options=ask)
    assert env.robot.said.count("stop") == 1 and env.robot.armed
    assert "called" not in info  # the error was the call: it must not be counted twice


def test_a_person_at_the_controls_has_them_in_both_directions():
    env = Intervention(RobotEnv(Hardware(), There()), lambda now_s: None)
    back = env.get_wrapper_attr("reversed")()
    assert isinstance(back, Intervention) and back.unwrapped.robot is env.unwrapped.robot
    assert back.unwrapped.task.name == "back"
