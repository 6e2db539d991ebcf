"""The learned limit of a number of the state: what a policy may do near it, and how it moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learners.agents.helpers import batch, small, spec

from sandlot.learners import agents, limit
from sandlot.learners.agents import networks
from sandlot.learners.errors import ConfigError
from sandlot.learners.limit import LimitArch
from sandlot.learners.policy import Policy, policy_from_state

ARCH = LimitArch(number=1, step=0.1, low=0.2, high=1.0)
HALF = np.zeros(1)
"""The weight of a limit of 0.6."""


@pytest.mark.parametrize(("raised", "highest"), [(0.0, 1.0), (0.5, 1.0), (0.55, 0.5), (0.6, 0), (0.9, -0.8)])
def test_an_action_reaches_the_limit_and_not_beyond_and_above_it_can_but_go_down(raised, highest):
    state = np.array([9.0, raised, 9.0])
    found = limit.ceiling(np, HALF, state, ARCH)
    assert found == pytest.approx(highest)
    for asked in (-1.0, 0.3, 1.0):
        done = limit.below(np, np.array([asked, 0.7]), found)
        assert done[1] == 0.7 and -1.0 <= done[0] <= highest + 1e-9
        assert done[0] == pytest.approx((asked + 1) * (highest + 1) / 2 - 1)


def limited(**changes):
    return small(limit_number=1, limit_step=0.1, limit_range=(0.2, 1.0), **changes)


def test_the_density_is_that_of_the_squeezed_action():
    cfg, env = limited(), spec()
    actor = agents.init(env, cfg, seed=0).actor
    free = {name: array for name, array in actor.items() if name != limit.WEIGHT}
    state = jnp.zeros((3, env.state_size)).at[:, 1].set(jnp.array([0.0, 0.25, 5.0]))
    noise = jax.random.normal(jax.random.key(1), (3, env.action_size))
    action, logp = networks.sample(actor, {"state": state}, noise, cfg)
    plain, plain_logp = networks.sample(free, {"state": state}, noise, small())
    low = 0.2 + 0.8 / (1 + np.exp(-limit.FIRST))
    width = np.clip((low - np.array([0.0, 0.25, 5.0])) / 0.1, -0.8, 1.0) + 1.0
    np.testing.assert_allclose(action[:, 0], (plain[:, 0] + 1) * width / 2 - 1, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(action[:, 1:], plain[:, 1:])
    np.testing.assert_allclose(logp, plain_logp - np.log(width / 2), rtol=1e-5)


def test_the_limit_rises_where_critics_like_speed_and_falls_where_they_do_not():
    def learned(sign):
        cfg = limited(actor_lr=0.02, gamma=0.0, init_temperature=1e-6)
        state = agents.init(spec(), cfg, seed=0)
        for k in range(200):
            data = batch(seed=k)
            data.obs["state"][..., 1] = 0.28  # at the limit
            state, info = agents.update(state, data._replace(reward=sign * 5.0 * data.action[..., 0]), cfg)
        return float(info["limit"])

    first = float(limit.limit(np, np.full(1, limit.FIRST), ARCH)[0])
    assert learned(1.0) > first + 0.02
    assert learned(-1.0) < first - 0.01


def test_the_policy_file_acts_as_the_agent_does(tmp_path):
    cfg, env = limited(), spec()
    state = agents.init(env, cfg, seed=3)
    policy_from_state(state, env, cfg).save(tmp_path / "policy.safetensors")
    policy = Policy.load(tmp_path / "policy.safetensors")
    obs = np.random.default_rng(0).normal(0.3, 0.3, (20, env.state_size)).astype(np.float32)
    mean, _ = networks.actor_output(state.actor, jnp.asarray(obs), cfg)
    highest = limit.ceiling(np, np.asarray(state.actor[limit.WEIGHT]), obs, limit.limit_of(cfg))
    expected = limit.below(np, np.tanh(np.asarray(mean)), highest)
    np.testing.assert_allclose(policy.act({"state": obs}), expected, rtol=1e-4, atol=1e-5)
    assert policy.act({"state": obs})[:, 0].max() < np.tanh(np.asarray(mean))[:, 0].max()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"limit_number": -2}, "'limit_number' is -2: it must be a whole number, or -1"),
        ({"limit_number": 1, "algo": "bc"}, "needs algo rlpd or sac"),
        ({"limit_step": 0.0}, "'limit_step' is 0.0"),
        ({"limit_range": (1.0, 0.3)}, "'limit_range' is"),
    ],
)
def test_wrong_settings_are_named(change, line):
    with pytest.raises(ConfigError, match=line):
        small(**change)


def test_a_number_that_is_not_observed_is_named():
    with pytest.raises(ConfigError, match="'limit_number' is 99, but task .* observes"):
        agents.init(spec(), small(limit_number=99), seed=0)
