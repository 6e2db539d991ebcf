"""The actor and a robot that moves by itself: when it is told to hold, what happens while it cannot go on."""

import threading

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sandlot.learners import envs
from sandlot.learners.actor import ENV_TRIES, Actor
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.config import TrainConfig
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError, NotReadyError
from sandlot.learners.evaluate import EvalConfig
from sandlot.learners.pace import Pacer
from sandlot.learners.policy import Policy, PolicyArch
from sandlot.learners.real_time import RealTime, when_ready
from sandlot.learners.schema import Flag, Source

ARCH = PolicyArch(hidden=(2,))
LENGTH = 3


class Mover(gym.Env):
    """A point that moves by itself: what it was told, in order, is in `said`."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self):
        self.real_time = self
        self.said, self.notes = [], []
        self.refuse_reset = self.refuse_step = 0
        self.info = {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.refuse_reset -= 1
        if self.refuse_reset >= 0:
            raise NotReadyError("the gate is STOPPED")
        self.steps = 0
        self.said.append("reset")
        return np.float32([0.0]), {}

    def step(self, action):
        self.refuse_step -= 1
        if self.refuse_step >= 0:
            raise NotReadyError("camera silent")
        self.steps += 1
        self.said.append("step")
        return np.float32([0.1]), 1.0, False, self.steps == LENGTH, self.info

    def pause(self):
        self.said.append("pause")

    def figures(self):
        return {"obs_age_p99_ms": 7.0}

    def note(self, note):
        self.notes.append(note)


gym.register("Mover-v0", entry_point=Mover)


def make(tmp_path, **settings):
    settings = {"learner": "127.0.0.1:9", "pace": "free", "spool": str(tmp_path / "spool"), **settings}
    actor = Actor(ActorConfig(task="gymnasium:Mover-v0", **settings), threading.Event())
    actor.sent, actor.reports, actor.waits = [], [], []
    actor.now.client.send = lambda steps, finals: actor.sent.extend(steps.copy())
    actor.now.client.report = actor.reports.append
    actor.stop.wait = actor.waits.append  # nobody waits here
    weights = {name: np.zeros(shape, np.float32) for name, shape in ARCH.shapes(actor.spec).items()}
    actor.now.feed.policy = Policy(spec=actor.spec, arch=ARCH, weights=weights, version=4)
    return actor, actor.now.env.unwrapped


@pytest.fixture
def moving(tmp_path):
    actor, robot = make(tmp_path)
    yield actor, robot
    actor.close()


def flags(actor):
    return [int(s["flags"]) for s in actor.sent]


def test_a_robot_is_told_to_hold_when_its_episode_is_over_and_hears_of_every_step(moving):
    actor, robot = moving
    assert isinstance(robot, RealTime)
    actor.play_episode()
    assert robot.said == ["reset", *["step"] * LENGTH, "pause"]
    assert [(n.episode, n.step, n.flags) for n in robot.notes] == [
        (0, 0, 0),
        (0, 1, 0),
        (0, 2, Flag.TRUNCATED | Flag.END),
    ]
    assert {n.policy_version for n in robot.notes} == {4}


def test_every_step_goes_out_at_once_and_its_figures_are_reported(moving):
    actor, robot = moving
    actor.play_episode()
    assert len(actor.sent) == LENGTH and actor.timed
    assert actor.reports[0]["obs_age_p99_ms"] == 7.0 and actor.reports[0]["not_ready"] == 0


@pytest.mark.parametrize("times", [1, 3 * ENV_TRIES])
def test_a_robot_that_is_not_ready_is_waited_for_as_long_as_it_takes(moving, times):
    actor, robot = moving
    robot.refuse_reset = times
    for _ in range(times + 1):
        actor.play_episode()
    assert len(actor.sent) == LENGTH and actor.faults == 0 and actor.not_ready == times
    assert len(actor.waits) == times


def test_a_fault_in_a_step_aborts_it_and_is_never_counted_against_the_env(moving):
    actor, robot = moving
    for _ in range(3 * ENV_TRIES):
        robot.refuse_step = 1
        actor.play_episode()
    assert flags(actor) == [Flag.ABORTED | Flag.END] * 3 * ENV_TRIES
    assert actor.faults == 0 and robot.said[-1] == "pause"
    assert [n.flags for n in robot.notes] == flags(actor)


def test_stale_weights_end_the_episode_of_a_robot(tmp_path):
    actor, robot = make(tmp_path, stale_policy_s=5.0, on_stale="stop")
    ages = [0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 0.0]
    actor.now.feed.age_s = lambda now_s: ages.pop(0) if ages else 0.0
    actor.play_episode()
    assert robot.said[-1] == "pause" and robot.said.count("pause") == 1
    steps = robot.said.count("step")
    assert 0 < steps < LENGTH and actor.pacer.taken == steps
    actor.play_episode()
    assert [int(s["episode"]) for s in actor.sent] == [0] * steps + [1] * LENGTH
    assert actor.sent[steps - 1]["flags"] == Flag.END
    actor.close()


def test_waiting_for_the_learner_ends_the_episode_and_costs_no_allowance(tmp_path, monkeypatch):
    actor, robot = make(tmp_path, pace="learner")
    info = {"may_take": 1.0, "actors": 1.0}
    monkeypatch.setattr(type(actor.now.client), "info", info)
    monkeypatch.setattr("sandlot.learners.pace.time.sleep", lambda s: info.update(may_take=99.0))
    actor.play_episode()
    assert robot.said[-1] == "pause" and robot.said.count("pause") == 1
    steps = robot.said.count("step")
    assert 0 < steps < LENGTH and actor.pacer.taken == steps
    actor.play_episode()
    assert robot.said[-2:] == ["step", "pause"] and actor.pacer.taken == steps + LENGTH
    actor.close()


def test_a_persons_step_is_stored_as_theirs_with_both_actions(moving):
    actor, robot = moving
    robot.info = {"action": np.float32([0.75]), "source": Source.HUMAN}
    actor.play_episode()
    for step in actor.sent:
        assert step["source"] == Source.HUMAN and step["action"] == np.float32([0.75])
        assert step["policy_action"] != step["action"]


def test_an_env_that_keeps_time_is_watched_and_not_waited_for(monkeypatch):
    monkeypatch.setattr("sandlot.learners.pace.time.sleep", lambda s: pytest.fail("slept"))
    pacer = Pacer("realtime", 0.1, lambda: False, env_keeps_time=True)
    for _ in range(3):
        pacer.wait(lambda: 1.0)
    assert pacer.taken == 3 and pacer.jitter_ms()["loop_p50_ms"] == pytest.approx(100, abs=20)


def test_an_attempt_is_repeated_until_the_robot_is_ready(monkeypatch):
    slept = []
    monkeypatch.setattr("sandlot.learners.real_time.time.sleep", slept.append)
    tries = iter([NotReadyError("a"), NotReadyError("b"), None])

    def attempt():
        error = next(tries)
        if error:
            raise error
        return 7

    assert when_ready(attempt) == 7 and len(slept) == 2


@pytest.mark.parametrize(
    ("make_config", "text"),
    [
        (lambda: EnvConfig(robot="ros", randomize=True), "--randomize is for simulated robots"),
        (lambda: EnvConfig(robot="ros", mjcf="a.xml"), "--mjcf is for simulated robots"),
        (lambda: EnvConfig(teleop="joy"), "--teleop joy needs --robot ros"),
        (lambda: EnvConfig(robot="ros", teleop="scripted"), "--teleop scripted is for --robot sim"),
        (lambda: EnvConfig(person=("late=1",)), "--person is about the scripted person"),
        (lambda: TrainConfig(task="arm_pick", actors=2, env=EnvConfig(robot="ros")), "commanded by 1 actor"),
        (lambda: EvalConfig(task="arm_pick", workers=2, env=EnvConfig(robot="ros")), "by 1 worker only"),
        (lambda: envs.make("arm_pick", robot="moon"), "does not exist on robot 'moon'"),
        (lambda: envs.make("gymnasium:Mover-v0", robot="ros"), "only Sandlot's own tasks take robot"),
    ],
)
def test_what_cannot_be_asked_of_a_robot_is_refused_by_name(make_config, text):
    with pytest.raises(ConfigError, match=text):
        make_config()


def test_the_command_line_of_a_simulated_run_is_what_it_was():
    assert EnvConfig().kwargs() == {} and EnvConfig(cameras=("wrist",)).kwargs() == {"cameras": ("wrist",)}
    assert EnvConfig(robot="ros", teleop="joy").kwargs() == {"robot": "ros", "teleop": "joy"}
