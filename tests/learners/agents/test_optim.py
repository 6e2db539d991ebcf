import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.agents import optim


def one(value):
    return {"w": jnp.array([value], jnp.float32)}


def test_first_step_moves_by_the_learning_rate_against_the_sign():
    params, opt, ok = optim.adam_step(one(1.0), one(-0.25), optim.init_adam(one(0.0)), lr=0.1)
    assert ok and opt.steps == 1
    assert params["w"][0] == pytest.approx(1.1, rel=1e-5)
    assert opt.mu["w"][0] == pytest.approx(-0.025) and opt.nu["w"][0] == pytest.approx(6.25e-5)


def test_second_step_by_hand():
    params, opt, _ = optim.adam_step(one(0.0), one(1.0), optim.init_adam(one(0.0)), lr=0.1)
    params, opt, _ = optim.adam_step(params, one(-1.0), opt, lr=0.1)
    mu, nu = (0.9 * 0.1 - 0.1) / (1 - 0.81), (0.999 * 0.001 + 0.001) / (1 - 0.999**2)
    assert params["w"][0] == pytest.approx(-0.1 - 0.1 * mu / np.sqrt(nu), rel=1e-3)


def test_warmup_scales_the_step():
    params, _, _ = optim.adam_step(one(0.0), one(1.0), optim.init_adam(one(0.0)), lr=0.1, warmup=4)
    assert params["w"][0] == pytest.approx(-0.025, rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e25])
def test_an_unusable_gradient_changes_no_bit(bad):
    params = {"w": jnp.array([1.0, 2.0]), "b": jnp.float32(3.0)}
    opt = optim.adam_step(
        params, {"w": jnp.array([0.1, -0.2]), "b": jnp.float32(1.0)}, optim.init_adam(params), lr=0.1
    )[1]
    new, new_opt, ok = optim.adam_step(
        params, {"w": jnp.array([0.0, bad]), "b": jnp.float32(0.5)}, opt, lr=0.1
    )
    assert not ok
    for before, after in zip(jax.tree.leaves((params, opt)), jax.tree.leaves((new, new_opt)), strict=True):
        assert np.asarray(before).tobytes() == np.asarray(after).tobytes()


@settings(deadline=None)  # the first example compiles
@given(st.lists(st.floats(-1e8, 1e8, width=32), min_size=1, max_size=8))
def test_a_finite_gradient_is_usable_and_keeps_weights_finite(values):
    params = {"w": jnp.zeros(len(values))}
    grads = {"w": jnp.array(values, jnp.float32)}
    new, opt, ok = optim.adam_step(params, grads, optim.init_adam(params), lr=0.1)
    assert ok and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((new, opt)))


def test_target_moves_by_tau_and_only_if_ok():
    moved = optim.average(one(1.0), one(3.0), 0.25, jnp.array(True))
    kept = optim.average(one(1.0), one(3.0), 0.25, jnp.array(False))
    assert moved["w"][0] == 1.5 and kept["w"][0] == 1.0
