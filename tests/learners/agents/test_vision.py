"""Agents that see: which gradient moves what, how often a frame is encoded, what a bad number does."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.learners.agents.helpers import Tiny, frames, pixels, seeing, small, spec

from sandlot.learners import agents, plugins
from sandlot.learners.agents import ensemble, networks, sac, vision
from sandlot.learners.errors import ConfigError

SPEC = seeing()


def minibatch(**changes):
    return jax.tree.map(lambda x: x[0], frames(**changes))


def moved(before, after):
    return {name for name in after if before[name].tobytes() != after[name].tobytes()}


def updated(cfg, made, *, offline=False, seed=0):
    state = agents.init(SPEC, cfg, seed)
    before = agents.state_to_arrays(state)
    state, info = agents.update(state, made, cfg, offline)
    return before, agents.state_to_arrays(state), info


def test_inputs_are_bottlenecks_by_camera_name_and_then_the_state():
    """One camera's features [1, 2] through w = I: LayerNorm of (1, 2) is (-1, 1), then tanh."""
    params = {"bottleneck.a.w": jnp.eye(2), "bottleneck.a.b": jnp.zeros(2)}
    params |= {"bottleneck.a.scale": jnp.ones(2), "bottleneck.a.shift": jnp.array([0.0, 1.0])}
    params |= {name.replace(".a.", ".b."): 0.0 * value for name, value in params.items()}
    features = {"b": jnp.array([[7.0, 8.0]]), "a": jnp.array([[1.0, 2.0]])}
    got = networks.inputs(params, {"state": jnp.array([[5.0]]), "features": features})
    np.testing.assert_allclose(got, [[np.tanh(-1), np.tanh(2), 0, 0, 5]], rtol=1e-5)
    assert networks.inputs({}, {"state": jnp.array([[5.0]])}).tolist() == [[5.0]]


def test_sizes_of_every_weight():
    cfg = pixels(n_critics=3)
    state = agents.init(SPEC, cfg, 0)  # 8x8 px: four patches of 4 features each
    assert {name: a.shape for name, a in state.vision.encoder.items()} == {
        f"encoder.{camera}.{name}": shape
        for camera in ("side", "wrist")
        for name, shape in (("kernel", (48, 4)), ("bias", (4,)))
    }
    assert state.vision.neck["bottleneck.wrist.w"].shape == (16, 5)
    assert state.actor["bottleneck.side.w"].shape == (16, 5)
    assert state.actor["w0"].shape == (2 * 5 + 2, 16) and state.critic["w0"].shape == (3, 2 * 5 + 2 + 2, 16)
    assert state.critic["w_out"].shape == (3, 16, 1)  # each critic has its own head
    assert agents.init(spec(), small(), 0).vision is None
    keys = [np.asarray(state.vision.encoder[f"encoder.{c}.kernel"]) for c in ("side", "wrist")]
    assert not np.array_equal(*keys)  # cameras start apart


@pytest.mark.parametrize("name", ["rlpd", "bc", "wsrl"])
def test_every_network_learns(name):
    before, after, info = updated(pixels(name), frames(), offline=name == "wsrl")
    assert int(info["skipped"]) == 0
    networks_ = {"actor.w0", "actor.bottleneck.wrist.w", "vision.encoder.encoder.side.kernel"}
    critics = {"critic.w0", "target.w0", "vision.neck.bottleneck.side.w", "vision.target.bottleneck.side.w"}
    assert networks_ | (set() if name == "bc" else critics) <= moved(before, after)


def test_the_policys_loss_moves_nothing_but_the_policy():
    """With discount 0 the targets know no policy: two policies leave the same critics, encoders and necks."""
    cfg, final = pixels(), frames(discount=np.zeros((4, 8), np.float32))
    results = []
    for change in (0.0, 0.3):
        state = agents.init(SPEC, cfg, 0)
        state = state._replace(actor={name: array + change for name, array in state.actor.items()})
        results.append(agents.state_to_arrays(agents.update(state, final, cfg)[0]))
    parts = {name.partition(".")[0] for name in moved(*results)}
    assert parts == {"actor", "actor_opt", "log_temp", "temp_opt"}


def test_critic_gradients_equal_jax_grad_through_everything():
    """Encoder, bottleneck and critics: the hand-written backward pass joined to JAX's, against JAX alone."""
    cfg, state = pixels(), agents.init(SPEC, pixels(), 0)
    one, key, target = minibatch(), jax.random.key(3), jax.random.normal(jax.random.key(4), (8,))

    def loss(weights, critic):
        shifted, _ = vision.shifted(key, one, cfg)
        features = vision.encode(weights, shifted, cfg)
        seen = networks.inputs(weights, {"state": one.obs["state"], "features": features})
        return jnp.square(networks.q_values(critic, seen, one.action, cfg) - target).mean()

    @functools.partial(jax.jit, static_argnames="cfg")
    def ours(state, cfg):
        look = vision.look(state.vision, one, key, cfg)
        pair = jnp.concatenate([look.seen, one.action], axis=-1)
        _, grads, dx = ensemble.loss_and_grads(state.critic, pair, target, cfg)
        return look.back(dx[:, :-2]), grads

    expected = jax.jit(jax.grad(loss, argnums=(0, 1)))(vision.trained(state.vision, cfg), state.critic)
    for theirs, mine in zip(expected, ours(state, cfg), strict=True):
        assert theirs.keys() == mine.keys()
        for name, value in theirs.items():
            np.testing.assert_allclose(mine[name], value, rtol=1e-3, atol=2e-6, err_msg=name)


def test_frozen_encoders_get_no_gradient_and_no_memory():
    before, after, info = updated(pixels(encoder_frozen=True), frames())
    names = moved(before, after)
    assert "vision.neck.bottleneck.side.w" in names and int(info["skipped"]) == 0
    assert not [n for n in after if n.startswith("vision.mu.encoder")]
    assert not [n for n in names if n.startswith("vision.encoder")]


@pytest.mark.parametrize("name", ["rlpd", "bc"])
def test_a_gradient_that_is_not_finite_moves_no_weight_that_sees(name):
    cfg = pixels(name)
    bad = frames(reward=np.full((4, 8), np.nan, np.float32), action=np.full((4, 8, 2), np.nan, np.float32))
    before, after, info = updated(cfg, bad)
    assert int(info["skipped"]) == 4
    still = (
        ("vision", "critic.", "target.") if name == "rlpd" else ("vision", "actor.")
    )  # its own batch is good
    assert not [n for n in moved(before, after) if n.startswith(still)]


class Overflowing(Tiny):
    """Its features are fine, its gradient is infinite: only a norm that covers the encoder notices."""

    def apply(self, params, frames, xp=jnp):
        root = jnp.sqrt(jnp.square(params["bias"]).sum())  # slope infinite where the bias is 0, as at first
        return super().apply(params, frames, xp) + root


def test_the_gradients_norm_covers_the_encoder():
    plugins.register("encoder", "overflowing", f"{__name__}:Overflowing")
    before, after, info = updated(pixels(encoder="overflowing"), frames())
    assert int(info["skipped"]) == 4
    assert not [n for n in moved(before, after) if n.startswith(("vision", "critic.", "target."))]


def test_each_frame_is_encoded_once_a_critic_step_and_stays_uint8_until_then():
    calls = []

    class Counting(Tiny):
        def apply(self, params, frames, xp=jnp):
            calls.append((frames.shape, frames.dtype))
            return super().apply(params, frames, xp)

    globals()["Counting"] = Counting
    plugins.register("encoder", "counting", f"{__name__}:Counting")
    cfg = pixels(encoder="counting", actor_every=1)
    jax.eval_shape(lambda s, b: sac.update(s, b, cfg, offline=False), agents.init(SPEC, cfg, 0), frames())
    per_step = 2 * 2  # cameras, obs and next_obs; the policy's step reuses them
    assert len(calls) % per_step == 0 and set(calls) == {((8, 8, 8, 3), np.dtype(np.uint8))}
    traces = len(calls) // per_step
    calls.clear()
    jax.eval_shape(
        lambda v, b: vision.look(v, b, jax.random.key(0), cfg)[:2],
        agents.init(SPEC, cfg, 0).vision,
        minibatch(),
    )
    assert len(calls) == per_step and traces <= 2  # the scan's body may be traced twice, never encode twice


def test_cloning_and_values_resume_bit_for_bit():
    for name in ("rlpd", "bc"):
        cfg = pixels(name)
        state, _ = agents.update(agents.init(SPEC, cfg, 1), frames(), cfg)
        arrays = agents.state_to_arrays(state)
        again = agents.arrays_to_state(agents.init(SPEC, cfg, 99), arrays)
        one, two = (agents.state_to_arrays(agents.update(s, frames(seed=5), cfg)[0]) for s in (state, again))
        assert not moved(one, two) and "vision.mu.encoder.wrist.kernel" in one


def test_there_is_no_dropout_in_critics_encoders_or_policy_unless_an_agent_clones():
    def program(cfg):
        state = agents.init(SPEC, cfg, 0)
        return str(jax.make_jaxpr(lambda s, b: agents.update(s, b, cfg))(state, frames()))

    assert program(pixels()) == program(pixels(bc_dropout=0.5))


def test_an_encoder_nobody_has_is_refused_by_name():
    with pytest.raises(ConfigError, match="encoder 'eye' does not exist; choose one of .*conv"):
        agents.init(SPEC, pixels(encoder="eye"), 0)
    with pytest.raises(ConfigError, match="'latent' is 0"):
        pixels(latent=0)


def test_an_agent_may_see_without_any_state():
    blind = seeing(state=0)
    made = frames()
    none = {"state": np.zeros((4, 8, 0), np.float32)}
    made = made._replace(obs=made.obs | none, next_obs=made.next_obs | none)
    state = agents.init(blind, pixels(), 0)
    after, _ = jax.eval_shape(lambda s, b: agents.update(s, b, pixels()), state, made)
    assert jax.tree.structure(after) == jax.tree.structure(state)


def test_a_stack_of_frames_is_shifted_as_one_and_encoded_one_by_one():
    cfg = pixels(frame_stack=3, augment_px=2)
    state = agents.init(SPEC, cfg, 0)
    assert state.vision.encoder["encoder.side.kernel"].shape == (48, 4)
    assert state.vision.neck["bottleneck.side.w"].shape == (3 * 16, 5)
    made = minibatch(stack=3)
    one = made.obs["images"]["side"][:, :1].repeat(3, 1)  # three times the same frame
    shown, _ = vision.shifted(jax.random.key(0), made._replace(obs={"images": {"side": one}}), cfg)
    for k in (1, 2):
        np.testing.assert_array_equal(shown["side"][:, 0], shown["side"][:, k])
    features = vision.encode(state.vision.encoder, {"side": made.obs["images"]["side"]}, cfg)["side"]
    second = vision.encode(state.vision.encoder, {"side": made.obs["images"]["side"][:, 1]}, cfg)["side"]
    np.testing.assert_allclose(features[:, 16:32], second, rtol=1e-5)
    after, _ = jax.eval_shape(lambda s, b: agents.update(s, b, cfg), state, frames(stack=3))
    assert jax.tree.structure(after) == jax.tree.structure(state)


class HalfFrozen(Tiny):
    def trains(self, name):
        return name == "bias"


def test_an_encoder_may_name_a_part_that_is_not_trained():
    plugins.register("encoder", "half", f"{__name__}:HalfFrozen")
    state = agents.init(SPEC, pixels(encoder="half"), 0)
    assert {n for n in state.vision.mu if n.startswith("encoder")} == {
        "encoder.side.bias",
        "encoder.wrist.bias",
    }


def test_an_encoders_settings_are_given_as_text():
    wide = pixels(encoder_settings=["width=6"])
    assert agents.init(SPEC, wide, 0).vision.encoder["encoder.side.bias"].shape == (6,)
    for text in ("depth=2", "width"):
        with pytest.raises(ConfigError, match="encoder 'tiny' cannot be made.*write NAME=VALUE"):
            agents.init(SPEC, pixels(encoder_settings=[text]), 0)


def test_no_weight_is_weakly_typed_or_the_second_update_would_compile_anew():
    state = agents.init(SPEC, pixels(), 0)
    assert Tiny().init(jax.random.key(0), (8, 8, 3))["bias"].weak_type
    assert not [x for x in jax.tree.leaves(state) if x.weak_type]


def test_obs_and_next_obs_are_shifted_by_themselves():
    one = minibatch(b=64)
    twin = one._replace(next_obs=one.obs)
    here, there = vision.shifted(jax.random.key(0), twin, pixels(augment_px=4))
    same = [np.array_equal(a, b) for a, b in zip(here["wrist"], there["wrist"], strict=True)]
    assert np.mean(same) < 0.1
