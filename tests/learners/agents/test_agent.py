import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learners.agents.helpers import batch, small, spec

from sandlot.learners import agents
from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.schema import Entry, EnvSpec

ALL = ["rlpd", "serl", "sac", "bc", "wsrl", "careful"]


def same(a, b, part=lambda name: True):
    """Whether two dicts of arrays agree to the bit in the chosen names."""
    return all(a[n].tobytes() == b[n].tobytes() for n in a if part(n))


def poisoned(**fields):
    bad = batch()
    for name, value in fields.items():
        getattr(bad, name)[2, 3] = value
    return bad


@pytest.mark.parametrize("name", ALL)
def test_update_is_deterministic_and_moves_every_network(name):
    cfg = small(name)
    start = agents.state_to_arrays(agents.init(spec(), cfg, 0))
    runs = []
    for _ in range(2):
        state, info = agents.update(agents.init(spec(), cfg, 0), batch(), cfg)
        runs.append(agents.state_to_arrays(state))
    assert same(*runs)
    assert int(info["skipped"]) == 0 and int(state.step) == 4
    assert all(np.isfinite(v).all() for v in info.values())
    for network in ("actor.",) if name == "bc" else ("actor.", "critic.", "target.", "log_temp"):
        assert not same(start, runs[0], lambda n, network=network: n.startswith(network)), network
    assert not same(start, runs[0], lambda n: n == "rng")


@pytest.mark.parametrize("name", ALL)
def test_checkpoint_round_trip_continues_bit_for_bit(name):
    cfg = small(name)
    state, _ = agents.update(agents.init(spec(), cfg, 1), batch(), cfg)
    arrays = agents.state_to_arrays(state)
    again = agents.arrays_to_state(agents.init(spec(), cfg, 99), arrays)
    assert same(arrays, agents.state_to_arrays(again))
    one, _ = agents.update(state, batch(seed=5), cfg)
    two, _ = agents.update(again, batch(seed=5), cfg)
    assert same(agents.state_to_arrays(one), agents.state_to_arrays(two))


def test_checkpoints_that_do_not_fit_are_refused_by_name():
    cfg = small()
    state = agents.init(spec(), cfg, 0)
    arrays = agents.state_to_arrays(state)
    with pytest.raises(StoreError, match="actor.w0.*missing or unknown"):
        agents.arrays_to_state(state, {k: v for k, v in arrays.items() if k != "actor.w0"})
    with pytest.raises(StoreError, match=r"'actor.w0' is float32\[2, 2\], this agent needs float32\[3, 16\]"):
        agents.arrays_to_state(state, arrays | {"actor.w0": np.zeros((2, 2), np.float32)})
    with pytest.raises(StoreError, match="'actor.w0' holds numbers that are not finite"):
        agents.arrays_to_state(state, arrays | {"actor.w0": np.full((3, 16), np.nan, np.float32)})


@pytest.mark.parametrize("name", ["rlpd", "serl", "wsrl", "careful"])
def test_a_bad_minibatch_is_skipped_and_counted(name):
    """The third of four has a NaN reward: no number goes bad, and the optimiser counts three steps."""
    cfg = small(name, actor_on_whole_batch=False)
    state, info = agents.update(agents.init(spec(), cfg, 0), poisoned(reward=np.nan), cfg)
    assert int(info["skipped"]) == 1 and int(state.critic_opt.steps) == 3 and int(state.step) == 4
    assert all(np.isfinite(v).all() for v in agents.state_to_arrays(state).values())


@pytest.mark.parametrize("name", ["rlpd", "careful"])
def test_a_wholly_bad_batch_leaves_critics_and_targets_as_they_were(name):
    cfg = small(name)
    state, _ = agents.update(agents.init(spec(), cfg, 0), batch(), cfg)
    before = agents.state_to_arrays(state)
    state, info = agents.update(state, batch(reward=np.full((4, 8), np.inf, np.float32)), cfg)
    after = agents.state_to_arrays(state)
    assert int(info["skipped"]) == 4
    assert same(before, after, lambda n: n.startswith(("critic", "target")))
    assert not same(before, after, lambda n: n.startswith("actor."))  # its batch was good


def test_a_bad_observation_stops_policy_and_temperature_too():
    cfg = small()
    before = agents.state_to_arrays(agents.init(spec(), cfg, 0))
    nan = {"state": np.full((4, 8, 3), np.nan, np.float32)}
    state, info = agents.update(agents.init(spec(), cfg, 0), batch(obs=nan), cfg)
    after = agents.state_to_arrays(state)
    assert int(info["skipped"]) == 6  # four critic steps, the policy's and the temperature's
    assert same(before, after, lambda n: n not in ("rng", "step"))


def test_cloning_skips_bad_actions():
    cfg = small("bc")
    bad = batch()
    bad.action[1, 0] = np.nan
    state, info = agents.update(agents.init(spec(), cfg, 0), bad, cfg)
    assert int(info["skipped"]) == 1 and int(state.actor_opt.steps) == 3


@pytest.mark.parametrize(
    ("every", "zero_grad", "actor_steps"),
    [(0, False, 1), (2, False, 2), (0, True, 5)],
)
def test_the_policy_steps_only_when_it_has_a_gradient(every, zero_grad, actor_steps):
    cfg = small(actor_every=every, zero_grad_actor_steps=zero_grad)
    state, _ = agents.update(agents.init(spec(), cfg, 0), batch(), cfg)
    assert int(state.critic_opt.steps) == 4
    assert int(state.actor_opt.steps) == int(state.temp_opt.steps) == actor_steps


def test_actor_every_counts_across_calls():
    cfg = small(actor_every=3)
    state = agents.init(spec(), cfg, 0)
    counts = []
    for seed in range(6):
        state, _ = agents.update(state, batch(u=1, seed=seed), cfg)
        counts.append(int(state.actor_opt.steps))
    assert counts == [0, 0, 1, 1, 1, 2]


def test_zero_gradient_steps_drift_only_with_serls_switch():
    """After one true gradient, a bad batch must leave the policy; with the quirk it still drifts."""
    for quirk in (False, True):
        cfg = small(zero_grad_actor_steps=quirk)
        state, _ = agents.update(agents.init(spec(), cfg, 0), batch(), cfg)
        before = np.array(state.actor["w0"])
        nan = {"state": np.full((4, 8, 3), np.nan, np.float32)}
        state, _ = agents.update(state, batch(obs=nan), cfg)
        assert np.array_equal(before, state.actor["w0"]) is not quirk


def test_the_calibrated_penalty_by_hand():
    """Constant critics of value q: the penalty is alpha * (max(q, return) - q), and 0 without calibration."""
    from sandlot.learners.agents import calql, networks

    for calibrate, expected in [(True, 5.0 * (np.log((1 + 2 * np.e) / 3))), (False, 0.0)]:
        cfg = small("wsrl", cql_importance=False, calibrate=calibrate, cql_actions=4)
        critic = jax.tree.map(jnp.zeros_like, networks.init_critics(jax.random.key(0), 3, 2, cfg))
        actor = networks.init_actor(jax.random.key(1), 3, 2, cfg)
        one = jax.tree.map(lambda x: x[0], batch(mc_return=np.ones((4, 8), np.float32)))  # return 1, value 0
        value = calql.penalty(
            critic, one.obs["state"], actor=actor, batch=one, key=jax.random.key(2), cfg=cfg
        )
        assert value == pytest.approx(expected, abs=1e-5)


def test_specs_an_agent_cannot_learn_from_are_refused():
    camera = EnvSpec("seen", (Entry("s", 2),), {"wrist": (8, 8, 3)}, (Entry("a", 1),), 10.0, 5)
    with pytest.raises(ConfigError, match="a frame of 8 x 8 px is too small.*use larger frames"):
        agents.init(camera, small(), 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"algo": "ppo"}, "'algo' is 'ppo': it must be one of rlpd, sac, bc, wsrl"),
        ({"n_min": 11}, "'n_min' is 11: it must not exceed n_critics"),
        ({"critic_hidden": ()}, "at least one positive whole width"),
        ({"tau": 0.0}, r"must lie in \(0, 1\]"),
        ({"gamma": 1.5}, r"must lie in \[0, 1\]"),
        ({"utd": 0}, "whole number of at least 1"),
        ({"actor_every": -1}, "whole number of at least 0"),
        ({"log_std_min": 3.0}, "below log_std_max"),
        ({"critic_lr": float("nan")}, "must lie in"),
    ],
)
def test_config_errors_name_field_value_and_rule(changes, words):
    with pytest.raises(ConfigError, match=words):
        agents.AgentConfig(**changes)


def test_presets():
    assert agents.preset("rlpd") == agents.AgentConfig()
    assert agents.preset("serl", gamma=0.9).gamma == 0.9 and agents.preset("serl").shared_q_head
    assert agents.AgentConfig(actor_hidden=[64, 64]).actor_hidden == (64, 64)
    with pytest.raises(ConfigError, match="preset 'ddpg' is unknown: choose one of rlpd"):
        agents.preset("ddpg")
    with pytest.raises(ConfigError, match="setting 'lr' is unknown"):
        agents.preset("sac", lr=1.0)
