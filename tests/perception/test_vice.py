"""VICE moves a policy to what the examples show, and takes back a reward that a fixed classifier pays."""

import jax
import numpy as np
import pytest
from tests.perception.classifier.small import CAMERAS, picture

from sandlot.learners.errors import ConfigError
from sandlot.perception import vice
from sandlot.perception.classifier.model import reached

CONFIG = vice.ViceConfig(encoder="halves", hidden=16, lr=2e-2, shift_px=0, light=0.0)
GOAL, BATCH = 0.55, 64


def frames(heights, rng):
    seen = np.stack([picture(np.clip(h, 0.0, 1.0), rng) for h in heights])
    return dict.fromkeys(CAMERAS, seen)


def improve(pay, learn, steps, rng):
    """A policy that is a normal distribution of heights, moved to its best quarter; where it ends up."""
    mean, seen = 0.05, []
    for _ in range(steps):
        heights = np.clip(rng.normal(mean, 0.08, BATCH), 0.0, 1.0)
        seen = [*seen, heights][-5:]
        learn(np.concatenate(seen))
        best = heights[np.argsort(-pay(heights))[: BATCH // 4]]
        mean += 0.5 * (best.mean() - mean)
    return mean


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    return rng, frames(rng.normal(GOAL, 0.02, BATCH), rng), vice.begin(jax.random.key(0), CAMERAS, CONFIG)


def learner(rng, goals, state):
    """Holds the discriminator; returns how it pays, how it learns, and itself."""
    held = {"state": state, "key": jax.random.key(1)}

    def learn(heights, updates=20):
        for _ in range(updates):
            held["key"], key = jax.random.split(held["key"])
            seen = frames(rng.choice(heights, BATCH), rng)
            held["state"], _ = vice.update(held["state"], key, goals, seen, config=CONFIG)

    def pay(heights):
        return np.asarray(vice.reward(held["state"], frames(heights, rng), config=CONFIG))

    return pay, learn, held


def test_it_moves_a_policy_to_what_the_examples_show(world):
    rng, goals, state = world
    pay, learn, _ = learner(rng, goals, state)
    assert not pay(np.linspace(0.0, 1.0, BATCH)).any()  # it has seen nothing yet
    assert improve(pay, learn, 40, rng) == pytest.approx(GOAL, abs=0.08)


def test_trained_once_it_is_exploited_where_vice_is_not(world):
    rng, goals, state = world
    pay, learn, _ = learner(rng, goals, state)
    learn(rng.uniform(0.0, 0.2, 256), updates=200)
    assert improve(pay, lambda heights: None, 40, rng) > GOAL + 0.15


def test_its_file_says_what_it_says(world, tmp_path):
    rng, goals, state = world
    _, learn, held = learner(rng, goals, state)
    learn(rng.uniform(0.0, 0.2, 256), updates=100)
    made = vice.as_classifier(held["state"], "arm_pick", CAMERAS, CONFIG)
    made.save(tmp_path / "c.safetensors")
    good, bad = (float(reached(made.logits(frames([h], rng)))[0, 0]) for h in (GOAL, 0.1))
    assert good > 0.7
    assert bad < 0.3


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="smooth=0.5"):
        vice.ViceConfig(smooth=0.5)
