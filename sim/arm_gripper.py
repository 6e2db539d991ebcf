"""The gripper of any arm, seen as a width in metres, whatever its actuator's own units are."""

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from sandlot.robots.arm.spec import MAX_WIDTH_M
from sandlot.sim.arm_model import ArmModel

SETTLE_TICKS = 1000


class Gripper:
    """Knows which control opens and closes, and how the actuator's length maps to the fingers' distance.

    It finds out by doing: once, weightless and on scratch data, it opens and closes and remembers where
    the fingers came to rest. `grip_m` is the distance at which it counts as closed (something may be
    mounted in between).
    """

    def __init__(self, model: Any, arm: ArmModel, joints: Sequence[int], grip_m: float) -> None:
        self._grip_m = grip_m
        self._actuator = model.actuator(arm.gripper).id if arm.gripper else -1
        share = grip_m / MAX_WIDTH_M
        self._ctrl = {True: arm.open_ctrl, False: arm.closed_ctrl + share * (arm.open_ctrl - arm.closed_ctrl)}
        self._qpos_adr = np.array([model.jnt_qposadr[j] for j in joints], int)
        self._rest: dict[bool, np.ndarray] = {}
        self._length: dict[bool, float] = {True: 1.0, False: 0.0}
        if self._actuator >= 0:
            for is_open in (True, False):
                self._settle(model, is_open)

    def _settle(self, model: Any, is_open: bool) -> None:
        """Lets the fingers come to rest in one command, and remembers how."""
        data, gravity = mujoco.MjData(model), model.opt.gravity.copy()
        model.opt.gravity[:] = 0.0
        self.command(data, is_open)
        mujoco.mj_step(model, data, SETTLE_TICKS)
        mujoco.mj_forward(model, data)
        model.opt.gravity[:] = gravity
        self._rest[is_open] = data.qpos[self._qpos_adr].copy()
        self._length[is_open] = float(data.actuator_length[self._actuator])

    def command(self, data: Any, is_open: bool) -> None:
        """Asks for open or closed."""
        if self._actuator >= 0:
            data.ctrl[self._actuator] = self._ctrl[is_open]

    def reset(self, data: Any, is_open: bool) -> None:
        """Puts the fingers where they rest in that command."""
        if self._rest:
            data.qpos[self._qpos_adr] = self._rest[is_open]
            self.command(data, is_open)

    def width_m(self, data: Any) -> float:
        """The distance of the fingers."""
        if self._actuator < 0:
            return self._grip_m
        low, high = self._length[False], self._length[True]
        share = (float(data.actuator_length[self._actuator]) - low) / (high - low)
        return self._grip_m + share * (MAX_WIDTH_M - self._grip_m)
