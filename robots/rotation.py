"""Rotations as matrices and rotation vectors: exponential, logarithm, true angle, slerp, geodesic limits.

There are no Euler angles here: a rotation vector `w` [3] (rad) is axis times angle, `exp(w)` its matrix
[3, 3], and every limit is a true angle. These are plain Python; `register_jitable` lets the simulation's
compiled controller call the same source. (Its cache does not see a change of this file: touch
`arm_control.py` too.)
"""

import math
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

Array = np.ndarray

_SMALL_RAD = 1e-8  # below this angle sin(a)/a is 1 to double precision


@register_jitable
def exp(w: Array) -> Array:
    """The matrix [3, 3] that turns by `|w|` rad about the axis `w` [3] (Rodrigues)."""
    x, y, z = w[0], w[1], w[2]
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < _SMALL_RAD:
        s, c = 1.0, 0.5
    else:
        s, c = math.sin(angle) / angle, (1.0 - math.cos(angle)) / (angle * angle)
    return np.array(
        [
            [1.0 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y],
            [c * x * y + s * z, 1.0 - c * (x * x + z * z), c * y * z - s * x],
            [c * x * z - s * y, c * y * z + s * x, 1.0 - c * (x * x + y * y)],
        ]
    )


@register_jitable
def quat(r: Array) -> Array:
    """The unit quaternion (w, x, y, z) of a matrix [3, 3], with w >= 0 (Shepperd's method)."""
    xx, yy, zz = r[0, 0], r[1, 1], r[2, 2]
    x, y, z = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    trace = xx + yy + zz
    # Start from the largest component, so that nothing small is ever divided by.
    if trace >= max(xx, yy, zz):
        w = 1.0 + trace
    elif xx >= max(yy, zz):
        w, x, y, z = x, 1.0 + 2.0 * xx - trace, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]
    elif yy >= zz:
        w, x, y, z = y, r[0, 1] + r[1, 0], 1.0 + 2.0 * yy - trace, r[1, 2] + r[2, 1]
    else:
        w, x, y, z = z, r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1.0 + 2.0 * zz - trace
    norm = math.copysign(math.sqrt(w * w + x * x + y * y + z * z), w)
    return np.array([w / norm, x / norm, y / norm, z / norm])


def from_quat(q: Array) -> Array:
    """The matrix [3, 3] of a quaternion (w, x, y, z) of any length but 0; the inverse of `quat`."""
    w, x, y, z = q / math.sqrt(float(q @ q))
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    )


@register_jitable
def log(r: Array) -> Array:
    """The rotation vector [3] of a matrix [3, 3], with an angle in [0, pi]; the inverse of `exp`."""
    q = quat(r)
    w, x, y, z = q[0], q[1], q[2], q[3]
    sin_half = math.sqrt(x * x + y * y + z * z)
    scale = 2.0 if sin_half < _SMALL_RAD else 2.0 * math.atan2(sin_half, w) / sin_half
    return np.array([x * scale, y * scale, z * scale])


def mul(a: Array, b: Array) -> Array:
    """The matrix product of two [3, 3]: first `b`, then `a`."""
    return a @ b


@overload(mul)
def _mul_compiled(a: Array, b: Array) -> Any:
    """What the compiler puts in place of `mul`: three loops, where `@` would call a BLAS."""

    def loops(a: Array, b: Array) -> Array:
        out = np.empty((3, 3))
        for i in range(3):
            for j in range(3):
                out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
        return out

    return loops


@register_jitable
def between(a: Array, b: Array) -> Array:
    """The rotation vector [3] in the base frame that turns `a` [3, 3] into `b` [3, 3]: exp(between) a = b."""
    return log(mul(b, a.T))


@register_jitable
def length(v: Array) -> float:
    """The Euclidean length of a vector [3]; of a rotation vector, its true angle."""
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


@register_jitable
def clip_norm(v: Array, limit: float) -> Array:
    """The vector `v` [3], shortened to length `limit` if it is longer; direction kept."""
    norm = length(v)
    return v * (limit / norm) if norm > limit else v * 1.0


@register_jitable
def slerp(a: Array, b: Array, s: float) -> Array:
    """The rotation a share `s` of the way from `a` to `b` on the shortest path, at constant speed."""
    return mul(exp(between(a, b) * s), a)


def limit_angle(r: Array, centre: Array, limit_rad: float) -> Array:
    """The rotation on the geodesic from `centre` to `r`, at most `limit_rad` away from `centre`."""
    w = between(centre, r)
    return r.copy() if length(w) <= limit_rad else mul(exp(clip_norm(w, limit_rad)), centre)
