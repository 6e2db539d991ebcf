"""An agent's own encoders that start from a trained encoder's file: exactly these weights, or a refusal."""

import dataclasses

import jax
import numpy as np
import pytest
from bench.system_rig import tiny
from tests.learners.agents.helpers import frames
from tests.perception.encoders.test_file import SETTINGS, SHAPE, trained

from sandlot.learners import agents
from sandlot.learners.agents import vision
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.errors import ConfigError, SpecError, StoreError, WeightsError
from sandlot.learners.schema import Entry, EnvSpec
from sandlot.learners.store import RunStore
from sandlot.learners.trainer import Trainer
from sandlot.perception.encoders.resnet import ResNet10
from sandlot.perception.encoders.start import start_weights

SPEC = EnvSpec("seen", (Entry("s", 2),), dict.fromkeys(("side", "wrist"), SHAPE), (Entry("a", 2),), 10.0, 50)
FLAGS = tuple(f"{name}={value}" for name, value in SETTINGS.items())
SMALL = AgentConfig(
    actor_hidden=(8,),
    critic_hidden=(8,),
    n_critics=1,
    n_min=1,
    batch_size=4,
    utd=1,
    latent=3,
    augment_px=0,
    encoder_settings=FLAGS,
)


@pytest.fixture
def file(tmp_path):
    made = trained()
    made.save(tmp_path / "e.safetensors")
    return made, str(tmp_path / "e.safetensors")


def seen():
    """A batch whose frames are of this file's size."""
    rng = np.random.default_rng(0)
    made = frames(1, 4)
    images = {c: rng.integers(0, 256, (1, 4, *SHAPE), np.uint8) for c in SPEC.images}
    return made._replace(
        **{k: {**getattr(made, k), "images": images} for k in ("obs", "next_obs")},
    )


def encoders(state):
    return {name.removeprefix("encoder."): np.asarray(a) for name, a in state.vision.encoder.items()}


def test_an_agent_starts_from_exactly_these_weights_and_then_trains_them(file):
    made, path = file
    cfg = dataclasses.replace(SMALL, encoder_init=path)
    state, fresh = agents.init(SPEC, cfg, 0), encoders(agents.init(SPEC, SMALL, 0))
    given = {f"{c}.{n}": a for c, its in made.weights.items() for n, a in its.items() if "head" not in n}
    found = encoders(state)
    assert found.keys() == given.keys() == fresh.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert not np.array_equal(found["wrist.kernel0"], fresh["wrist.kernel0"])
    after = encoders(agents.update(state, seen(), cfg)[0])
    assert not np.array_equal(after["wrist.kernel0"], given["wrist.kernel0"])


def test_frozen_ones_have_no_gradient_and_no_memory(file):
    cfg = dataclasses.replace(SMALL, encoder_init=file[1], encoder_frozen=True)
    state = agents.init(SPEC, cfg, 0)
    np.testing.assert_array_equal(encoders(state)["side.kernel1"], file[0].weights["side"]["kernel1"])
    assert set(vision.trained(state.vision, cfg)) == set(state.vision.neck)


def test_a_file_of_another_encoder_or_of_other_frames_is_refused(file):
    _, path = file
    cfg = dataclasses.replace(SMALL, encoder_init=path)
    with pytest.raises(
        SpecError, match=r"holds encoder conv, and the agent's is blobs .*--agent.encoder conv"
    ):
        agents.init(SPEC, dataclasses.replace(cfg, encoder="blobs", encoder_settings=()), 0)
    with pytest.raises(SpecError, match=r"--agent.encoder-settings 'kernels=\[4, 2\]' 'strides=\[4, 1\]'"):
        agents.init(SPEC, dataclasses.replace(cfg, encoder_settings=(*FLAGS[:2], "channels=[3, 4]")), 0)
    larger = EnvSpec("seen", SPEC.state, {"side": (24, 24, 3)}, SPEC.action, 10.0, 50)
    with pytest.raises(SpecError, match=r"the agent sees 'side' with \(24, 24, 3\)"):
        agents.init(larger, cfg, 0)
    other = EnvSpec("seen", SPEC.state, {"top": SHAPE}, SPEC.action, 10.0, 50)
    with pytest.raises(SpecError, match="the agent sees 'top'"):
        agents.init(other, cfg, 0)
    blind = EnvSpec("seen", SPEC.state, {}, SPEC.action, 10.0, 50)
    with pytest.raises(ConfigError, match="the agent observes no frames; name cameras"):
        agents.init(blind, cfg, 0)


def test_a_file_that_is_missing_or_damaged_is_refused(file, tmp_path):
    _, path = file
    with pytest.raises(StoreError, match="cannot be read"):
        agents.init(SPEC, dataclasses.replace(SMALL, encoder_init=str(tmp_path / "gone")), 0)
    data = bytearray((tmp_path / "e.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "e.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match=r"its digest is \w+\.\."):
        agents.init(SPEC, dataclasses.replace(SMALL, encoder_init=path), 0)


def test_a_resnet_may_be_pretrained_frozen_and_then_tuned(tmp_path):
    from sandlot.perception.encoders.file import TrainedEncoder

    shape, small = (64, 64, 3), ResNet10(filters=4, embeddings=2)
    weights = {name: np.ones(size, np.float32) for name, size in small.shapes(shape).items()}
    weights |= {"head.w": np.zeros((small.size(shape), 1), np.float32), "head.b": np.zeros(1, np.float32)}
    settings = {"filters": 4, "embeddings": 2, "frozen": True, "weights": "trunk.safetensors"}
    made = TrainedEncoder(
        name="resnet10", settings=settings, shapes={"side": shape}, weights={"side": weights}
    )
    made.save(tmp_path / "r.safetensors")
    cfg = AgentConfig(encoder="resnet10", encoder_init=str(tmp_path / "r.safetensors"))
    tuned = ResNet10(filters=4, embeddings=2, frozen=False)
    assert start_weights(cfg, tuned, {"side": shape})["side"].keys() == tuned.shapes(shape).keys()
    with pytest.raises(SpecError, match='"filters": 64'):
        start_weights(cfg, ResNet10(), {"side": shape})


def test_a_resnet_sees_the_frames_of_a_stack_one_by_one():
    cfg = AgentConfig(
        encoder="resnet10", encoder_settings=("filters=4", "embeddings=2"), frame_stack=3, latent=5
    )
    spec = EnvSpec("seen", SPEC.state, {"side": (64, 64, 3)}, SPEC.action, 10.0, 50)
    weights = jax.eval_shape(lambda: vision.init(jax.random.key(0), spec, cfg).encoder)
    stack = {"side": jax.ShapeDtypeStruct((2, 3, 64, 64, 3), np.uint8)}
    features = jax.eval_shape(lambda w, x: vision.encode(w, x, cfg), weights, stack)
    assert features["side"].shape == (2, 3 * ResNet10(filters=4, embeddings=2).size((64, 64, 3)))


def test_a_run_goes_on_without_the_file(file, tmp_path):
    _, path = file
    asked = tiny(agent=dataclasses.replace(SMALL, algo="sac", encoder_init=path))
    with RunStore.open(tmp_path / "run", SPEC) as store:
        first = Trainer(tmp_path / "run", asked, store, pinned_seq=0)
        first.save()
        first.close()
        (tmp_path / "e.safetensors").unlink()
        again = Trainer(tmp_path / "run", asked, store, pinned_seq=0)
        again.close()
    np.testing.assert_array_equal(encoders(again.state)["side.bias0"], file[0].weights["side"]["bias0"])
