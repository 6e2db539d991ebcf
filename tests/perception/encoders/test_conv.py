import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError
from sandlot.perception.encoders import Encoder
from sandlot.perception.encoders.conv import Conv

SHAPE = (24, 20, 3)
KINDS = [
    Conv(channels=(4, 6)),
    Conv(channels=(4, 6), pool="embeddings", embeddings=2),
    Conv(kernels=(3, 3, 2), strides=(2, 1, 2), channels=(3, 4, 5)),
]


def frames(count: int, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def weights(encoder: Encoder, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> dict[str, np.ndarray]:
    """Random ones, biases too."""
    rng = np.random.default_rng(seed)
    made = encoder.init(jax.random.key(seed), shape)
    assert {k: v.shape for k, v in made.items()} == encoder.shapes(shape)
    return {k: np.asarray(v) + 0.1 * rng.standard_normal(v.shape, np.float32) for k, v in made.items()}


@pytest.mark.parametrize("encoder", KINDS)
def test_numpy_says_the_same_as_jax(encoder: Conv) -> None:
    params, some = weights(encoder), frames(5)
    there = np.asarray(jax.jit(encoder.apply)(params, some))
    here = encoder.apply_numpy(params, some)
    assert there.shape == (5, encoder.size(SHAPE))
    assert here.dtype == there.dtype == np.float32
    np.testing.assert_allclose(here, there, atol=1e-4)


def test_uint8_and_floats_are_the_same_frames() -> None:
    encoder, some = KINDS[0], frames(2)
    params = weights(encoder)
    a = encoder.apply_numpy(params, some)
    b = encoder.apply_numpy(params, some.astype(np.float32))
    np.testing.assert_array_equal(a, b)


def test_a_keypoint_is_where_its_channel_is_active() -> None:
    encoder = Conv(kernels=(2,), strides=(2,), channels=(1,), pool="keypoints")
    params = {"kernel0": np.full((12, 1), 8.0), "bias0": np.array([48.0]), "sharpness": np.array([1.0])}
    black = np.zeros((3, 10, 10, 3), np.uint8)
    black[0, 0:2, 8:10] = 255  # the cell of row 0, column 4
    black[1, 4:6, 4:6] = 255
    for apply in (encoder.apply, encoder.apply_numpy):
        row, column, strength = np.asarray(apply(params, black)).T
        np.testing.assert_allclose(row, [-1.0, 0.0, 0.0], atol=1e-6)
        np.testing.assert_allclose(column, [1.0, 0.0, 0.0], atol=1e-6)
        np.testing.assert_allclose(strength, [96.0, 96.0, 0.0], atol=1e-6)


def test_every_weight_has_a_gradient() -> None:
    for encoder in KINDS[:2]:
        params = weights(encoder)
        loss = jax.jit(jax.grad(lambda p, e=encoder: jnp.square(e.apply(p, frames(4))).sum()))
        grads = loss(params)
        assert grads.keys() == params.keys()
        assert all(np.abs(g).max() > 0 for g in grads.values())


def test_it_can_be_static_under_jit_and_is_found_by_name() -> None:
    encoder = plugins.load("encoder", "conv")(kernels=[4, 3], strides=[4, 2], channels=[4, 6])
    assert encoder == Conv(channels=(4, 6))
    assert hash(encoder) == hash(Conv(channels=(4, 6)))


@pytest.mark.parametrize("px", [64, 128])
def test_the_default_takes_the_usual_sizes(px: int) -> None:
    encoder = Conv()
    params = weights(encoder, shape=(px, px, 3))
    assert encoder.apply_numpy(params, frames(1, shape=(px, px, 3))).shape == (1, encoder.size((px, px, 3)))


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"strides=\(4,\) must hold one number >= 1 for each of 2 layers"):
        Conv(strides=(4,))
    with pytest.raises(ConfigError, match=r"pool='mean' .*; choose embeddings"):
        Conv(pool="mean")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"a frame of 8 x 8 px is too small .* use larger frames"):
        Conv().size((8, 8, 3))
