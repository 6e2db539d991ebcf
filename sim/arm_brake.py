"""Braking in joint space, and holding where the arm came to rest.

While it moves, every joint's speed decays with one time constant, whatever the configuration:

    tau = M (-v / T) + bias          at rest:  tau = M (w^2 (held - q) - 2 w v) + bias

M is the inertia of the arm as it was when braking began. Nothing pulls towards a goal, so a stop never adds
motion; torques keep the limits and the rate of the impedance controller.
"""

import math

import mujoco
import numpy as np
from numba.extending import register_jitable

from sandlot.learners.compiled import compiled
from sandlot.sim.arm_control import Loop, _mj_step1, _mj_step2
from sandlot.sim.arm_kinematics import Chain

Array = np.ndarray

DECAY_S = 0.03
"""T: from full speed the arm is at rest in some 0.15 s; shorter, and the torque rate makes it overshoot."""
HOLD_RADPS = 12.0
"""w: the stiffness of the hold, 140 Nm/rad at a joint with 1 kg m^2."""
REST_RADPS = 0.01
"""Below this speed of every joint the arm is at rest, and held there."""


class Brake:
    """The brake of one arm.

    Attributes:
        held_rad: where it is held [n]; meaningless while it still moves.
        at_rest: whether it came to rest since `engage`.
    """

    def __init__(self, chain: Chain, loop: Loop) -> None:
        self._chain, self._loop = chain, loop
        n = chain.where.shape[1]
        self.held_rad = np.zeros(n)
        self.at_rest = False
        self._inertia = np.zeros((n, n))

    def engage(self) -> None:
        """Begins to brake."""
        model, data, where, _ = self._chain
        unit, column = np.zeros(model.nv), np.zeros(model.nv)
        for k, dof in enumerate(where[2]):
            unit[dof] = 1.0
            mujoco.mj_mulM(model, data, column, unit)
            unit[dof] = 0.0
            self._inertia[:, k] = column[where[2]]
        self.at_rest = False

    def run(self, ticks: int) -> None:
        """Runs physics and the brake."""
        self.at_rest = bool(_brake_ticks(self._loop, ticks, self._inertia, self.held_rad, self.at_rest))


@register_jitable
def wanted(moving: bool, joints: Array, held: Array, accel: Array) -> None:
    """Fills in the accelerations [n] of the brake; `joints` has rows position, velocity, bias [3, n]."""
    for k in range(held.size):
        if moving:
            accel[k] = -joints[1, k] / DECAY_S
        else:
            accel[k] = HOLD_RADPS * (HOLD_RADPS * (held[k] - joints[0, k]) - 2.0 * joints[1, k])


@compiled()
def _brake_ticks(loop: Loop, ticks: int, inertia: Array, held: Array, at_rest: bool) -> bool:
    """Runs `ticks` of physics and brake; whether the arm has come to rest."""
    n = loop.where.shape[1]
    joints, accel = np.empty((3, n)), np.empty(n)
    loop.wrench[:] = 0.0
    for _ in range(ticks):
        _mj_step1(loop.model, loop.data)
        fastest = 0.0
        for k in range(n):
            joints[0, k] = loop.qpos[loop.where[1, k]]
            joints[1, k] = loop.qvel[loop.where[2, k]]
            joints[2, k] = loop.bias[loop.where[2, k]]
            fastest = max(fastest, math.fabs(joints[1, k]))
        if not at_rest:
            held[:] = joints[0]
            at_rest = fastest < REST_RADPS
        wanted(not at_rest, joints, held, accel)
        for k in range(n):
            tau = joints[2, k]
            for j in range(n):
                tau += inertia[k, j] * accel[j]
            old = loop.applied[loop.where[2, k]]
            new = min(max(tau, old - loop.gains[8]), old + loop.gains[8])
            loop.applied[loop.where[2, k]] = min(max(new, -loop.torque_nm[k]), loop.torque_nm[k])
        _mj_step2(loop.model, loop.data)
        for i in range(6):
            loop.wrench[i] += loop.sensed[i] / ticks
    return at_rest
