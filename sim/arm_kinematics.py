"""Inverse kinematics for resets: damped least squares from the home posture."""

from typing import Any

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.spec import Pose
from sandlot.sim.arm_control import jacobian

STEPS, DONE, GOOD_ENOUGH, DAMPING = 100, 1e-6, 1e-3, 1e-4
TRIES = 50


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
    data.qpos[index[1]] = home_rad
    error = _descend(model, data, index, site, goal)
    miss_m, miss_rad = np.linalg.norm(error[:3]), np.linalg.norm(error[3:])
    if max(miss_m, miss_rad) > GOOD_ENOUGH:
        raise ConfigError(
            f"the arm's tool cannot reach {np.round(goal.position_m, 3).tolist()} m in the base frame, pointing as "
            f"asked: it misses by {miss_m:.3f} m and {miss_rad:.2f} rad; use an arm with more reach, or another home"
        )


def better_home(
    model: Any, data: Any, index: np.ndarray, home_rad: np.ndarray, site: int, goal: Pose
) -> np.ndarray:
    """The given home [n] if the goal is reached from it, else the first of some random ones from which it is."""
    low, high = _limits(model, index[0])
    rng = np.random.default_rng(0)
    start = home_rad
    for _ in range(TRIES):
        data.qpos[index[1]] = start
        if np.linalg.norm(_descend(model, data, index, site, goal)) < GOOD_ENOUGH:
            return home_rad if start is home_rad else data.qpos[index[1]].copy()
        start = rng.uniform(np.maximum(low, -np.pi), np.minimum(high, np.pi))
    return home_rad


def _limits(model: Any, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper joint limits [n], infinite where there are none."""
    limited = model.jnt_limited[joints].astype(bool)
    low, high = model.jnt_range[joints].T
    return np.where(limited, low, -np.inf), np.where(limited, high, np.inf)


def _descend(model: Any, data: Any, index: np.ndarray, site: int, goal: Pose) -> np.ndarray:
    """Moves the joints towards the goal; returns what error is left, m and rad [6]."""
    joints, qpos, _ = index
    low, high = _limits(model, joints)
    point, mat = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
    for _ in range(STEPS):
        mujoco.mj_kinematics(model, data)
        error = np.concatenate([goal.position_m - point, rotation.between(mat, goal.rotation)])
        if np.linalg.norm(error) < DONE:
            break
        jac = jacobian(data.xanchor, data.xaxis, joints, point)
        step = jac.T @ np.linalg.solve(jac @ jac.T + DAMPING * np.eye(6), error)
        data.qpos[qpos] = np.clip(data.qpos[qpos] + step, low, high)
    return error
