import dataclasses

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from sandlot.learners import envs, plugins
from sandlot.learners.errors import ConfigError
from sandlot.learners.evaluate import EvalConfig, evaluate_task
from sandlot.learners.evaluate_laps import MOST_EPISODES, LapsEvaluation, evaluate_laps
from sandlot.learners.schema import Entry, EnvSpec

SPEC = EnvSpec("ring", (Entry("at", 1),), {}, (Entry("go", 1),), 10.0, 1000)


@dataclasses.dataclass
class Lap:
    time_s: float
    collisions: int
    interventions: int = 0


class Ring(gym.Env):
    """A drive round a ring of ten steps; every third lap the car hits a wall in the middle of it."""

    env_spec = SPEC
    observation_space = spaces.Dict({"state": spaces.Box(-1e3, 1e3, (1,)), "images": spaces.Dict({})})
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    metadata = {"render_modes": []}

    def __init__(self, render_mode=None):
        self.at, self.steps, self.hits, self.laps, self.resets = 0, 0, 0, 0, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.resets += 1
        return self._obs(), {}

    def step(self, action):
        self.at, self.steps = self.at + int(action[0] > 0), self.steps + 1
        if self.at == 10:
            lap = Lap(0.1 * self.steps, self.hits)
            self.at, self.steps, self.hits, self.laps = 0, 0, 0, self.laps + 1
            return self._obs(), 1.0, False, True, {"lap": lap, "success": not lap.collisions}
        hit = (self.at == 5 and self.laps % 3 == 2 and not self.hits) or action[0] <= 0
        self.hits += hit
        return self._obs(), 1.0, bool(hit), False, {}

    def _obs(self):
        return {"state": np.array([self.at], np.float32), "images": {}}


@dataclasses.dataclass
class Go:
    value: float
    spec: EnvSpec = SPEC
    version: int = 0
    frame_stack: int = 1

    def act(self, obs, rng):
        return np.array([self.value], np.float32)


@pytest.fixture
def ring(monkeypatch):
    made = []
    monkeypatch.setattr(envs, "make", lambda task, **_: made.append(Ring()) or made[-1])
    return made


def test_a_collision_belongs_to_its_lap_which_goes_on(ring):
    found = evaluate_laps(Go(1.0), EvalConfig(task="ring", episodes=7), progress=False).summary()
    assert (found["laps"], found["clean_laps"], found["collisions"]) == (7, 5, 2)
    assert found["success"] == pytest.approx(5 / 7)
    assert found["best_lap_s"] == pytest.approx(1.0)
    assert ring[0].resets == 7 + 2  # one for each episode: nobody put the car back


def test_who_does_not_get_round_is_given_up_and_counts_as_unclean(ring):
    found = evaluate_laps(Go(-1.0), EvalConfig(task="ring", episodes=3), progress=False).summary()
    assert (found["laps"], found["success"], found["median_lap_s"]) == (0, 0.0, None)
    assert ring[0].resets == MOST_EPISODES


def test_laps_that_are_missing_count_as_unclean():
    laps = ({"time_s": 9.0, "collisions": 0.0, "interventions": 0.0},)
    assert LapsEvaluation("ring", 4, laps, 0.0, 1.0).summary()["success"] == 0.25


def test_a_task_with_an_evaluation_of_its_own_gets_it(ring, monkeypatch):
    monkeypatch.setattr(plugins, "_places", dict(plugins._places))
    plugins.register("evaluation", "ring", "sandlot.learners.evaluate_laps:evaluate_laps")
    found = evaluate_task(Go(1.0), EvalConfig(task="ring", episodes=2), progress=False)
    assert isinstance(found, LapsEvaluation)


def test_laps_are_driven_by_one_car(ring):
    with pytest.raises(ConfigError, match="workers=2"):
        evaluate_laps(Go(1.0), EvalConfig(task="ring", episodes=2, workers=2))
