"""Rotations: exp and log undo each other everywhere, limits are true angles, nothing wraps at half a turn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots import rotation

floats = st.floats(-1.0, 1.0)
vectors = st.tuples(floats, floats, floats).map(np.array).filter(lambda v: np.linalg.norm(v) > 1e-3)
units = vectors.map(lambda v: v / np.linalg.norm(v))
angles = st.floats(0.0, math.pi - 1e-6)


@given(units, angles)
def test_log_undoes_exp(axis, angle):
    np.testing.assert_allclose(rotation.log(rotation.exp(axis * angle)), axis * angle, atol=1e-7)


@given(units, st.floats(-20.0, 20.0))
def test_exp_gives_rotations(axis, angle):
    r = rotation.exp(axis * angle)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(r) == pytest.approx(1.0)


@pytest.mark.parametrize("w", [(0, 0, math.pi), (0, math.pi, 0), (math.pi, 0, 0), (0, 0, -math.pi)])
def test_half_a_turn_has_a_logarithm(w):
    r = rotation.exp(np.array(w, float))
    assert rotation.length(rotation.log(r)) == pytest.approx(math.pi)
    np.testing.assert_allclose(rotation.exp(rotation.log(r)), r, atol=1e-9)


def test_quarter_turn_about_z_by_hand():
    r = rotation.exp(np.array([0.0, 0.0, math.pi / 2]))
    np.testing.assert_allclose(r, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-15)
    np.testing.assert_allclose(rotation.quat(r), [math.sqrt(0.5), 0, 0, math.sqrt(0.5)])


def test_crossing_half_a_turn_is_a_small_step():
    """What Euler angles get wrong: from 179 to -179 degrees is 2 degrees, not 358."""
    a, b = (rotation.exp(np.array([0.0, 0.0, math.radians(d)])) for d in (179.0, -179.0))
    np.testing.assert_allclose(rotation.between(a, b), [0, 0, math.radians(2.0)], atol=1e-9)


@given(vectors, vectors, st.floats(0.01, 3.0))
def test_limited_rotation_is_within_the_true_angle(a, b, limit):
    start, goal = rotation.exp(3 * a), rotation.exp(3 * b)
    limited = rotation.limit_angle(goal, start, limit)
    whole = rotation.length(rotation.between(start, goal))
    assert rotation.length(rotation.between(start, limited)) == pytest.approx(min(limit, whole), abs=1e-6)


@given(vectors, vectors, st.floats(0.0, 1.0))
def test_slerp_moves_at_constant_speed(a, b, share):
    start, goal = rotation.exp(2 * a), rotation.exp(2 * b)
    whole = rotation.length(rotation.between(start, goal))
    part = rotation.length(rotation.between(start, rotation.slerp(start, goal, share)))
    assert part == pytest.approx(share * whole, abs=1e-6)


@given(vectors, st.floats(0.001, 2.0))
def test_clip_norm_keeps_direction(v, limit):
    clipped = rotation.clip_norm(v, limit)
    assert rotation.length(clipped) <= limit + 1e-12 or rotation.length(clipped) <= rotation.length(v)
    np.testing.assert_allclose(np.cross(clipped, v), 0, atol=1e-12)
