"""The actor's loop without a learner: what reaches the env, what is recorded, and what ends it."""

import threading

import gymnasium as gym
import numpy as np
import pytest
from bench.faults_resume import fault_16, fault_16_weights
from gymnasium import spaces

from sandlot.commands.actor import asked
from sandlot.learners.actor import ENV_TRIES, Actor, usable
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.errors import SandlotError
from sandlot.learners.policy import Policy, PolicyArch
from sandlot.learners.schema import Flag

TROUBLE = {"reset": 0, "step": 0, "action": 0}
ARCH = PolicyArch(hidden=(2,))


class Shaky(gym.Env):
    """Three steps an episode; fails where and as often as TROUBLE says."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        self.fail("reset")
        return np.float32([0.0]), {}

    def step(self, action):
        self.steps += 1
        self.fail("step")
        TROUBLE["action"] -= 1
        info = {"action": np.float32([np.nan])} if TROUBLE["action"] >= 0 else {}
        return np.float32([0.1]), 1.0, False, self.steps == 3, info

    def fail(self, where):
        if TROUBLE[where] > 0:
            TROUBLE[where] -= 1
            raise RuntimeError(f"the {where} broke")


gym.register("Shaky-v0", entry_point=Shaky)


@pytest.fixture
def actor(tmp_path):
    TROUBLE.update(reset=0, step=0, action=0)
    settings = {"learner": "127.0.0.1:9", "pace": "free", "spool": str(tmp_path / "spool")}
    actor = Actor(ActorConfig(task="gymnasium:Shaky-v0", **settings), threading.Event())
    actor.sent = []
    actor.now.client.send = lambda steps, finals: actor.sent.extend(steps.copy())
    weights = {name: np.zeros(shape, np.float32) for name, shape in ARCH.shapes(actor.spec).items()}
    actor.now.feed.policy = Policy(spec=actor.spec, arch=ARCH, weights=weights, version=4)
    yield actor
    actor.close()


def numbers(actor):
    return [int(s["step"]) for s in actor.sent], [int(s["flags"]) for s in actor.sent]


def test_an_episode_is_recorded_whole(actor):
    actor.play_episode()
    assert numbers(actor) == ([0, 1, 2], [0, 0, Flag.TRUNCATED | Flag.END])
    assert {int(s["policy_version"]) for s in actor.sent} == {4}
    assert actor.now.handed_over == actor.pacer.taken == 3


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [1.01], [-2.0], [], [0.0, 0.0], [[0.0]]])
def test_what_is_no_action(bad):
    assert not usable(np.float32(bad), 1)
    assert usable(np.float32([-1.0]), 1)


def test_bad_actions_are_refused_before_and_after_the_env():
    assert fault_16(200_000)["violations"] == 0


def test_weights_that_are_not_finite_or_overflow_never_reach_the_env():
    assert fault_16_weights(40)["violations"] == 0


@pytest.mark.parametrize("where", ["step", "action"])
def test_a_fault_in_an_episode_aborts_it_and_the_next_one_goes_on(actor, where):
    TROUBLE[where] = 1
    actor.play_episode()
    actor.play_episode()
    assert numbers(actor) == ([0, 1, 2, 3], [Flag.ABORTED | Flag.END, 0, 0, Flag.TRUNCATED | Flag.END])
    assert np.isfinite(actor.sent[0]["action"]).all() and actor.faults == 0


@pytest.mark.parametrize("where", ["reset", "step", "action"])
def test_an_env_that_keeps_failing_ends_the_actor_by_name(actor, where):
    TROUBLE[where] = ENV_TRIES
    for _ in range(ENV_TRIES - 1):
        actor.play_episode()
    with pytest.raises(SandlotError, match="gymnasium:Shaky-v0.* failed 3 times in a row"):
        actor.play_episode()


def test_weights_that_are_too_old_hold_the_robot_and_cost_no_allowance(actor):
    object.__setattr__(actor.config, "stale_policy_s", 1e-9)
    object.__setattr__(actor.config, "on_stale", "stop")
    waits = []
    actor.stop.wait = lambda seconds: waits.append(seconds) or (len(waits) == 3 and actor.stop.set())
    actor.play_episode()
    assert len(waits) == 3 and actor.pacer.taken == 0 and actor.sent == []


@pytest.mark.parametrize(
    ("flags", "pace"),
    [
        ("", "learner"),
        ("--robot ros", "realtime"),
        ("--robot ros --pace free", "free"),
        ("--pace free", "free"),
    ],
)
def test_a_robot_is_not_paced_by_the_learner_unless_asked_to(flags, pace):
    config = asked(["arm_pick", "--seed", "3", *flags.split()])
    assert (config.task, config.pace, config.seed) == ("arm_pick", pace, 3)
