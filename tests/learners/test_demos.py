"""Scripted demonstrations: only successes, as one gapless stream, stored for good."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec as GymSpec

from sandlot.learners import envs
from sandlot.learners.demos import DemosConfig, fresh_seed, record_demos, save_demos
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.schema import Flag, Source, check_steps
from sandlot.learners.store import RunReader, RunStore


class Walk(gym.Env):
    """Walk right to 1 within 6 steps; the expert does, except at odd seeds, where a wind holds it back."""

    observation_space = spaces.Box(-9, 9, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)
    wind = 0.9

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.steps = 0.0, 0
        self.step_size = 0.5 - (self.wind * 0.5 if seed % 2 else 0.0)
        return np.float32([self.x]), {}

    def expert_action(self):
        return np.float64([1.7])

    def step(self, action):
        self.x, self.steps = self.x + self.step_size * float(action[0]), self.steps + 1
        won = self.x >= 1
        return np.float32([self.x]), float(won), won, self.steps == 6, {"success": won}


class Hopeless(Walk):
    step_size = property(lambda self: 0.0, lambda self, value: None)


@pytest.fixture
def walk(monkeypatch):
    for cls in (Walk, Hopeless):
        monkeypatch.setitem(gym.registry, f"{cls.__name__}-v0", GymSpec(f"{cls.__name__}-v0", cls))
    return "gymnasium:Walk-v0"


def test_failures_are_thrown_away_and_the_stream_has_no_gap(walk, caplog):
    caplog.set_level("INFO")
    demos = list(record_demos(DemosConfig(task=walk, episodes=3, seed=1)))
    assert [d.attempts for d in demos] == [2, 4, 6]  # seeds 1, 3 and 5 fail
    assert [d.episode for d in demos] == [(k, 2, 1.0, True, False) for k in range(3)]
    steps, finals = (np.concatenate([d[i] for d in demos]) for i in (0, 1))
    assert steps["step"].tolist() == list(range(6)) and finals["step"].tolist() == [1, 3, 5]
    assert steps["episode"].tolist() == steps["segment"].tolist() == [0, 0, 1, 1, 2, 2]
    assert set(steps["source"]) == {Source.SCRIPT} and (steps["action"] == 1).all()  # 1.7 was clipped
    assert steps["flags"].tolist() == [0, Flag.SUCCESS | Flag.TERMINATED | Flag.END] * 3
    assert caplog.text.count("event=demo_failed") == 3 and "seed=5" in caplog.text


def test_demonstrations_are_kept_in_a_run_store(walk, tmp_path):
    config = DemosConfig(task=walk, episodes=2)
    spec = envs.env_spec(envs.make(walk))
    with RunStore.open(tmp_path / "demos", spec) as store:
        assert save_demos(store, record_demos(config)) == (2, 3)
    stored = list(RunReader(tmp_path / "demos").read())
    for part in stored:
        check_steps(part.steps, part.finals, spec)
    assert [len(part.steps) for part in stored] == [2, 2]
    assert stored[1].steps["state"].ravel().tolist() == [0, 0.5] and stored[0].stream == stored[1].stream


def test_what_is_added_later_is_not_played_again(walk, tmp_path):
    spec = envs.env_spec(envs.make(walk))
    seeds = []
    for asked in (0, 0, 100, 50):
        with RunStore.open(tmp_path / "demos", spec) as store:
            seeds.append(fresh_seed(store, asked))
            config = DemosConfig(task=walk, episodes=2, seed=seeds[-1])
            save_demos(store, record_demos(config), seed=config.seed)
    assert seeds == [0, 3, 100, 103]  # every odd one fails
    with RunStore.open(tmp_path / "old", spec) as store:
        save_demos(store, record_demos(DemosConfig(task=walk, episodes=2)))
        assert fresh_seed(store, 7) == 9


def test_an_expert_that_never_succeeds_is_given_up(walk):
    with pytest.raises(SandlotError, match="succeeded in 0 of 20 attempts"):
        list(record_demos(DemosConfig(task="gymnasium:Hopeless-v0", episodes=2)))


def test_an_expert_that_fails_is_stopped_when_asked(walk):
    looks = iter([False, False, True])
    hopeless = DemosConfig(task="gymnasium:Hopeless-v0", episodes=2)
    assert list(record_demos(hopeless, lambda: next(looks))) == []
    assert next(looks, "asked before each attempt") == "asked before each attempt"


def test_a_task_without_expert_is_refused():
    with pytest.raises(ConfigError, match="'gymnasium:Pendulum-v1' has no scripted expert"):
        list(record_demos(DemosConfig(task="gymnasium:Pendulum-v1")))


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="episodes=0"):
        DemosConfig(task="t", episodes=0)
