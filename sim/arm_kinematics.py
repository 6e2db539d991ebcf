"""Inverse kinematics for resets: damped least squares from the home posture."""

from typing import Any

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.spec import Pose
from sandlot.sim.arm_control import jacobian

STEPS, DONE, GOOD_ENOUGH, DAMPING = 100, 1e-6, 1e-3, 1e-4


def solve(model: Any, data: Any, index: np.ndarray, home_rad: np.ndarray, site: int, goal: Pose) -> None:
    """Sets the arm's joints in `data.qpos` so that `site` is at `goal`.

    Args:
        model: the mjModel.
        data: its mjData; only joint positions and kinematics change.
        index: rows joint id, qpos address, dof address [3, n].
        home_rad: where to start [n].
        site: id of the tool site.
        goal: the pose in the base frame.

    Raises:
        ConfigError: the arm cannot reach the pose within 1 mm and 1 mrad.
    """
    joints, qpos, _ = index
    low, high = np.where(model.jnt_limited[joints], model.jnt_range[joints].T, [[-np.inf], [np.inf]])
    data.qpos[qpos] = home_rad
    for _ in range(STEPS):
        mujoco.mj_kinematics(model, data)
        point, mat = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
        error = np.concatenate([goal.position_m - point, rotation.between(mat, goal.rotation)])
        if np.linalg.norm(error) < DONE:
            return
        jac = jacobian(data.xanchor, data.xaxis, joints, point)
        step = jac.T @ np.linalg.solve(jac @ jac.T + DAMPING * np.eye(6), error)
        data.qpos[qpos] = np.clip(data.qpos[qpos] + step, low, high)
    miss_m, miss_rad = np.linalg.norm(error[:3]), np.linalg.norm(error[3:])
    if max(miss_m, miss_rad) > GOOD_ENOUGH:
        raise ConfigError(
            f"the arm's tool cannot reach {np.round(goal.position_m, 3).tolist()} m in the base frame, pointing as "
            f"asked: it misses by {miss_m:.3f} m and {miss_rad:.2f} rad; use an arm with more reach, or another home"
        )
