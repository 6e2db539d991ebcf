import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.agents import augment

KEY = jax.random.key(0)
shift = jax.jit(augment.random_shift, static_argnames="pad_px")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 255), st.integers(0, 2**30))
def test_a_shifted_constant_frame_is_the_same_frame(value, seed):
    frames = np.full((3, 6, 5, 3), value, np.uint8)
    got = shift(jax.random.key(seed), frames, 2)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, frames)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**30))
def test_each_frame_is_moved_by_whole_pixels_within_the_pad_and_its_edge_repeated(seed):
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (8, 6, 5, 1), np.uint8)
    got = np.asarray(shift(jax.random.key(seed), frames, 2))
    for before, after in zip(frames, got, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)), mode="edge")
        crops = [padded[y : y + 6, x : x + 5] for y in range(5) for x in range(5)]
        assert any(np.array_equal(after, crop) for crop in crops)


def test_all_shifts_occur_and_no_pad_changes_nothing():
    frames = np.zeros((400, 9, 9, 1), np.uint8)
    frames[:, 4, 4] = 1
    places = {tuple(np.argwhere(f[:, :, 0])[0] - 4) for f in np.asarray(shift(KEY, frames, 1))}
    assert places == {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
    assert shift(KEY, frames, 0) is not None
    np.testing.assert_array_equal(shift(KEY, frames, 0), frames)


def test_cameras_are_shifted_independently():
    """The same frames through two cameras: with one key for both they would stay equal."""
    frames = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), np.uint8)
    got = augment.shift_all(KEY, {"wrist": frames, "side": frames}, 4)
    same = [np.array_equal(a, b) for a, b in zip(got["wrist"], got["side"], strict=True)]
    assert np.mean(same) < 0.1  # 1 of 81 pairs of shifts is a twin
