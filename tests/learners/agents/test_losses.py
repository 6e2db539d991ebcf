import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learners.agents.helpers import small

from sandlot.learners.agents import Transition, losses, networks

NEXT_Q = jnp.array([[1.0, 5.0, 3.0], [2.0, 4.0, 9.0]])  # two drawn critics, three samples
LOGP = jnp.array([0.5, -0.5, 1.0])


def transition(discount):
    zeros = {"state": jnp.zeros((3, 1))}
    return Transition(
        zeros, jnp.zeros((3, 1)), jnp.array([1.0, 0.0, -1.0]), jnp.array(discount), zeros, jnp.zeros(3)
    )


def test_target_is_reward_plus_discounted_minimum_and_entropy():
    cfg = small(gamma=0.5)
    # minima 1, 4, 3; minus temp * logp: 1 - 1, 4 + 1, 3 - 2; halved: 0, 2.5, 0.5
    got = losses.td_target(transition([1.0, 1.0, 1.0]), NEXT_Q, LOGP, jnp.float32(2.0), cfg)
    np.testing.assert_allclose(got, [1.0, 2.5, -0.5], rtol=1e-6)


def test_only_a_true_end_cuts_the_future_off():
    cfg = small(gamma=0.5, entropy_backup=False)
    # the first ended truly (discount 0), the second at a time limit (1), the third is half of a 2-step return
    got = losses.td_target(transition([0.0, 1.0, 0.5]), NEXT_Q, LOGP, jnp.float32(2.0), cfg)
    np.testing.assert_allclose(got, [1.0, 2.0, -0.25], rtol=1e-6)


def test_the_entropy_of_a_true_end_counts_only_with_serls_switch():
    ended = transition([0.0, 0.0, 0.0])
    faithful = losses.td_target(ended, NEXT_Q, LOGP, jnp.float32(2.0), small(gamma=0.5))
    quirk = losses.td_target(ended, NEXT_Q, LOGP, jnp.float32(2.0), small(unmasked_entropy_backup=True))
    np.testing.assert_allclose(faithful, [1.0, 0.0, -1.0])
    np.testing.assert_allclose(quirk, [0.0, 1.0, -3.0], rtol=1e-6)


def test_temperature_loss_and_its_direction():
    value, slope = jax.value_and_grad(losses.temperature_loss)(jnp.log(2.0), jnp.float32(1.5), -1.0)
    assert value == pytest.approx(5.0) and slope == pytest.approx(5.0)  # too random: the temperature falls
    assert jax.grad(losses.temperature_loss)(jnp.log(2.0), jnp.float32(-3.0), -1.0) == pytest.approx(-4.0)


@pytest.mark.parametrize("replace", [False, True])
def test_subset_draws(replace):
    cfg = small(n_critics=3, n_min=2, subset_with_replacement=replace)
    keys = jax.random.split(jax.random.key(0), 300)
    drawn = np.asarray(jax.vmap(lambda k: losses.draw_subset(k, cfg))(keys))
    assert drawn.shape == (300, 2) and set(drawn.ravel()) == {0, 1, 2}
    twins = (drawn[:, 0] == drawn[:, 1]).mean()
    assert 0.2 < twins < 0.47 if replace else twins == 0  # a third coincide when put back
    pairs = {tuple(sorted(row)) for row in drawn.tolist()}
    assert {(0, 1), (0, 2), (1, 2)} <= pairs


def test_log_density_of_a_squashed_gaussian():
    # at noise 0, mean 0.3, std 2: density of the Gaussian 1 / (2 sqrt(2 pi)), over the slope 1 - tanh(0.3)^2
    action, logp = networks.squash(jnp.array([0.3]), jnp.log(jnp.array([2.0])), jnp.array([0.0]))
    expected = -np.log(2.0 * np.sqrt(2 * np.pi)) - np.log(1 - np.tanh(0.3) ** 2)
    assert action[0] == pytest.approx(np.tanh(0.3)) and logp == pytest.approx(expected, rel=1e-5)


def test_log_density_stays_finite_where_tanh_saturates():
    value, grad = jax.value_and_grad(lambda m: networks.squash(m, jnp.zeros(1), jnp.zeros(1))[1])(
        jnp.array([60.0])
    )
    assert np.isfinite(value) and np.isfinite(grad).all()


def test_actor_climbs_the_mean_or_the_minimum_of_all_critics():
    mean_cfg = small(n_critics=2, critic_hidden=(4,), critic_layer_norm=False)
    actor = networks.init_actor(jax.random.key(0), 1, 1, mean_cfg)
    args = {
        "value": lambda state, action: jnp.broadcast_to(jnp.array([[1.0], [4.0]]), (2, len(action))),
        "neck": {},
        "obs": {"state": jnp.zeros((5, 1))},
        "noise": jnp.zeros((5, 1)),
        "temp": jnp.float32(0.0),
    }
    assert losses.actor_loss(actor, cfg=mean_cfg, **args)[0] == pytest.approx(-2.5)
    min_cfg = small(n_critics=2, critic_hidden=(4,), critic_layer_norm=False, actor_reduce="min")
    assert losses.actor_loss(actor, cfg=min_cfg, **args)[0] == pytest.approx(-1.0)
