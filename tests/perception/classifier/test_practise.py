"""Frames from simulation are labelled by its truth, and what looks like success is among them."""

import gymnasium as gym
import msgspec
import numpy as np
import pytest
from tests.perception.classifier.world import GOAL, Lift

from sandlot.learners import agents
from sandlot.learners.config import TrainConfig, save_config
from sandlot.learners.errors import ConfigError, SpecError
from sandlot.learners.policy import policy_from_state
from sandlot.learners.prepare import CONFIG_FILE, POLICY_FILE
from sandlot.perception.classifier.collect import layout_of
from sandlot.perception.classifier.practise import close_to_success, practise


def clips(seed=0, episodes=30, policy=""):
    env, layout = Lift(), layout_of(Lift().env_spec, ("no", "yes"))
    return list(practise(env, "arm_pick", layout, episodes=episodes, seed=seed, policy=policy))


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


def test_an_episode_that_is_known_is_not_played_again():
    env, layout = Lift(), layout_of(Lift().env_spec, ("no", "yes"))
    played = []
    env.reset = lambda *, seed: played.append(seed) or Lift.reset(env, seed=seed)
    known = {"sim/arm_pick/0", "sim/arm_pick/2"}
    found = list(practise(env, "arm_pick", layout, episodes=4, seed=0, known=known))
    assert [clip.episode for clip in found] == ["sim/arm_pick/1", "sim/arm_pick/3"]
    assert played == [1, 3]


def test_hard_frames_lie_around_a_success():
    truth = np.array([0, 0, 0, 1, 1, 0, 0, 0, 0], bool)
    assert np.flatnonzero(close_to_success(truth, steps=2)).tolist() == [1, 2, 5, 6]
    assert not close_to_success(np.zeros(5, bool)).any()


def test_a_task_without_an_expert_is_refused():
    env = gym.make("Pendulum-v1")
    with pytest.raises(ConfigError, match="has no scripted expert"):
        next(practise(env, "pendulum", layout_of(Lift().env_spec, ("no", "yes")), episodes=1, seed=0))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose policy was never trained; it sees the cameras."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    folder.mkdir()
    cfg = agents.AgentConfig(
        actor_hidden=(8,),
        critic_hidden=(8,),
        n_critics=2,
        latent=4,
        frame_stack=2,
        encoder_settings=("kernels=[2, 2]", "strides=[2, 1]", "channels=[4, 4]"),
    )
    spec = Lift().env_spec
    policy_from_state(agents.init(spec, cfg, 0), spec, cfg, version=7).save(folder / POLICY_FILE)
    save_config(folder / CONFIG_FILE, TrainConfig(task="arm_pick"))
    return folder


def test_a_policy_plays_in_the_experts_place_and_the_truth_labels_it(run):
    theirs, experts = clips(episodes=8, policy=str(run)), clips(episodes=8)
    assert [c.episode for c in theirs] == [f"sim/arm_pick/first-7/{k}" for k in range(8)]
    assert sum(c.labels.any() for c in theirs) < sum(c.labels.any() for c in experts)
    for clip in theirs:
        height = clip.frames["side"][:, :4].mean(axis=(1, 2, 3)) / 255.0
        sure = np.abs(height - GOAL) > 0.02
        np.testing.assert_array_equal((height > GOAL)[sure], clip.labels[sure] == 1)


def test_a_run_without_a_policy_or_of_another_env_is_refused(run, tmp_path):
    save_config(tmp_path / CONFIG_FILE, TrainConfig(task="arm_pick"))
    with pytest.raises(ConfigError, match="has no policy yet; train it for longer"):
        clips(episodes=1, policy=str(tmp_path))
    spec = msgspec.structs.replace(Lift().env_spec, images={})
    cfg = agents.AgentConfig(actor_hidden=(8,), critic_hidden=(8,), n_critics=2)
    policy_from_state(agents.init(spec, cfg, 0), spec, cfg).save(tmp_path / POLICY_FILE)
    with pytest.raises(SpecError, match="images"):
        clips(episodes=1, policy=str(tmp_path))
