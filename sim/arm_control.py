"""Operational-space impedance control at every physics tick, compiled, with reference limiting in true units.

    wrench = K e - D v,    tau = J^T wrench + N tau_posture + bias(q, v)

`e` is the pose error towards the reference. Its length is clipped in metres and in radians of true angle,
so the static force never exceeds `stiffness * error limit`, whatever was commanded. N = 1 - J^T (J J^T +
damping)^-1 J projects the posture term on motions that leave the tool alone; bias is gravity, Coriolis
and centrifugal torque.

Everything is compiled into one function with one signature, so that its cache on disk is one entry:
processes that start together may all compile it, and write the same. The loop calls libmujoco's own
`mj_step1` and `mj_step2` without passing through Python: 50 ticks of physics and control are one call, which
releases the interpreter lock.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding  # type: ignore[import-untyped]
import mujoco
import numpy as np
from numba import types
from numba.extending import register_jitable

from sandlot.learners.compiled import compiled
from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.rotation import clip_norm, log, mul, slerp

Array = np.ndarray
GRAM_DAMPING = 1e-6  # keeps J J^T invertible at a singularity


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


@register_jitable
def _solve_spd(a: Array, b: Array) -> Array:
    """The solution x of a x = b, for a symmetric positive definite [6, 6] (Cholesky in place)."""
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


@register_jitable
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


class Loop(NamedTuple):
    """What the compiled loop works on.

    Attributes:
        model: address of the mjModel.
        data: address of the mjData.
        gains: `Impedance.gains` [9].
        where: rows joint id, qpos address, dof address [3, n].
        torque_nm: torque limits [n].
        posture_rad: null-space posture [n].
        reference: current reference pose, position row and rotation rows [4, 3]; moved in place.
        goal: pose that the reference moves to at constant speed, by line and slerp [4, 3].
        wrench: set to the mean of `sensed` over the ticks of a call [6].
        qpos: view of mjData.
        qvel: view of mjData.
        bias: view of mjData, gravity, Coriolis and centrifugal torques.
        anchor: view of mjData, positions of the joints' axes.
        axis: view of mjData, their directions.
        tool_pos: view of mjData [3].
        tool_mat: view of mjData [3, 3].
        applied: view of mjData, torques on the joints; written.
        sensed: view of mjData, force and torque at the wrist [6].
    """

    model: int
    data: int
    gains: Array
    where: Array
    torque_nm: Array
    posture_rad: Array
    reference: Array
    goal: Array
    wrench: Array
    qpos: Array
    qvel: Array
    bias: Array
    anchor: Array
    axis: Array
    tool_pos: Array
    tool_mat: Array
    applied: Array
    sensed: Array


@register_jitable
def _share_felt(jac: Array, tau: Array) -> Array:
    """The wrench [6] at the tool by which `tau` [n] would be felt: (J J^T + damping)^-1 J tau."""
    gram = np.zeros((6, 6))
    moved = np.zeros(6)
    for i in range(6):
        for k in range(tau.size):
            moved[i] += jac[i, k] * tau[k]
        for j in range(i + 1):
            for k in range(tau.size):
                gram[i, j] += jac[i, k] * jac[j, k]
        gram[i, i] += GRAM_DAMPING
    return _solve_spd(gram, moved)


@register_jitable
def torques(gains: Array, jac: Array, joints: Array, error: Array) -> Array:
    """Joint torques [n] of the impedance law.

    Args:
        gains: `Impedance.gains`.
        jac: Jacobian of the tool [6, n].
        joints: rows position, velocity, bias torque, posture [4, n].
        error: rows position error in m, rotation vector in rad [2, 3]; clipped here to their limits.
    """
    n = jac.shape[1]
    e_pos, e_rot = clip_norm(error[0], gains[4]), clip_norm(error[1], gains[5])
    twist = np.zeros(6)
    null = np.empty(n)
    for k in range(n):
        null[k] = gains[6] * (joints[3, k] - joints[0, k]) - gains[7] * joints[1, k]
        for i in range(6):
            twist[i] += jac[i, k] * joints[1, k]
    wrench = np.empty(6)
    for i in range(3):
        wrench[i] = gains[0] * e_pos[i] - gains[1] * twist[i]
        wrench[3 + i] = gains[2] * e_rot[i] - gains[3] * twist[3 + i]
    wrench -= _share_felt(jac, null)
    tau = null + joints[2]
    for k in range(n):
        for i in range(6):
            tau[k] += jac[i, k] * wrench[i]
    return tau


@register_jitable
def _approach(reference: Array, goal: Array, share: float) -> None:
    """Moves a pose [4, 3] a share of the way to another: on a line, and by slerp."""
    for i in range(3):
        reference[0, i] += share * (goal[0, i] - reference[0, i])
    reference[1:] = slerp(reference[1:], goal[1:], share)


@compiled(rotation)
def run_ticks(loop: Loop, ticks: int, remaining: int) -> int:
    """Runs `ticks` of physics and control.

    Args:
        loop: what to work on.
        ticks: how many.
        remaining: ticks until the reference reaches its goal.

    Returns:
        How many of the ticks until then remain.
    """
    n = loop.where.shape[1]
    joints = np.empty((4, n))
    joints[3] = loop.posture_rad
    error = np.empty((2, 3))
    loop.wrench[:] = 0.0
    for _ in range(ticks):
        if remaining > 0:
            _approach(loop.reference, loop.goal, 1.0 / remaining)
            remaining -= 1
        _mj_step1(loop.model, loop.data)
        for k in range(n):
            joints[0, k] = loop.qpos[loop.where[1, k]]
            joints[1, k] = loop.qvel[loop.where[2, k]]
            joints[2, k] = loop.bias[loop.where[2, k]]
        jac = jacobian(loop.anchor, loop.axis, loop.where[0], loop.tool_pos)
        error[0] = loop.reference[0] - loop.tool_pos
        error[1] = log(mul(loop.reference[1:], loop.tool_mat.T))
        tau = torques(loop.gains, jac, joints, error)
        for k in range(n):
            old = loop.applied[loop.where[2, k]]
            new = min(max(tau[k], old - loop.gains[8]), old + loop.gains[8])
            loop.applied[loop.where[2, k]] = min(max(new, -loop.torque_nm[k]), loop.torque_nm[k])
        _mj_step2(loop.model, loop.data)
        for i in range(6):
            loop.wrench[i] += loop.sensed[i] / ticks
    return remaining
