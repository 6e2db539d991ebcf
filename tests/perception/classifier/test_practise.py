"""Frames from simulation are labelled by its truth, and what looks like success is among them."""

import gymnasium as gym
import numpy as np
import pytest
from tests.perception.classifier.world import GOAL, Lift

from sandlot.learners.errors import ConfigError
from sandlot.perception.classifier.collect import layout_of
from sandlot.perception.classifier.practise import close_to_success, practise


def clips(seed=0, episodes=30):
    env = Lift()
    return list(
        practise(env, "arm_pick", layout_of(env.env_spec, ("no", "yes")), episodes=episodes, seed=seed)
    )


def test_every_label_is_the_truth_of_its_frame():
    for clip in clips():
        height = clip.frames["side"][:, :4].mean(axis=(1, 2, 3)) / 255.0
        sure = np.abs(height - GOAL) > 0.02
        np.testing.assert_array_equal((height > GOAL)[sure], clip.labels[sure] == 1)


def test_there_are_successes_failures_and_successes_that_were_lost():
    labels = [clip.labels for clip in clips()]
    assert sum(one.any() for one in labels) >= 10
    assert sum(not one.any() for one in labels) >= 3
    assert any((np.diff(one.astype(int)) < 0).any() for one in labels)


def test_the_same_seed_is_the_same_episode():
    first, again = clips(episodes=4), clips(episodes=4)
    assert [c.episode for c in first] == [c.episode for c in again] == [f"sim/arm_pick/{k}" for k in range(4)]
    np.testing.assert_array_equal(first[3].labels, again[3].labels)


def test_hard_frames_lie_around_a_success():
    truth = np.array([0, 0, 0, 1, 1, 0, 0, 0, 0], bool)
    assert np.flatnonzero(close_to_success(truth, steps=2)).tolist() == [1, 2, 5, 6]
    assert not close_to_success(np.zeros(5, bool)).any()


def test_a_task_without_an_expert_is_refused():
    env = gym.make("Pendulum-v1")
    with pytest.raises(ConfigError, match="has no scripted expert"):
        next(practise(env, "pendulum", layout_of(Lift().env_spec, ("no", "yes")), episodes=1, seed=0))
