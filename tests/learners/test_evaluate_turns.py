"""Two policies played in turn on one robot while nobody resets."""

import pathlib

import pytest
from tests.learners.shuttle import TASK, Shuttle
from tests.learners.test_in_turn import policy

from sandlot.commands import evaluate as command
from sandlot.learners import envs
from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import ConfigError, NotReadyError, SpecError
from sandlot.learners.evaluate import EvalConfig
from sandlot.learners.evaluate_turns import evaluate_in_turn
from sandlot.learners.turns import TurnConfig


def saved(folder, there, back):
    """Files of two policies that always drive one way."""
    env = envs.make(TASK)
    files = []
    for name, side, drive in (("there", env, there), ("back", envs.make_reverse(env), back)):
        policy(envs.env_spec(side), drive).save(folder / name)
        files.append(folder / name)
    return tuple(files)


def played(folder, there, back, episodes, **turns):
    config = EvalConfig(task=TASK, episodes=episodes)
    return evaluate_in_turn(saved(folder, there, back), config, turns=TurnConfig(**turns), progress=False)


def test_directions_alternate_and_nothing_is_put_in_order_between_them(tmp_path, monkeypatch):
    said, reset = [], Shuttle.reset

    def heard(self, **given):
        said.append((self.goal, given["options"]))
        return reset(self, **given)

    monkeypatch.setattr(Shuttle, "reset", heard)
    found = played(tmp_path, 1.0, -1.0, 6)
    assert found.directions == (0, 1, 0, 1, 0, 1)
    assert said == [(goal, {"continue": True}) for goal in (1.0, -1.0) * 3]
    summary = found.summary()
    assert summary["success"] == summary["success_there"] == summary["success_back"] == 1.0
    assert (summary["episodes"], summary["longest_row"], summary["calls"], summary["resets"]) == (6, 6, 0, 0)
    assert summary["utilisation"] == 1.0 and summary["reverse"].endswith("ShuttleBack-v0")


def test_what_controllers_and_people_do_is_counted_and_costs_utilisation(tmp_path):
    # There it drives the wrong way: 2 failures of 6 steps; back has nothing to do, controllers set it up, and
    # it takes 4 steps to come back; again 2 failures.
    found = played(tmp_path, -1.0, -1.0, 5, tries=2)
    assert found.directions == (0, 0, 1, 0, 0)
    summary = found.summary()
    assert (summary["success_there"], summary["success_back"], summary["success"]) == (0.0, 1.0, 0.2)
    assert (summary["longest_row"], summary["resets"], summary["reset_steps"]) == (1, 1, 5)
    steps = sum(p.steps for p in found.trials.played)
    assert summary["utilisation"] == pytest.approx(steps / (steps + 5)) and summary["calls"] == 0
    assert played(tmp_path, -1.0, 1.0, 6, tries=2, call_after=3).summary()["calls"] >= 1


def test_a_trial_that_a_robot_cut_short_is_played_again(tmp_path, monkeypatch):
    step, left = Shuttle.step, [2]

    def unsteady(self, action):
        if left and left.pop():
            raise NotReadyError("a sensor is silent")
        return step(self, action)

    monkeypatch.setattr(Shuttle, "step", unsteady)
    found = played(tmp_path, 1.0, -1.0, 2)
    assert found.directions == (0, 1) and found.summary()["success"] == 1.0


def test_a_person_who_is_waited_for_was_called_once(tmp_path, monkeypatch):
    reset, looks = Shuttle.reset, iter([False, False, True, True])
    monkeypatch.setattr("sandlot.learners.real_time.RETRY_S", 0.0)

    def waiting(self, **given):
        if next(looks):
            return reset(self, **given)
        error = NotReadyError("press arm")
        error.needs_person = True
        raise error

    monkeypatch.setattr(Shuttle, "reset", waiting)
    assert played(tmp_path, 1.0, -1.0, 2).summary()["calls"] == 1


def test_what_cannot_be_played_in_turn_is_refused(tmp_path):
    files = saved(tmp_path, 1.0, -1.0)
    with pytest.raises(ConfigError, match="two tasks in turn share one robot; use 1 worker"):
        evaluate_in_turn(files, EvalConfig(task=TASK, workers=2), progress=False)
    with pytest.raises(SpecError, match="does not fit task"):
        evaluate_in_turn(files[::-1], EvalConfig(task=TASK), progress=False)
    with pytest.raises(ConfigError, match="task 'gymnasium:Pendulum-v1' has no reverse task"):
        evaluate_in_turn(files, EvalConfig(task="gymnasium:Pendulum-v1"), progress=False)


@pytest.mark.parametrize(
    ("partner", "words"),
    [("", "learns 'arm_reach' alone; --in-turn"), ("beside", "'beside' has no policy yet")],
)
def test_a_run_without_a_partner_or_its_policy_is_refused(tmp_path, monkeypatch, partner, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "beside").mkdir(parents=True)
    (tmp_path / "runs" / "beside" / "config.yaml").touch()
    train = TrainConfig(task="arm_reach", partner=partner)
    flags = command.Flags(run="mine", in_turn=True)
    with pytest.raises(ConfigError, match=words):
        command._in_turn(flags, train, pathlib.Path("p"), EvalConfig(task="arm_reach"))
