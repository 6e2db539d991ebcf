import hashlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.perception.encoders.resnet import ResNet10, load_trunk, save_trunk

SMALL = ResNet10(filters=4, embeddings=2)
SHAPE = (64, 96, 3)


def trunk(encoder: ResNet10, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.standard_normal(s, np.float32) for k, s in encoder.trunk_shapes().items()}


def test_the_published_size() -> None:
    """4.91 M numbers in the trunk; 128 x 128 becomes 4 x 4 x 512, and 4096 features."""
    encoder = ResNet10()
    shapes = encoder.shapes((128, 128, 3))
    assert shapes["where"] == (16, 512, 8)
    assert encoder.size((128, 128, 3)) == 4096
    assert sum(int(np.prod(s)) for s in encoder.trunk_shapes().values()) == pytest.approx(4.91e6, rel=0.01)


def test_a_map_of_a_32nd_and_numpy_says_the_same() -> None:
    params = SMALL.init(jax.random.key(0), SHAPE)
    assert {k: v.shape for k, v in params.items()} == SMALL.shapes(SHAPE)
    frames = np.random.default_rng(0).integers(0, 256, (2, *SHAPE), dtype=np.uint8)
    assert jax.eval_shape(SMALL.trunk, params, jnp.asarray(frames)).shape == (2, 2, 3, 32)
    there, here = jax.jit(SMALL.apply)(params, frames), SMALL.apply_numpy(params, frames)
    assert here.shape == (2, SMALL.size(SHAPE))
    np.testing.assert_allclose(here, there, atol=1e-4)


def test_a_frozen_trunk_has_no_gradient_and_a_tuned_one_has() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    for encoder, moved in ((SMALL, False), (ResNet10(filters=4, embeddings=2, frozen=False), True)):
        params = encoder.init(jax.random.key(0), (64, 64, 3))
        loss = jax.jit(jax.grad(lambda p, e=encoder: jnp.square(e.apply(p, frames)).sum()))
        grads = loss(params)
        assert bool(np.abs(grads["conv_init/kernel"]).max() > 0) == moved
        assert np.abs(grads["where"]).max() > 0


def test_group_norm_by_hand() -> None:
    from sandlot.perception.encoders.resnet import _group_norm

    x = np.zeros((1, 1, 2, 8), np.float32)
    x[0, 0, :, 2:4] = [[1.0, 3.0], [3.0, 1.0]]  # the second of four groups: mean 2, deviation 1
    params = {"n/scale": np.full(8, 2.0, np.float32), "n/bias": np.full(8, 0.5, np.float32)}
    out = np.asarray(_group_norm(jnp.asarray(x), params, "n"))
    np.testing.assert_allclose(out[0, 0, :, 2:4], [[-1.5, 2.5], [2.5, -1.5]], atol=1e-4)
    np.testing.assert_allclose(out[0, 0, :, 4:], 0.5)


def test_a_trunk_file_is_where_init_starts_from(tmp_path: pathlib.Path) -> None:
    path, arrays = str(tmp_path / "trunk.safetensors"), trunk(SMALL)
    digest = save_trunk(path, arrays, SMALL, "a test")
    assert len(digest) == hashlib.sha256().digest_size * 2
    encoder = ResNet10(filters=4, embeddings=2, weights=path)
    params = encoder.init(jax.random.key(0), (64, 64, 3))
    for name, array in arrays.items():
        np.testing.assert_array_equal(params[name], array)


def test_a_trunk_of_another_network_or_with_other_numbers_is_refused(tmp_path: pathlib.Path) -> None:
    path, arrays = tmp_path / "trunk.safetensors", trunk(SMALL)
    save_trunk(str(path), arrays, SMALL, "a test")
    with pytest.raises(
        WeightsError, match=r"'conv_init/kernel' is float32\[7, 7, 3, 4\] and must be .* 64\]"
    ):
        load_trunk(str(path), ResNet10())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"its digest is \w+\.\., and \w+\.\. was written"):
        load_trunk(str(path), SMALL)
    arrays["norm_init/bias"][1] = np.nan
    with pytest.raises(WeightsError, match="'norm_init/bias' has 1 numbers that are not finite"):
        save_trunk(str(path), arrays, SMALL, "a test")
    del arrays["norm_init/bias"]
    with pytest.raises(WeightsError, match="arrays missing: norm_init/bias"):
        save_trunk(str(path), arrays, SMALL, "a test")


def test_frames_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"32 x 32 x 3 must be RGB of at least 64 x 64 px"):
        SMALL.size((32, 32, 3))
    with pytest.raises(ConfigError, match=r"filters=6 must be a multiple of 4"):
        ResNet10(filters=6)
