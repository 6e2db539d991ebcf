import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learners.agents.helpers import batch, frames, pixels, seeing, small, spec

from sandlot.learners import agents
from sandlot.learners.agents import Transition, distributional, ensemble, networks
from sandlot.learners.errors import ConfigError
from sandlot.learners.policy import Policy, policy_from_state

FIVE = {"atoms": 5, "value_range": (0.0, 4.0)}
"""Atoms 0, 1, 2, 3, 4."""
TENTHS = jnp.array([0.1, 0.2, 0.3, 0.2, 0.2])
"""Mean 2.2; the worst half: 0.1 at 0, 0.2 at 1, 0.2 of the 0.3 at 2."""


def projected(moved, chances, **changes):
    cfg = small(**{**FIVE, **changes})
    return np.asarray(distributional.project(jnp.array([[chances]]), jnp.array([moved]), cfg))[0, 0]


def test_atoms_are_even_and_their_ends_are_the_range():
    np.testing.assert_array_equal(distributional.atoms(small(**FIVE)), [0, 1, 2, 3, 4])
    np.testing.assert_allclose(distributional.atoms(small(atoms=3, value_range=[-5, 50])), [-5, 22.5, 50])


def test_a_moved_return_is_shared_by_the_two_atoms_around_it():
    # 0.25 + 0.5 z: 0.25, 0.75, 1.25, 1.75, 2.25
    moved = [0.25, 0.75, 1.25, 1.75, 2.25]
    got = projected(moved, [1.0, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(got, [0.75, 0.25, 0, 0, 0], atol=1e-6)
    got = projected(moved, [0.5, 0.0, 0.0, 0.0, 0.5])  # 0.25 by halves at 0, 1; 2.25 at 2, 3
    np.testing.assert_allclose(got, [0.375, 0.125, 0.375, 0.125, 0], atol=1e-6)
    got = projected([0.0, 1.0, 2.0, 3.0, 4.0], TENTHS.tolist())
    np.testing.assert_allclose(got, TENTHS, atol=1e-6)


def test_what_lies_beyond_the_range_counts_as_its_end():
    got = projected([-7.0, 0.0, 1.5, 4.5, 90.0], [0.1, 0.2, 0.4, 0.1, 0.2])
    np.testing.assert_allclose(got, [0.3, 0.2, 0.2, 0, 0.3], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_shows_in_the_projection(bad):
    got = projected([0.0, 1.0, bad, 3.0, 4.0], TENTHS.tolist())
    assert np.isnan(got).any()


def test_a_projection_keeps_mass_and_mean():
    cfg = small(atoms=17, value_range=(-3.0, 5.0))
    chances = jax.nn.softmax(jax.random.normal(jax.random.key(0), (2, 6, 17)))
    moved = 0.4 + 0.7 * jnp.broadcast_to(distributional.atoms(cfg), (6, 17))
    got = distributional.project(chances, moved, cfg)
    np.testing.assert_allclose(got.sum(-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(got @ distributional.atoms(cfg), (chances * moved).sum(-1), atol=1e-5)


@pytest.mark.parametrize(("risk", "expected"), [(0.0, 2.2), (0.5, 1.2), (0.7, 2 / 3), (0.9, 0.0)])
def test_cvar_of_a_known_distribution(risk, expected):
    # (0.1 x 0 + 0.2 x 1 + 0.2 x 2) / 0.5; (0.1 x 0 + 0.2 x 1) / 0.3; the worst tenth is 0
    assert distributional.cvar(TENTHS, small(**FIVE, risk=risk)) == pytest.approx(expected, abs=1e-6)


def test_risk_0_is_the_mean_and_more_risk_never_more():
    chances = jax.nn.softmax(2 * jax.random.normal(jax.random.key(0), (50, 5)))
    found = [distributional.cvar(chances, small(**FIVE, risk=risk)) for risk in (0.0, 0.3, 0.6, 0.9, 0.99)]
    np.testing.assert_allclose(found[0], chances @ np.arange(5.0), atol=1e-5)
    assert (np.diff(found, axis=0) <= 1e-6).all() and (np.diff(found, axis=0).min(-1) < -0.1).all()


def certain(*places):
    """Critics that read nothing: critic e is sure of atom number `places[e]`."""
    cfg = small(**FIVE, n_critics=len(places), n_min=1, critic_hidden=(4,))
    params = jax.tree.map(jnp.zeros_like, networks.init_critics(jax.random.key(0), 3, 2, cfg))
    return {**params, "b_out": 40.0 * jax.nn.one_hot(jnp.array(places), 5)}


def test_critics_that_disagree_are_a_risk_although_each_is_sure():
    """Of three sure critics one says 0: the mixture's worst third is 0, the mean of their CVaRs were 2.67."""
    params, x = certain(4, 4, 0), jnp.zeros((2, 5))
    for risk, expected in [(0.0, 8 / 3), (0.5, 4 / 3), (2 / 3, 0.0), (0.9, 0.0)]:
        cfg = small(**FIVE, critic_hidden=(4,), risk=risk)
        np.testing.assert_allclose(distributional.worth(params, x, cfg), [[expected] * 2], atol=1e-5)
    cfg = small(**FIVE, critic_hidden=(4,), risk=0.5, actor_reduce="min")
    np.testing.assert_allclose(distributional.worth(params, x, cfg)[:, 0], [4, 4, 0], atol=1e-5)


def target_of(places, **changes):
    cfg = small(**FIVE, n_critics=len(places), n_min=1, critic_hidden=(4,), gamma=0.5, **changes)
    zeros = {"state": jnp.zeros((3, 3))}
    discount = jnp.array([1.0, 0.0, 0.5])  # goes on, truly ended, half of a 2-step return
    ended = Transition(zeros, jnp.zeros((3, 2)), jnp.array([1.0, 2.5, 0.0]), discount, zeros, jnp.zeros(3))
    logp, temp = jnp.array([-1.0, -1.0, 0.0]), jnp.float32(0.5)
    x = jnp.zeros((3, 5))
    return distributional.target(certain(*places), x, logp, batch=ended, temp=temp, cfg=cfg)


def test_each_critic_has_the_target_of_its_own_distribution():
    """1 + 0.5 x 4 = 3 and 1 + 0.5 x 2 = 2; 2.5 whatever follows; 0.25 x 4 = 1 and 0.25 x 2 = 0.5."""
    got = target_of((4, 2), entropy_backup=False)
    expected = [[[0, 0, 0, 1, 0], [0, 0, 0.5, 0.5, 0], [0, 1, 0, 0, 0]],
                [[0, 0, 1, 0, 0], [0, 0, 0.5, 0.5, 0], [0.5, 0.5, 0, 0, 0]]]  # fmt: skip
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_entropy_moves_a_target_where_the_config_says_so():
    # the first: 1 + 0.5 (2 + 0.5 x 1) = 2.25; the second ended: 2.5, and 3 with SERL's switch
    faithful, quirk = (target_of((2,), unmasked_entropy_backup=on)[0] for on in (False, True))
    np.testing.assert_allclose(faithful[:2], [[0, 0, 0.75, 0.25, 0], [0, 0, 0.5, 0.5, 0]], atol=1e-5)
    np.testing.assert_allclose(quirk[:2], [[0, 0, 0.5, 0.5, 0], [0, 0, 0, 1, 0]], atol=1e-5)


def test_the_loss_is_least_where_the_critics_say_the_target():
    goal = jnp.broadcast_to(TENTHS, (1, 3, 5))
    cfg = small(**FIVE, n_critics=1, n_min=1, critic_hidden=(4,))
    params = certain(0)
    told = {**params, "b_out": jnp.log(TENTHS)[None]}
    (loss, mean), grads, dx = ensemble.loss_and_grads(told, jnp.zeros((3, 5)), goal, cfg)
    entropy = -sum(p * np.log(p) for p in (0.1, 0.2, 0.3, 0.2, 0.2))
    assert loss == pytest.approx(entropy, rel=1e-5) and mean == pytest.approx(2.2, rel=1e-5)
    np.testing.assert_allclose(grads["b_out"], 0, atol=1e-6)
    assert dx.shape == (3, 5)
    even = {**params, "b_out": jnp.zeros((1, 5))}
    _, grads, _ = ensemble.loss_and_grads(even, jnp.zeros((3, 5)), goal, cfg)
    np.testing.assert_allclose(grads["b_out"][0], 0.2 - TENTHS, atol=1e-6)


def test_info_tells_that_a_range_is_too_narrow():
    goal = jnp.array([[[0.1, 0.2, 0.3, 0.2, 0.2], [0, 0, 1, 0, 0]]])
    info = distributional.info_of(goal, small(**FIVE))
    assert info["target_mean"] == pytest.approx(2.1) and info["at_range_end"] == pytest.approx(0.15)


def gamble(u, b, rng):
    """One-step episodes: action -1 returns 1, action 1 returns 3 or, one time in five, -3.

    So the mean is 1 + 0.4 (1 + a), and the worst tenth is 1 - 2 (1 + a).
    """
    state, zeros = np.zeros((u, b, 1), np.float32), np.zeros((u, b), np.float32)
    action = rng.uniform(-1, 1, (u, b, 1)).astype(np.float32)
    bold = (1 + action[..., 0]) / 2
    reward = (1 + bold * np.where(rng.random((u, b)) < 0.2, -4, 2)).astype(np.float32)
    return Transition({"state": state}, action, reward, zeros, {"state": state}, reward)


@pytest.mark.parametrize(("risk", "low", "high"), [(0.0, 0.6, 1.0), (0.9, -1.0, -0.6)])
def test_the_neutral_agent_gambles_and_the_careful_one_does_not(risk, low, high):
    cfg = small(
        atoms=31, value_range=(-4.0, 4.0), risk=risk, batch_size=64, actor_every=1, init_temperature=0.05,
        actor_lr=3e-3, critic_lr=3e-3, temp_lr=3e-3,
    )  # fmt: skip
    bandit, rng = spec(1, 1), np.random.default_rng(0)
    state = agents.init(bandit, cfg, 0)
    for _ in range(40):
        state, info = agents.update(state, gamble(20, 64, rng), cfg)
    assert low < policy_from_state(state, bandit, cfg).act({"state": np.zeros(1)})[0] < high
    assert int(info["skipped"]) == 0
    x = jnp.array([[0.0, -1.0], [0.0, 1.0]])
    safe, bold = distributional.worth(state.critic, x, cfg)[0]
    expected = (1.0, 1.8) if risk == 0 else (1.0, -3.0)
    assert (float(safe), float(bold)) == pytest.approx(expected, abs=0.4)


def test_a_policy_of_a_careful_agent_acts_as_the_agent_does():
    cfg = small(**FIVE, risk=0.5)
    state, _ = agents.update(agents.init(spec(), cfg, 0), batch(), cfg)
    policy = policy_from_state(state, spec(), cfg)
    obs = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    mean, _ = networks.actor_output(state.actor, obs, cfg)
    np.testing.assert_allclose(policy.act({"state": obs}), np.tanh(mean), atol=1e-5)
    again = Policy.from_bytes(policy.to_bytes(), spec())
    np.testing.assert_array_equal(again.act({"state": obs}), policy.act({"state": obs}))
    assert policy.fingerprint == policy_from_state(state, spec(), small()).fingerprint  # actors need not know


def test_a_careful_agent_that_sees_trains_its_encoders():
    cfg = pixels(**FIVE, risk=0.5)
    start = agents.state_to_arrays(agents.init(seeing(), cfg, 0))
    state, info = agents.update(agents.init(seeing(), cfg, 0), frames(), cfg)
    moved = agents.state_to_arrays(state)
    encoders = [name for name in start if name.startswith("vision.encoder")]
    assert encoders and all(not np.array_equal(start[name], moved[name]) for name in encoders)
    assert int(info["skipped"]) == 0


def test_without_atoms_critics_are_what_they_were():
    cfg = small()
    assert ensemble.by_kernels(cfg) and not ensemble.by_kernels(small(**FIVE))
    assert networks.init_critics(jax.random.key(0), 3, 2, cfg)["w_out"].shape == (3, 16, 1)
    assert networks.init_critics(jax.random.key(0), 3, 2, small(**FIVE))["w_out"].shape == (3, 16, 5)


config = functools.partial(agents.AgentConfig, **FIVE)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"risk": 1.0}, r"'risk' is 1.0: it must lie in \[0, 1\)"),
        ({"risk": -0.1}, r"'risk' is -0.1: it must lie in \[0, 1\)"),
        ({"risk": float("nan")}, r"'risk' is nan: it must lie in \[0, 1\)"),
        ({"risk": 0.9, "atoms": 0}, "'risk' is 0.9: it needs critics.*set atoms, such as 51"),
        ({"risk": 0.9, "algo": "bc"}, "'risk' is 0.9: it needs algo rlpd or sac .*, this is bc .*use 0"),
        ({"atoms": 5, "algo": "wsrl"}, "'atoms' is 5: it needs algo rlpd or sac .*, this is wsrl"),
        ({"risk": 0.9, "gripper": "dqn"}, "'risk' is 0.9: .*continuous gripper, this is rlpd with dqn"),
        ({"atoms": 1}, "'atoms' is 1: it must be 0 or a whole number of at least 2"),
        ({"atoms": -3}, "'atoms' is -3: it must be 0 or a whole number of at least 2"),
        ({"value_range": (0.0, 0.0)}, r"'value_range' is \(0.0, 0.0\): it must be the lowest and"),
        ({"value_range": (4.0, float("inf"))}, "'value_range' is .*inf.*such as"),
        ({"value_range": (1.0, 2.0, 3.0)}, "'value_range' is .*lowest and the highest"),
    ],
)
def test_config_errors_name_field_value_and_rule(changes, words):
    with pytest.raises(ConfigError, match=words):
        config(**changes)


def test_a_range_from_a_file_is_as_good_as_one_from_code():
    assert config(value_range=[0, 4]) == config() and hash(config(value_range=[0, 4])) == hash(config())
