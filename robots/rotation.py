"""Rotations as matrices and rotation vectors: exponential, logarithm, true angle, slerp, geodesic limits.

There are no Euler angles here: a rotation vector `w` [3] (rad) is axis times angle, `exp(w)` its matrix [3, 3],
and every limit is an angle on the sphere. Compiled, because the controller calls these at every physics tick.
"""

import math

import numpy as np
from numba import njit

Array = np.ndarray

_SMALL_RAD = 1e-8  # below this angle sin(a)/a is 1 to double precision


@njit(cache=True)
def exp(w: Array) -> Array:
    """The matrix [3, 3] that turns by `|w|` rad about the axis `w` [3] (Rodrigues)."""
    x, y, z = w[0], w[1], w[2]
    angle = math.sqrt(x * x + y * y + z * z)
    if angle < _SMALL_RAD:
        s, c = 1.0, 0.5
    else:
        s, c = math.sin(angle) / angle, (1.0 - math.cos(angle)) / (angle * angle)
    out = np.empty((3, 3))
    out[0, 0] = 1.0 - c * (y * y + z * z)
    out[1, 1] = 1.0 - c * (x * x + z * z)
    out[2, 2] = 1.0 - c * (x * x + y * y)
    out[0, 1], out[1, 0] = c * x * y - s * z, c * x * y + s * z
    out[0, 2], out[2, 0] = c * x * z + s * y, c * x * z - s * y
    out[1, 2], out[2, 1] = c * y * z - s * x, c * y * z + s * x
    return out


@njit(cache=True)
def quat(r: Array) -> Array:
    """The unit quaternion (w, x, y, z) of a matrix [3, 3], with w >= 0 (Shepperd's method: stable at every angle)."""
    t = r[0, 0] + r[1, 1] + r[2, 2]
    q = np.empty(4)
    q[0] = 1.0 + t
    q[1], q[2], q[3] = 1.0 + 2.0 * r[0, 0] - t, 1.0 + 2.0 * r[1, 1] - t, 1.0 + 2.0 * r[2, 2] - t
    k = np.argmax(q)
    big = 2.0 * math.sqrt(q[k])
    if k == 0:
        q[1], q[2], q[3] = (r[2, 1] - r[1, 2]) / big, (r[0, 2] - r[2, 0]) / big, (r[1, 0] - r[0, 1]) / big
    elif k == 1:
        q[0], q[2], q[3] = (r[2, 1] - r[1, 2]) / big, (r[0, 1] + r[1, 0]) / big, (r[0, 2] + r[2, 0]) / big
    elif k == 2:
        q[0], q[1], q[3] = (r[0, 2] - r[2, 0]) / big, (r[0, 1] + r[1, 0]) / big, (r[1, 2] + r[2, 1]) / big
    else:
        q[0], q[1], q[2] = (r[1, 0] - r[0, 1]) / big, (r[0, 2] + r[2, 0]) / big, (r[1, 2] + r[2, 1]) / big
    q[k] = big / 4.0
    norm = math.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
    return q / norm if q[0] >= 0 else -q / norm


@njit(cache=True)
def log(r: Array) -> Array:
    """The rotation vector [3] of a matrix [3, 3], with an angle in [0, pi]; the inverse of `exp`."""
    q = quat(r)
    sin_half = math.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    scale = 2.0 if sin_half < _SMALL_RAD else 2.0 * math.atan2(sin_half, q[0]) / sin_half
    return q[1:] * scale


@njit(cache=True)
def mul(a: Array, b: Array) -> Array:
    """The matrix product of two [3, 3]: first `b`, then `a`."""
    out = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]
    return out


@njit(cache=True)
def cross(a: Array, b: Array) -> Array:
    """The vector product of two [3]."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@njit(cache=True)
def between(a: Array, b: Array) -> Array:
    """The rotation vector [3] in the base frame that turns `a` [3, 3] into `b` [3, 3]: exp(between) a = b."""
    return log(mul(b, a.T))


@njit(cache=True)
def clip_norm(v: Array, limit: float) -> Array:
    """The vector `v` [3], shortened to length `limit` if it is longer; direction kept."""
    norm = math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])
    return v * (limit / norm) if norm > limit else v.copy()


@njit(cache=True)
def limit_angle(r: Array, centre: Array, limit_rad: float) -> Array:
    """The rotation on the geodesic from `centre` to `r` that is at most `limit_rad` away from `centre`."""
    w = between(centre, r)
    if math.sqrt(w[0] * w[0] + w[1] * w[1] + w[2] * w[2]) <= limit_rad:
        return r.copy()
    return mul(exp(clip_norm(w, limit_rad)), centre)


@njit(cache=True)
def slerp(a: Array, b: Array, s: float) -> Array:
    """The rotation a share `s` in [0, 1] of the way from `a` to `b` on the shortest path, at constant speed."""
    return mul(exp(between(a, b) * s), a)


def from_quat(q: Array) -> Array:
    """The matrix [3, 3] of a quaternion (w, x, y, z), normalised first."""
    w, x, y, z = np.asarray(q, float) / np.linalg.norm(q)
    v = np.array([x, y, z])
    sin_half = float(np.linalg.norm(v))
    return exp(v * (2.0 if sin_half < _SMALL_RAD else 2.0 * math.atan2(sin_half, w) / sin_half))
