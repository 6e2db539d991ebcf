import subprocess
import sys

import jax
import msgspec
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learners.agents.helpers import frames, pixels, seeing

import sandlot
from sandlot.learners import agents
from sandlot.learners.agents import Transition, networks, vision
from sandlot.learners.errors import SpecError, StoreError, WeightsError
from sandlot.learners.policy import Policy, PolicyArch, policy_from_state
from sandlot.learners.schema import Entry, EnvSpec

SPEC = EnvSpec("toy", (Entry("s", 2),), {}, (Entry("a", 1),), 10.0, 50)
ARCH = PolicyArch(hidden=(2,))


def by_hand(**changes):
    """Two inputs, two ReLU units, one action: mean = relu(x0 - x1) + 0.5 relu(x1), log std = -1."""
    weights = {
        "w0": np.array([[1.0, 0.0], [-1.0, 1.0]], np.float32),
        "b0": np.zeros(2, np.float32),
        "w_out": np.array([[1.0, 0.0], [0.5, 0.0]], np.float32),
        "b_out": np.array([0.0, -1.0], np.float32),
    }
    return Policy(**{"spec": SPEC, "arch": ARCH, "weights": weights, "version": 7, **changes})


def trained(preset="rlpd", seed=0):
    cfg = agents.preset(preset, actor_hidden=(32, 24), critic_hidden=(8,), n_critics=2, n_min=1)
    spec = EnvSpec("toy", (Entry("s", 6),), {}, (Entry("a", 3),), 10.0, 50)
    state = agents.init(spec, cfg, seed)
    return state, spec, cfg, policy_from_state(state, spec, cfg, version=3)


def test_mode_by_hand():
    policy = by_hand()
    action = policy.act({"state": np.array([3.0, 1.0])})
    assert action.dtype == np.float32 and action.shape == (1,)
    assert action[0] == pytest.approx(np.tanh(2.5), abs=1e-6)
    assert policy.act({"state": np.array([-1.0, 0.5])})[0] == pytest.approx(np.tanh(0.25), abs=1e-6)


def test_samples_are_seeded_and_spread_as_the_log_std_says():
    policy, obs = by_hand(), {"state": np.zeros((20_000, 2), np.float32)}
    one, two = (policy.act(obs, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.arctanh(one).std() == pytest.approx(np.exp(-1.0), rel=0.03)
    assert not np.array_equal(one, policy.act(obs, np.random.default_rng(6)))


@pytest.mark.parametrize("preset", ["rlpd", "serl"])
def test_it_equals_the_jax_actor(preset):
    state, _, cfg, policy = trained(preset)
    obs = np.random.default_rng(0).standard_normal((100, 6)).astype(np.float32)
    mean, log_std = networks.actor_output(state.actor, obs, cfg)
    mine = policy.distribution(obs)
    np.testing.assert_allclose(mine[0], mean, atol=1e-5)
    np.testing.assert_allclose(mine[1], log_std, atol=1e-5)
    np.testing.assert_allclose(policy.act({"state": obs}), np.tanh(mean), atol=1e-5)
    noise = np.random.default_rng(1).standard_normal((100, 3), np.float32)
    expected, _ = networks.squash(mean, log_std, noise)
    np.testing.assert_allclose(policy.act({"state": obs}, np.random.default_rng(1)), expected, atol=1e-5)


def test_bytes_and_file_round_trip(tmp_path):
    _, spec, _, policy = trained()
    again = Policy.from_bytes(policy.to_bytes(), spec)
    policy.save(tmp_path / "p.safetensors")
    loaded = sandlot.load_policy(str(tmp_path / "p.safetensors"))
    for other in (again, loaded):
        assert (other.spec, other.arch, other.version) == (spec, policy.arch, 3)
        assert other.fingerprint == policy.fingerprint
        assert all(other.weights[k].tobytes() == v.tobytes() for k, v in policy.weights.items())
    assert [p.name for p in tmp_path.iterdir()] == ["p.safetensors"]


def test_metadata_is_readable_json(tmp_path):
    by_hand().save(tmp_path / "p")
    with safetensors.safe_open(tmp_path / "p", "numpy") as file:
        metadata = file.metadata()
    assert metadata["version"] == "7" and msgspec.json.decode(metadata["arch"])["hidden"] == [2]
    assert msgspec.json.decode(metadata["spec"])["task"] == "toy"


def test_a_policy_holds_a_copy_of_the_agents_weights():
    state, _, cfg, policy = trained()
    before = policy.weights["w0"].copy()
    jax.tree.map(lambda x: x.delete(), state)  # as a donating update does
    np.testing.assert_array_equal(policy.weights["w0"], before)


def test_fingerprint_follows_architecture_and_spec_not_weights():
    _, _, _, one = trained(seed=0)
    _, _, _, two = trained(seed=1)
    _, _, _, other = trained("serl")
    assert one.fingerprint == two.fingerprint != other.fingerprint
    longer = msgspec.structs.replace(SPEC, max_episode_steps=51)
    assert by_hand().fingerprint != by_hand(spec=longer).fingerprint


def seeing_policy(**changes):
    cfg = pixels(**changes)
    state = agents.init(seeing(), cfg, 0)
    return state, cfg, policy_from_state(state, seeing(), cfg)


@pytest.mark.parametrize("stack", [1, 3])
def test_a_policy_that_sees_equals_the_jax_agent_and_travels_as_bytes(stack):
    state, cfg, policy = seeing_policy(frame_stack=stack)
    policy = Policy.from_bytes(policy.to_bytes(), seeing())
    assert policy.frame_stack == stack and policy.arch.vision.settings == {"width": 4}
    obs = jax.tree.map(lambda x: x[0], frames(stack=stack if stack > 1 else 0).obs)
    shown, _ = vision.shifted(jax.random.key(0), Transition(obs, 0, 0, 0, obs, 0), pixels(augment_px=0))
    features = vision.encode(state.vision.encoder, shown, cfg)
    seen = networks.inputs(state.actor, {"state": obs["state"], "features": features})
    expected = np.tanh(networks.actor_output(state.actor, seen, cfg)[0])
    np.testing.assert_allclose(policy.act(obs), expected, atol=1e-5)
    one = jax.tree.map(lambda x: x[0], obs)
    np.testing.assert_allclose(policy.act(one), expected[0], atol=1e-5)
    other = {"state": one["state"], "images": {c: 255 - f for c, f in one["images"].items()}}
    assert np.abs(policy.act(other) - policy.act(one)).max() > 1e-3  # it does look


def test_frames_that_do_not_fit_are_refused_by_camera():
    policy = seeing_policy()[2]
    good = jax.tree.map(lambda x: x[0, 0], frames().obs)
    for images, words in [
        (
            {"side": good["images"]["side"]},
            r"cameras \['side'\].*looks through 'wrist' too: add it to --cameras",
        ),
        (
            good["images"] | {"wrist": np.zeros((8, 9, 3), np.uint8)},
            r"'wrist'\] is uint8\[8, 9, 3\].*needs uint8\[8, 8, 3\]",
        ),
        (good["images"] | {"wrist": np.zeros((8, 8, 3))}, r"'wrist'\] is float64"),
        (good["images"] | {"wrist": np.zeros((3, 8, 8, 3), np.uint8)}, r"\[3, 8, 8, 3\]"),
    ]:
        with pytest.raises(SpecError, match=words):
            policy.act({"state": good["state"], "images": images})
    with pytest.raises(SpecError, match="cameras \\[\\]"):
        policy.act({"state": good["state"]})


def test_encoders_that_do_not_fit_the_weights_are_refused():
    policy = seeing_policy()[2]
    wider = msgspec.structs.replace(policy.arch.vision, settings={"width": 5})
    with pytest.raises(
        WeightsError, match=r"'encoder.side.kernel' is float32\[48, 4\].*needs float32\[48, 5\]"
    ):
        Policy(
            spec=policy.spec, arch=msgspec.structs.replace(policy.arch, vision=wider), weights=policy.weights
        )
    for changes, words in [
        ({"encoder": "eye"}, "'eye' does not exist"),
        ({"settings": {"depth": 1}}, "'depth'"),
    ]:
        vision_arch = msgspec.structs.replace(policy.arch.vision, **changes)
        with pytest.raises(WeightsError, match=words):
            Policy(
                spec=policy.spec, arch=msgspec.structs.replace(policy.arch, vision=vision_arch), weights={}
            )
    assert seeing_policy(frame_stack=2)[2].fingerprint != policy.fingerprint


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(bad):
    weights = {k: v.copy() for k, v in by_hand().weights.items()}
    weights["w_out"][0, 1] = bad
    with pytest.raises(WeightsError, match="'w_out' has 1 numbers that are not finite; keep the old policy"):
        by_hand(weights=weights)
    state, spec, cfg, _ = trained()
    broken = state._replace(actor=state.actor | {"b0": state.actor["b0"].at[0].set(bad)})
    with pytest.raises(WeightsError, match="'b0'"):
        policy_from_state(broken, spec, cfg)


def test_weights_of_another_shape_are_refused():
    weights = by_hand().weights
    with pytest.raises(WeightsError, match=r"'b0' is float32\[3\], but task 'toy'.*needs float32\[2\]"):
        by_hand(weights=weights | {"b0": np.zeros(3, np.float32)})
    with pytest.raises(WeightsError, match="float64"):
        by_hand(weights=weights | {"b0": np.zeros(2)})
    with pytest.raises(WeightsError, match=r"\['extra'\] are missing or unknown"):
        by_hand(weights=weights | {"extra": np.zeros(2, np.float32)})


def test_a_policy_of_another_env_is_refused_naming_the_difference():
    other = msgspec.structs.replace(SPEC, control_hz=20.0)
    with pytest.raises(SpecError, match="control_hz: 10.0 != 20.0"):
        Policy.from_bytes(by_hand().to_bytes(), other)


@pytest.mark.parametrize("state", [np.zeros(3), np.array([0.0, np.nan])])
def test_observations_that_do_not_fit_are_refused(state):
    with pytest.raises(SpecError, match="task 'toy' needs 2 finite numbers"):
        by_hand().act({"state": state})


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(StoreError, match="none.safetensors' cannot be read"):
        Policy.load(tmp_path / "none.safetensors")
    (tmp_path / "x").write_bytes(safetensors.numpy.save({"a": np.zeros(2)}))
    with pytest.raises(WeightsError, match="x': .*format is None"):
        Policy.load(tmp_path / "x")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_damaged_bytes_never_crash_the_reader(place, value, cut):
    data = bytearray(by_hand().to_bytes())
    place %= len(data)
    damaged = bytes(data[:place]) if cut else bytes(data[:place] + bytes([value]) + data[place + 1 :])
    try:
        Policy.from_bytes(damaged)
    except (WeightsError, SpecError):
        pass


def test_an_actor_needs_no_jax():
    code = "import sys; import sandlot.learners.policy; sys.exit('jax' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "src"}, check=False).returncode == 0
    )


def test_an_actor_that_sees_through_the_conv_encoder_needs_no_jax(tmp_path):
    spec = EnvSpec("seen", (Entry("s", 2),), {"cam": (24, 24, 3)}, (Entry("a", 1),), 10.0, 50)
    cfg = agents.preset("rlpd", actor_hidden=(8,), critic_hidden=(8,), n_critics=2, latent=4)
    policy_from_state(agents.init(spec, cfg, 0), spec, cfg).save(tmp_path / "p")
    code = (
        "import sys, numpy as np, sandlot; policy = sandlot.load_policy(sys.argv[1]);"
        "policy.act({'state': np.zeros(2), 'images': {'cam': np.zeros((24, 24, 3), np.uint8)}});"
        "sys.exit('jax' in sys.modules)"
    )
    argv, env = [sys.executable, "-c", code, str(tmp_path / "p")], {"PYTHONPATH": "src"}
    assert subprocess.run(argv, env=env, check=False).returncode == 0
