"""A scripted person at an env's controls: the same wrapper as a real person's, in simulation."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from tests.learners.corrected import TASK, Marked
from tests.learners.shuttle import TASK as NO_EXPERT

from sandlot.learners import envs
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Source

SETTINGS = ("patience_steps=2", "correction_steps=3", "late=1", "hand_noise=0")


def played(seed, policy, settings=SETTINGS, task=TASK):
    """(source, executed action, expert's) of every step of an episode."""
    env = envs.make(task, teleop="scripted", person=settings)
    obs, _ = env.reset(seed=seed)
    steps, ended = [], False
    while not ended:
        expert = env.unwrapped.expert_action()
        action = np.float32(policy(expert))
        obs, _, terminated, truncated, info = env.step(action)
        steps.append((info.get("source", Source.POLICY), info.get("action", action), expert))
        ended = terminated or truncated
    env.close()
    return steps, info["success"]


def test_a_policy_that_does_as_the_expert_is_left_alone():
    steps, success = played(0, lambda expert: expert)
    assert success and all(source == Source.POLICY for source, _, _ in steps)


def test_a_policy_that_goes_wrong_is_corrected_by_steps_of_the_expert():
    steps, success = played(1, lambda expert: 0 * expert)
    assert success
    sources = [source for source, _, _ in steps]
    assert sources[:2] == [Source.POLICY] * 2 and Source.HUMAN in sources
    first = sources.index(Source.HUMAN)
    assert 2 <= first <= 4  # their patience is drawn from 2 to 4
    for source, action, expert in steps:
        assert np.allclose(action, expert if source == Source.HUMAN else 0.0, atol=1e-6)


def test_the_same_seeds_give_the_same_episode():
    settings = (*SETTINGS[:3], "hand_noise=0.1")
    runs = [played(2, lambda expert: -expert, (*settings, f"seed={s}")) for s in (0, 0, 7)]
    actions = [[float(action[0]) for _, action, _ in steps] for steps, _ in runs]
    assert actions[0] == actions[1] != actions[2]


def test_the_next_episode_begins_with_the_policy():
    env = envs.make(TASK, teleop="scripted", person=SETTINGS)
    for seed in (1, 1):
        env.reset(seed=seed)
        sources = [env.step(-env.unwrapped.expert_action())[4].get("source") for _ in range(5)]
        assert sources[0] is None and Source.HUMAN in sources
    env.close()


def test_an_arm_is_corrected_and_its_gripper_too():
    steps, success = played(3, lambda expert: 0 * expert, ("late=0.4",), "arm_pick")
    assert success and {Source.HUMAN, Source.POLICY} == {source for source, _, _ in steps}
    assert {float(a[6]) for s, a, _ in steps if s == Source.HUMAN} == {-1.0, 1.0}


def test_a_task_without_an_expert_is_refused():
    with pytest.raises(ConfigError, match=r"has no scripted expert .* leave out --teleop scripted"):
        envs.make(NO_EXPERT, teleop="scripted")


def test_more_action_numbers_than_hands_have_axes_are_refused():
    class Octopus(Marked):
        action_space = spaces.Box(-1, 1, (8,), np.float32)

    gym.register("Octopus-v0", entry_point=Octopus)
    with pytest.raises(ConfigError, match="8 action numbers, a person's hands have 7 axes"):
        envs.make("gymnasium:Octopus-v0", teleop="scripted")


def test_nobody_is_there_while_a_policy_is_evaluated():
    env = EnvConfig(teleop="scripted", person=SETTINGS)
    assert env.kwargs() == {"teleop": "scripted", "person": SETTINGS}
    assert env.alone() == EnvConfig()
