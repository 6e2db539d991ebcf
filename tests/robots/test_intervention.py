"""Who is executed, what a press does to the episode, and what a lost device does: by hand, step by step."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source
from sandlot.robots.errors import RedoError, RobotStoppedError
from sandlot.robots.intervention import Intervention
from sandlot.robots.teleop.mapping import AXES, Button, Operator

PERIOD_S = 0.1
POLICY = np.float32([0.5] * 7)
SPEC = EnvSpec("t", (Entry("x", 1),), {}, (Entry("a", 7, low=-1, high=1),), 10.0, 100)


class Bench(gym.Env):
    """Counts what is executed; a step takes one control period, during which the person may do something."""

    observation_space = spaces.Dict({"state": spaces.Box(-1, 1, (1,)), "images": spaces.Dict({})})

    def __init__(self, size=7):
        self.action_space = spaces.Box(-1, 1, (size,), np.float32)
        self.now_s, self.paused = 10.0, 0
        self.real_time = self
        self.operator, self.executed = Operator(), []
        self.during = None

    def joy(self, *buttons, axes=(0.0,) * AXES):
        self.operator.offer(axes, [int(b in buttons) for b in Button], self.now_s)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"state": np.zeros(1, np.float32), "images": {}}, {"success": False}

    def step(self, action):
        self.executed.append(np.array(action))
        self.now_s += PERIOD_S
        if self.during:
            self.during()
        return self.reset()[0], 0.0, False, False, {"success": False, "action": np.array(action)}

    def pause(self):
        self.paused += 1


def rig(size=7):
    bench = Bench(size)
    env = Intervention(bench, bench.operator.take, clock=lambda: bench.now_s)
    bench.joy()
    env.reset()
    bench.during = bench.joy
    return bench, env


def holds(bench, *also, axes=(1.0,) + (0.0,) * 6):
    return lambda: bench.joy(Button.TAKE_OVER, *also, axes=axes)


def test_the_policy_acts_while_nobody_drives_even_without_any_device():
    bench = Bench()
    env = Intervention(bench, lambda now_s: None, clock=lambda: bench.now_s)
    env.reset()
    assert "source" not in env.step(POLICY)[4]
    assert (bench.executed[0] == POLICY).all()


def test_a_person_who_drives_is_executed_and_named():
    bench, env = rig()
    bench.joy(Button.TAKE_OVER, axes=(1.0, -0.25, 0, 0, 0, 0, 0))
    bench.during = holds(bench)
    info = env.step(POLICY)[4]
    assert info["source"] is Source.HUMAN
    assert info["action"].tolist() == bench.executed[0].tolist() == [1.0, -0.25, 0, 0, 0, 0, 0]
    bench.during = bench.joy  # lets go during this step
    assert env.step(POLICY)[4]["source"] is Source.HUMAN
    assert "source" not in env.step(POLICY)[4]


def test_a_task_without_gripper_takes_six_numbers():
    bench, env = rig(size=6)
    bench.joy(Button.TAKE_OVER, axes=(1.0,) * 7)
    env.step(POLICY[:6])
    assert bench.executed[0].shape == (6,)


def test_a_gripper_press_between_two_actions_is_executed_once():
    bench, env = rig()
    bench.joy(Button.TAKE_OVER)

    def press_and_release():
        bench.joy(Button.TAKE_OVER, axes=(0.0,) * 6 + (-1.0,))
        bench.joy(Button.TAKE_OVER)

    bench.during = press_and_release
    env.step(POLICY)
    bench.during = holds(bench)
    env.step(POLICY)
    env.step(POLICY)
    assert [a[6] for a in bench.executed] == [0.0, -1.0, 0.0]


@pytest.mark.parametrize(
    ("button", "reward", "terminated", "truncated", "success"),
    [
        (Button.SUCCESS, 1.0, True, False, True),
        (Button.FAILURE, 0.0, True, False, False),
        (Button.NEXT, 0.0, False, True, False),
    ],
)
def test_a_press_during_a_step_ends_the_episode_with_that_step(
    button, reward, terminated, truncated, success
):
    bench, env = rig()
    assert env.step(POLICY)[2:4] == (False, False)
    bench.during = lambda: (bench.joy(button), bench.joy())
    _, got, *ends, info = env.step(POLICY)
    assert (got, ends, info["success"]) == (reward, [terminated, truncated], success)


def test_redo_throws_the_episode_away_and_the_robot_holds():
    bench, env = rig()
    bench.during = lambda: (bench.joy(Button.REDO), bench.joy())
    with pytest.raises(RedoError, match="threw the episode away"):
        env.step(POLICY)
    assert bench.paused == 1
    env.reset()
    bench.during = bench.joy
    assert env.step(POLICY)[2:4] == (False, False)


def test_what_was_pressed_before_an_episode_does_not_end_it():
    bench, env = rig()
    bench.joy(Button.SUCCESS)
    bench.joy()
    env.reset()
    assert env.step(POLICY)[2:4] == (False, False)


def test_a_device_lost_while_it_drives_never_hands_control_to_the_policy():
    bench, env = rig()
    bench.joy(Button.TAKE_OVER)
    bench.during = None  # nothing is heard any more
    env.step(POLICY)
    env.step(POLICY)
    with pytest.raises(RobotStoppedError, match="fell silent while they drove"):
        env.step(POLICY)
    for _ in range(3):
        with pytest.raises(RobotStoppedError):
            env.reset()
    assert bench.paused == 4 and not any((a == POLICY).all() for a in bench.executed)
    bench.joy()
    env.reset()
    bench.during = bench.joy
    env.step(POLICY)
    assert (bench.executed[-1] == POLICY).all()


def test_a_device_lost_while_nobody_drives_changes_nothing():
    bench, env = rig()
    bench.during = None
    for _ in range(5):
        env.step(POLICY)
    assert bench.paused == 0 and len(bench.executed) == 5


def test_an_intervention_is_a_segment_of_its_own_with_both_actions():
    bench, env = rig()
    recorder = EpisodeRecorder(SPEC)
    recorder.begin(env.reset()[0], 0)
    for k in range(6):
        bench.during = holds(bench) if 1 <= k < 3 else bench.joy  # drives in steps 2 and 3
        obs, reward, terminated, truncated, info = env.step(POLICY)
        source = info.get("source", Source.POLICY)
        decision = Decision(info["action"], 0, 0.0, policy_action=POLICY, source=source)
        recorder.add(decision, Outcome(obs, reward, terminated, truncated, 0))
    recorder.cut()
    steps, finals = recorder.take()
    assert steps["source"].tolist() == [0, 0, 1, 1, 0, 0]
    assert steps["segment"].tolist() == [0, 0, 1, 1, 2, 2]
    assert [bool(f & Flag.END) for f in steps["flags"]] == [False, True, False, True, False, True]
    assert len(finals) == 3
    assert (steps["policy_action"] == POLICY).all() and steps["action"][2].tolist() == [1.0] + [0.0] * 6


def test_waiting_for_a_person_forgets_what_was_pressed_meanwhile(monkeypatch):
    bench, env = rig()
    presses = iter([(Button.SUCCESS,), (Button.REDO,), (Button.TAKE_OVER,)])
    monkeypatch.setattr("sandlot.robots.intervention.time.sleep", lambda s: bench.joy(*next(presses)))
    assert env.wait_for_person() and env.drives
    _, _, terminated, truncated, _ = env.step(POLICY)
    assert not terminated and not truncated


def test_whoever_still_drives_has_to_let_go_first(monkeypatch):
    bench, env = rig()
    bench.joy(Button.TAKE_OVER)
    env.listen()
    presses = iter([(Button.TAKE_OVER,), (), (), (Button.TAKE_OVER,)])
    monkeypatch.setattr("sandlot.robots.intervention.time.sleep", lambda s: bench.joy(*next(presses)))
    assert env.wait_for_person() and next(presses, None) is None


def test_a_person_who_quits_is_not_waited_for():
    bench, env = rig()
    bench.joy(Button.QUIT)
    env.listen()
    assert env.quit and not env.wait_for_person()


def test_an_episode_that_the_person_ends_and_keeps_says_so():
    bench, env = rig()
    bench.during = lambda: bench.joy(Button.NEXT)
    assert env.step(POLICY)[4]["next"]
