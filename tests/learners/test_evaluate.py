"""Seeded evaluation: the interval, the result line, and the same result from any number of processes."""

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymSpec

from sandlot.commands.evaluate import _on
from sandlot.learners import envs
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError, SandlotError, SpecError
from sandlot.learners.evaluate import EvalConfig, Evaluation, evaluate, wilson
from sandlot.learners.playing import Played, check_match
from sandlot.learners.policy import Policy, PolicyArch
from sandlot.learners.schema import Entry, EnvSpec

PENDULUM = "gymnasium:Pendulum-v1"


class Coin(gym.Env):
    """Succeeds after three steps when the seeded coin shows what the action's sign says."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.coin, self.steps = self.np_random.choice([-1.0, 1.0]), 0
        return np.float32([0.0]), {}

    def step(self, action):
        self.steps += 1
        win = self.steps == 3 and bool(action[0] * self.coin > 0)
        return np.float32([0.0]), 0.5, win, self.steps == 3 and not win, {"success": win}


class Constant:
    """Always the same action."""

    def __init__(self, spec, value):
        self.spec, self.value = spec, value

    def act(self, obs, rng):
        return np.full(self.spec.action_size, self.value, np.float32)


@pytest.fixture
def coin(monkeypatch):
    monkeypatch.setitem(gym.registry, "Coin-v0", GymSpec("Coin-v0", Coin, max_episode_steps=9))
    return "gymnasium:Coin-v0"


@pytest.fixture
def policy_file(tmp_path):
    spec = envs.env_spec(envs.make(PENDULUM))
    rng, arch = np.random.default_rng(0), PolicyArch(hidden=(8,))
    weights = {k: rng.normal(size=s).astype(np.float32) for k, s in arch.shapes(spec).items()}
    Policy(spec=spec, arch=arch, weights=weights).save(tmp_path / "p.safetensors")
    return tmp_path / "p.safetensors"


@pytest.mark.parametrize(
    ("wins", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (95, 100, 0.8882, 0.9785)],
)
def test_wilson_by_newcombes_table(wins, trials, low, high):
    """Newcombe 1998, table I, gives 0.2553 to 0.3662 for 81 of 263; the others are worked by hand."""
    assert wilson(wins, trials) == pytest.approx((low, high), abs=6e-5)


def test_wilson_refuses_what_is_no_rate():
    with pytest.raises(ValueError, match="11 of 10"):
        wilson(11, 10)


def test_success_is_the_last_info_and_every_episode_has_its_seed(coin):
    spec = envs.env_spec(envs.make(coin))
    heads, tails = (evaluate(Constant(spec, v), EvalConfig(task=coin, episodes=20, seed=5)) for v in (1, -1))
    wins = sum(gym.utils.seeding.np_random(s)[0].choice([-1.0, 1.0]) > 0 for s in range(5, 25))
    assert 0 < wins < 20
    summary = heads.summary()
    assert list(summary) == ["task", "episodes", "success", "interval", "mean_return", "seconds"]
    assert summary["success"] == wins / 20 and tails.summary()["success"] == 1 - wins / 20
    assert summary["interval"] == list(wilson(wins, 20)) and summary["mean_return"] == 1.5
    assert [p.seed for p in heads.played] == list(range(5, 25)) and {p.steps for p in heads.played} == {3}


def test_a_task_without_success_has_none(policy_file):
    result = evaluate(policy_file, EvalConfig(task=PENDULUM, episodes=1)).summary()
    assert result["success"] is None and result["interval"] is None and result["mean_return"] < 0


@pytest.mark.parametrize("sample", [False, True])
def test_any_number_of_processes_gives_the_same_episodes(policy_file, sample, capfd):
    one, two = (
        evaluate(policy_file, EvalConfig(task=PENDULUM, episodes=5, seed=3, workers=w, sample=sample))
        for w in (1, 2)
    )
    assert one.played == two.played and len({p.reward_sum for p in one.played}) == 5
    captured = capfd.readouterr()
    assert captured.out == "" and "5/5" in captured.err


def test_noise_changes_the_result(policy_file):
    quiet, noisy = (
        evaluate(policy_file, EvalConfig(task=PENDULUM, episodes=1, sample=s), progress=False)
        for s in (False, True)
    )
    assert quiet.played != noisy.played


def test_spaces_that_do_not_match_are_named():
    spec = EnvSpec("other", (Entry("s", 4),), {}, (Entry("a", 1),), 10.0, 5)
    with pytest.raises(SpecError, match="state_size: policy 4 != env 3"):
        evaluate(Constant(spec, 0), EvalConfig(task=PENDULUM, episodes=1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "gymnasium:Other-v1"}, "task: policy gymnasium:Other-v1 != env gymnasium:Pendulum-v1"),
        ({"control_hz": 7.0}, "control_hz: policy 7.0 != env"),
        (
            {"state": (Entry("state", 3, "1 deviation, conv 12ab"),)},
            r"policy 'state \[3\] 1 deviation, conv 12",
        ),
        ({"action": (Entry("turn", 1),)}, r"policy 'turn \[1\] ' != env 'action \[1\] '"),
    ],
)
def test_a_policy_of_equal_sizes_that_means_something_else_is_refused(changes, words):
    spec = msgspec.structs.replace(envs.env_spec(envs.make(PENDULUM)), **changes)
    with pytest.raises(SpecError, match=words):
        evaluate(Constant(spec, 0), EvalConfig(task=PENDULUM, episodes=1))


def test_a_time_limit_or_range_may_differ():
    spec = envs.env_spec(envs.make(PENDULUM))
    wide = tuple(msgspec.structs.replace(e, low=-1e9, high=1e9) for e in spec.state)
    check_match(
        Constant(msgspec.structs.replace(spec, max_episode_steps=9, state=wide), 0), envs.make(PENDULUM)
    )


def test_another_robot_is_seen_with_the_eyes_and_judged_by_the_judge_of_training():
    eyes = {"cameras": ("wrist",), "image_px": 64, "encoder": "e", "classifier": "c"}
    trained = EnvConfig(randomize=True, camera_file="f", mjcf="m", teleop="scripted", **eyes)
    assert _on(trained, "ros") == EnvConfig(robot="ros", **eyes)
    assert _on(trained, "") == trained.alone() == _on(trained, "sim")


def test_a_workers_complaint_reaches_the_caller(policy_file):
    with pytest.raises(SandlotError, match="did you mean 'gymnasium:Pendulum-v1'"):
        evaluate(policy_file, EvalConfig(task="gymnasium:Pendulm-v1", episodes=2, workers=2))


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="episodes=0"):
        EvalConfig(task=PENDULUM, episodes=0)
    spec = envs.env_spec(envs.make(PENDULUM))
    with pytest.raises(ConfigError, match="workers=2 needs a policy file"):
        evaluate(Constant(spec, 0), EvalConfig(task=PENDULUM, workers=2))


def test_results_are_sorted_by_seed_and_averaged():
    played = (Played(0, 1.0, 5, True), Played(1, 2.0, 5, False))
    assert Evaluation("t", played, 1.23456).summary() == {
        "task": "t",
        "episodes": 2,
        "success": 0.5,
        "interval": list(wilson(1, 2)),
        "mean_return": 1.5,
        "seconds": 1.235,
    }
