"""Operational-space impedance control at every physics tick, compiled, with reference limiting in true units.

    wrench = K e - D v,    tau = J^T wrench + N tau_posture + bias(q, v)

`e` is the pose error towards the reference. Its length is clipped in metres and in radians of true angle, so the
static force never exceeds `stiffness * error limit`, whatever was commanded. N = 1 - J^T (J J^T + damping)^-1 J
projects the posture term on motions that leave the tool alone; bias is gravity, Coriolis and centrifugal torque.

The loop calls libmujoco's own `mj_step1` and `mj_step2` without passing through Python: 50 ticks of physics and
control are one call, which releases the interpreter lock.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llvmlite.binding
import mujoco
import numpy as np
from numba import njit, types

from sandlot.learners.errors import ConfigError
from sandlot.robots.rotation import between, clip_norm, exp, log, mul

Array = np.ndarray


def _load_libmujoco() -> None:
    """Makes libmujoco's symbols known to the compiler; it is the library that the bindings already loaded."""
    found = sorted(Path(mujoco.__file__).parent.glob("libmujoco*")) or sorted(
        Path(mujoco.__file__).parent.glob("mujoco.dll")
    )
    if not found:
        raise ConfigError(
            f"no libmujoco beside {mujoco.__file__}; install the wheel: pip install --force-reinstall mujoco"
        )
    llvmlite.binding.load_library_permanently(str(found[0]))


_load_libmujoco()
_mj_step1 = types.ExternalFunction("mj_step1", types.void(types.uintp, types.uintp))
_mj_step2 = types.ExternalFunction("mj_step2", types.void(types.uintp, types.uintp))


@dataclass(frozen=True, kw_only=True)
class Impedance:
    """Gains and limits of the controller.

    Attributes:
        stiffness_npm: translational stiffness.
        damping_nspm: translational damping.
        stiffness_nmprad: rotational stiffness.
        damping_nmsprad: rotational damping.
        error_m: longest position error that is acted on: force <= stiffness_npm * error_m.
        error_rad: largest orientation error that is acted on, true angle.
        posture_nmprad: stiffness of the null-space term.
        torque_rate_nmps: fastest change of a joint torque (1000 Nm/s in the arm's data sheet).
    """

    stiffness_npm: float = 2000.0
    damping_nspm: float = 150.0
    stiffness_nmprad: float = 150.0
    damping_nmsprad: float = 10.0
    error_m: float = 0.03
    error_rad: float = 0.3
    posture_nmprad: float = 5.0
    torque_rate_nmps: float = 1000.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"impedance '{name}' is {value}: it must be finite and above 0")

    def gains(self, timestep_s: float, factor: float = 1.0) -> Array:
        """The numbers the compiled loop reads, float64 [9]; `factor` scales stiffness, its root damping."""
        root = math.sqrt(factor)
        return np.array(
            [
                self.stiffness_npm * factor,
                self.damping_nspm * root,
                self.stiffness_nmprad * factor,
                self.damping_nmsprad * root,
                self.error_m,
                self.error_rad,
                self.posture_nmprad,
                2.0 * math.sqrt(self.posture_nmprad),
                self.torque_rate_nmps * timestep_s,
            ]
        )


@njit(cache=True)
def _solve_spd(a: Array, b: Array) -> Array:
    """x with a x = b, for a symmetric positive definite [6, 6] (Cholesky in place)."""
    n = b.shape[0]
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = math.sqrt(a[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
    x = b.copy()
    for i in range(n):
        for k in range(i):
            x[i] -= a[i, k] * x[k]
        x[i] /= a[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= a[k, i] * x[k]
        x[i] /= a[i, i]
    return x


@njit(cache=True)
def jacobian(anchor: Array, axis: Array, joints: Array, point: Array) -> Array:
    """The geometric Jacobian [6, n] of `point` for hinge `joints` of a serial chain, base frame."""
    out = np.empty((6, joints.size))
    for k in range(joints.size):
        a, o = axis[joints[k]], anchor[joints[k]]
        x, y, z = point[0] - o[0], point[1] - o[1], point[2] - o[2]
        out[0, k] = a[1] * z - a[2] * y
        out[1, k] = a[2] * x - a[0] * z
        out[2, k] = a[0] * y - a[1] * x
        out[3, k], out[4, k], out[5, k] = a[0], a[1], a[2]
    return out


@njit(cache=True)
def torques(
    gains: Array, jac: Array, q: Array, v: Array, bias: Array, posture: Array, e_pos: Array, e_rot: Array
) -> Array:
    """Joint torques [n] for pose errors `e_pos` (m) and `e_rot` (rad), both clipped here to their limits."""
    n = q.size
    e_pos, e_rot = clip_norm(e_pos, gains[4]), clip_norm(e_rot, gains[5])
    wrench = np.zeros(6)
    for i in range(6):
        for k in range(n):
            wrench[i] += jac[i, k] * v[k]
    for i in range(3):
        wrench[i] = gains[0] * e_pos[i] - gains[1] * wrench[i]
        wrench[3 + i] = gains[2] * e_rot[i] - gains[3] * wrench[3 + i]
    null = np.empty(n)
    for k in range(n):
        null[k] = gains[6] * (posture[k] - q[k]) - gains[7] * v[k]
    gram = np.zeros((6, 6))
    moved = np.zeros(6)
    for i in range(6):
        for k in range(n):
            moved[i] += jac[i, k] * null[k]
        for j in range(6):
            for k in range(n):
                gram[i, j] += jac[i, k] * jac[j, k]
        gram[i, i] += 1e-6
    moved = _solve_spd(gram, moved)
    tau = null + bias
    for k in range(n):
        for i in range(6):
            tau[k] += jac[i, k] * (wrench[i] - moved[i])
    return tau


@njit(cache=True, nogil=True)
def run_ticks(
    model: int,
    data: int,
    ticks: int,
    gains: Array,
    index: Array,
    limits: Array,
    posture: Array,
    reference: Array,
    goal: Array,
    remaining: int,
    qpos: Array,
    qvel: Array,
    bias: Array,
    anchor: Array,
    axis: Array,
    site_pos: Array,
    site_mat: Array,
    applied: Array,
    sensed: Array,
    wrench: Array,
) -> int:
    """Runs `ticks` of physics and control; returns how many ticks of interpolation remain.

    Args:
        model: address of the mjModel.
        data: address of the mjData; the arrays from `qpos` on are views of it.
        ticks: how many.
        gains: `Impedance.gains`.
        index: rows joint id, qpos address, dof address; [3, n].
        limits: torque limits [n].
        posture: null-space posture [n].
        reference: current reference pose, position row and rotation rows [4, 3]; moved in place.
        goal: pose that the reference moves to at constant speed, by line and slerp [4, 3].
        remaining: ticks until the reference reaches the goal.
        qpos, qvel, bias, anchor, axis, site_pos, site_mat, applied, sensed: views of mjData.
        wrench: set to the mean of `sensed` over these ticks [6].
    """
    n = index.shape[1]
    q, v, b = np.empty(n), np.empty(n), np.empty(n)
    wrench[:] = 0.0
    for _ in range(ticks):
        if remaining > 0:
            share = 1.0 / remaining
            for i in range(3):
                reference[0, i] += share * (goal[0, i] - reference[0, i])
            reference[1:] = mul(exp(between(reference[1:], goal[1:]) * share), reference[1:])
            remaining -= 1
        _mj_step1(model, data)
        for k in range(n):
            q[k], v[k], b[k] = qpos[index[1, k]], qvel[index[2, k]], bias[index[2, k]]
        jac = jacobian(anchor, axis, index[0], site_pos)
        e_rot = log(mul(reference[1:], site_mat.T))
        tau = torques(gains, jac, q, v, b, posture, reference[0] - site_pos, e_rot)
        for k in range(n):
            old = applied[index[2, k]]
            new = min(max(tau[k], old - gains[8]), old + gains[8])
            applied[index[2, k]] = min(max(new, -limits[k]), limits[k])
        _mj_step2(model, data)
        for i in range(6):
            wrench[i] += sensed[i] / ticks
    return remaining
