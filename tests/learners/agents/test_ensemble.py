import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bench import learner_plain
from tests.learners.agents.helpers import batch, small, spec

from sandlot.learners import agents
from sandlot.learners.agents import ensemble, networks


def random_critics(cfg, seed=0):
    """Critics whose every weight, biases and LayerNorm too, is random."""
    params = networks.init_critics(jax.random.key(seed), 3, 2, cfg)
    keys = jax.random.split(jax.random.key(seed + 1), len(params))
    return {
        k: p + 0.3 * jax.random.normal(key, p.shape) for key, (k, p) in zip(keys, params.items(), strict=True)
    }


@pytest.mark.parametrize("hidden", [(16,), (16, 8), (8, 16, 12)])
def test_hand_written_gradients_equal_jax_grad(hidden):
    cfg = small(critic_hidden=hidden)
    assert ensemble.by_hand(cfg)
    params, x = random_critics(cfg), jax.random.normal(jax.random.key(5), (8, 5))
    target = jax.random.normal(jax.random.key(6), (8,))

    def loss(p, x):
        q = networks.q_of(p, x, cfg)
        return jnp.square(q - target).mean(), q.mean()

    by_jax = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (value, q_mean), (grads, dx) = by_jax(params, x)
    by_hand = jax.jit(ensemble.loss_and_grads, static_argnames="cfg")
    (got, got_mean), got_grads, got_dx = by_hand(params, x, target, cfg)
    assert got == pytest.approx(float(value), rel=1e-5) and got_mean == pytest.approx(float(q_mean), rel=1e-4)
    assert grads.keys() == got_grads.keys()
    np.testing.assert_allclose(got_dx, dx, rtol=2e-4, atol=2e-6)
    for name in grads:
        assert grads[name].shape == got_grads[name].shape
        np.testing.assert_allclose(got_grads[name], grads[name], rtol=2e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("changes", [{}, {"n_critics": 1, "n_min": 1}, {"critic_layer_norm": False}])
def test_whole_update_equals_the_straightforward_one(changes):
    cfg = small(**changes)
    state, plain = (agents.init(spec(), cfg, 0) for _ in range(2))
    for seed in range(3):
        state, info = agents.update(state, batch(seed=seed), cfg)
        plain, plain_info = learner_plain.update(plain, batch(seed=seed), cfg)
    assert info["critic_loss"] == pytest.approx(float(plain_info["critic_loss"]), rel=1e-4)
    for name, value in agents.state_to_arrays(plain).items():
        np.testing.assert_allclose(
            agents.state_to_arrays(state)[name], value, atol=1e-5, rtol=1e-4, err_msg=name
        )


def test_heads_are_separate_and_members_independent():
    cfg = small()
    params, x, target = random_critics(cfg), jnp.ones((8, 5)), jnp.zeros(8)
    assert params["w_out"].shape == (3, 16, 1) and params["b_out"].shape == (3, 1)
    other = {k: p.at[0].add(0.5) for k, p in params.items()}  # only the first critic changes
    by_hand = jax.jit(ensemble.loss_and_grads, static_argnames="cfg")
    before, after = (by_hand(p, x, target, cfg)[1] for p in (params, other))
    for name in before:
        np.testing.assert_array_equal(before[name][1:], after[name][1:])


def test_serls_shared_head_has_no_member_axis():
    cfg = small("serl")
    state = agents.init(spec(), cfg, 0)
    assert state.critic["w_out"].shape == (16, 1) and state.critic["w0"].shape == (3, 5, 16)
    assert ensemble.group_count(cfg) == 1


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_split_and_join_are_inverse_and_targets_are_found_in_any_group(parts):
    cfg = small(n_critics=5)
    state = agents.init(spec(), cfg, 0)
    state = state._replace(target={k: v + 1.0 for k, v in state.target.items()})
    groups = ensemble.split(state, parts)
    assert [g.params["b0"].shape[0] for g in groups] == {1: [5], 2: [2, 3], 3: [2, 1, 2]}[parts]
    whole = ensemble.join(groups)
    for name in state.critic:
        np.testing.assert_array_equal(whole.params[name], state.critic[name])
        drawn = ensemble.drawn_target(groups, jnp.array([4, 0]), cfg)
        np.testing.assert_array_equal(drawn[name], state.target[name][jnp.array([4, 0])])
