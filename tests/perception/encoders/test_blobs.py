import jax
import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.perception.encoders.blobs import Blobs, find_colours

GREY, RED, BLUE = (128, 128, 128), (220, 30, 30), (30, 30, 220)
THREE = {"colour": np.array([GREY, RED, BLUE], np.float32) / 255.0}


def picture(row: int, column: int, side: int = 4, px: int = 32) -> np.ndarray:
    """A red square whose upper left corner is here."""
    frame = np.full((px, px, 3), GREY, np.uint8)
    frame[row : row + side, column : column + side] = RED
    return frame


def test_a_square_is_found_to_a_fraction_of_a_pixel() -> None:
    frames = np.stack([picture(4, 20), picture(5, 21)])
    rows, columns, amounts = np.split(Blobs(colours=3).apply_numpy(THREE, frames), 3, axis=1)
    px = 2.0 / 31.0
    pulled = 16.0 / 17.0  # of 16 pixels one more is drawn to the middle
    np.testing.assert_allclose(rows[:, 1], [pulled * (-1 + 5.5 * px), pulled * (-1 + 6.5 * px)], atol=1e-4)
    np.testing.assert_allclose(
        columns[:, 1], [pulled * (-1 + 21.5 * px), pulled * (-1 + 22.5 * px)], atol=1e-4
    )
    np.testing.assert_allclose(amounts[:, 1], np.sqrt(16 / 1024), atol=1e-4)


def test_a_colour_that_is_not_there_lies_in_the_middle() -> None:
    rows, columns, amounts = np.split(Blobs(colours=3).apply_numpy(THREE, picture(4, 20)[None]), 3, axis=1)
    np.testing.assert_allclose([rows[0, 2], columns[0, 2], amounts[0, 2]], 0.0, atol=1e-3)


def test_numpy_says_the_same_as_jax() -> None:
    encoder = Blobs(colours=5, softness=0.3)
    frames = np.random.default_rng(0).integers(0, 256, (3, 10, 14, 3), dtype=np.uint8)
    params = {k: np.asarray(v) for k, v in encoder.init(jax.random.key(0), (10, 14, 3)).items()}
    assert {k: v.shape for k, v in params.items()} == encoder.shapes((10, 14, 3))
    here = encoder.apply_numpy(params, frames)
    assert here.shape == (3, encoder.size((10, 14, 3)))
    assert here.dtype == np.float32
    np.testing.assert_allclose(here, jax.jit(encoder.apply)(params, frames), atol=1e-4)


def test_a_small_thing_that_moves_gets_a_colour() -> None:
    """Of a frame's 4096 pixels it has four; most of the rest is one grey and never changes."""
    rng = np.random.default_rng(0)
    frames = np.stack([picture(*rng.integers(0, 60, 2), side=2, px=64) for _ in range(60)])
    found = find_colours(frames, Blobs(colours=3), rng) * 255.0
    assert found.shape == (3, 3)
    assert found.dtype == np.float32
    assert np.abs(found - RED).sum(1).min() < 1.0
    assert np.abs(found - GREY).sum(1).min() < 1.0


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="colours=1 must be at least 2"):
        Blobs(colours=1)
    with pytest.raises(ConfigError, match=r"softness=0 in \(0, 1\]"):
        Blobs(softness=0.0)
