import concurrent.futures

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bench import learner_plain
from tests.learners.agents.helpers import batch, small, spec

from sandlot.learners import agents
from sandlot.learners.agents import ensemble, networks, optim, xla_call


def random_critics(cfg, seed=0):
    """Critics whose every weight, biases and LayerNorm too, is random."""
    params = networks.init_critics(jax.random.key(seed), 3, 2, cfg)
    keys = jax.random.split(jax.random.key(seed + 1), len(params))
    return {
        k: p + 0.3 * jax.random.normal(key, p.shape) for key, (k, p) in zip(keys, params.items(), strict=True)
    }


@pytest.mark.parametrize("hidden", [(16,), (16, 8), (8, 16, 12)])
@pytest.mark.parametrize("changes", [{}, {"n_critics": 1, "n_min": 1}, {"critic_layer_norm": False}])
def test_loss_and_gradients_equal_those_of_jax(hidden, changes):
    cfg = small(critic_hidden=hidden, **changes)
    assert ensemble.by_kernels(cfg) == cfg.critic_layer_norm
    params, x = random_critics(cfg), jax.random.normal(jax.random.key(5), (8, 5))
    target = jax.random.normal(jax.random.key(6), (8,))

    def loss(p, x):
        q = networks.q_of(p, x, cfg)
        return jnp.square(q - target).mean(), q.mean()

    by_jax = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
    (value, q_mean), (grads, dx) = by_jax(params, x)
    ours = jax.jit(ensemble.loss_and_grads, static_argnames=("cfg", "slopes"))
    (got, got_mean), got_grads, got_dx = ours(params, x, target, cfg)
    assert got == pytest.approx(float(value), rel=1e-5) and got_mean == pytest.approx(float(q_mean), rel=1e-4)
    assert grads.keys() == got_grads.keys()
    np.testing.assert_allclose(got_dx, dx, rtol=2e-4, atol=2e-6)
    assert ours(params, x, target, cfg, slopes=False)[2] is None or not cfg.critic_layer_norm
    for name in grads:
        assert grads[name].shape == got_grads[name].shape
        np.testing.assert_allclose(got_grads[name], grads[name], rtol=2e-4, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("changes", [{}, {"activation": "tanh"}])
def test_values_and_what_the_policy_climbs_equal_those_of_jax(changes):
    cfg = small(critic_hidden=(16, 8), **changes)
    params, obs = random_critics(cfg), jax.random.normal(jax.random.key(5), (8, 3))
    action, weigh = jax.random.normal(jax.random.key(6), (8, 2)), jax.random.normal(jax.random.key(7), (3, 8))

    def of(values):
        return jax.jit(jax.value_and_grad(lambda a: (weigh * values(params, obs, a, cfg)).sum()))(action)

    (got, got_slope), (value, slope) = of(ensemble.values), of(networks.q_values)
    assert got == pytest.approx(float(value), rel=1e-5)
    np.testing.assert_allclose(got_slope, slope, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("where", ["x", "target", "w0", "shift0", "b_out"])
def test_what_is_not_finite_shows_in_the_gradient(where):
    """ReLU must not make a zero of it: the update would not notice."""
    cfg = small()
    given = {"params": random_critics(cfg), "x": jnp.ones((8, 5)), "target": jnp.zeros(8)}
    owner = given["params"] if where in given["params"] else given
    owner[where] = owner[where].at[(1, 0, 0)[: owner[where].ndim]].set(jnp.nan)
    _, grads, _ = jax.jit(ensemble.loss_and_grads, static_argnames="cfg")(**given, cfg=cfg)
    assert not optim.usable(grads)


def test_many_calls_at_once_do_not_get_in_each_others_way():
    """Threads of XLA's pool come late, leave early and share memory that the last of them frees."""
    cfg = small(critic_hidden=(16, 8), n_critics=7)
    params, target = random_critics(cfg), jnp.zeros(64)
    xs = jax.random.normal(jax.random.key(5), (40, 64, 5))
    ours = jax.jit(lambda x: ensemble.loss_and_grads(params, x, target, cfg)[1])
    alone = [ours(x) for x in xs]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ours, [x for _ in range(5) for x in xs]))
    for i, got in enumerate(together):
        for name, array in got.items():
            np.testing.assert_array_equal(array, alone[i % 40][name])


def test_another_version_of_xlas_interface_is_not_called(monkeypatch, tmp_path):
    header = tmp_path / "xla" / "ffi" / "api" / "c_api.h"
    header.parent.mkdir(parents=True)
    header.write_text("#define XLA_FFI_API_MAJOR 0\n#define XLA_FFI_API_MINOR 4\n")
    monkeypatch.setattr(jax.ffi, "include_dir", lambda: str(tmp_path))
    xla_call.available.cache_clear()
    try:
        assert not ensemble.by_kernels(small())
    finally:
        xla_call.available.cache_clear()
        monkeypatch.undo()
    assert ensemble.by_kernels(small())


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
    ours = jax.jit(ensemble.loss_and_grads, static_argnames="cfg")
    before, after = (ours(p, x, target, cfg)[1] for p in (params, other))
    for name in before:
        np.testing.assert_array_equal(before[name][1:], after[name][1:])


def test_serls_shared_head_has_no_member_axis():
    cfg = small("serl")
    state = agents.init(spec(), cfg, 0)
    assert state.critic["w_out"].shape == (16, 1) and state.critic["w0"].shape == (3, 5, 16)
    assert not ensemble.by_kernels(cfg)
    some = ensemble.drawn(state.critic, jnp.array([2, 0]), cfg)
    assert some["w0"].shape == (2, 5, 16)
    np.testing.assert_array_equal(some["w0"][0], state.critic["w0"][2])
    np.testing.assert_array_equal(some["w_out"], state.critic["w_out"])
