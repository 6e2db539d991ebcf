"""Inverse kinematics for resets: damped least squares from the home posture."""

from typing import Any, NamedTuple

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.spec import Pose

STEPS, DONE, GOOD_ENOUGH, DAMPING = 100, 1e-6, 1e-3, 1e-4
TRIES, MAX_STEP_RAD = 50, 0.3


class Chain(NamedTuple):
    """An arm in a model.

    Attributes:
        model: the mjModel.
        data: its mjData; only joint positions and kinematics are changed here.
        where: rows joint id, qpos address, dof address [3, n].
        site: id of the tool site.
    """

    model: Any
    data: Any
    where: np.ndarray
    site: int


def solve(chain: Chain, home_rad: np.ndarray, goal: Pose) -> None:
    """Sets the arm's joints so that the tool is at `goal`, starting from a posture [n].

    Raises:
        ConfigError: the arm cannot reach the pose within 1 mm and 1 mrad.
    """
    chain.data.qpos[chain.where[1]] = home_rad
    error = _descend(chain, goal)
    miss_m, miss_rad = np.linalg.norm(error[:3]), np.linalg.norm(error[3:])
    if max(miss_m, miss_rad) > GOOD_ENOUGH:
        raise ConfigError(
            f"the arm's tool cannot reach {np.round(goal.position_m, 3).tolist()} m in the base frame, "
            f"pointing as asked: it misses by {miss_m:.3f} m and {miss_rad:.2f} rad; use an arm with more "
            "reach, or another home"
        )


def posture_at(chain: Chain, home_rad: np.ndarray, goal: Pose) -> np.ndarray:
    """A posture [n] in which the tool is at the goal, near a given one if possible, else by search.

    A trial's start is looked for from there, so it should be the middle of the workspace. When there is none,
    the given posture: the first reset will say what cannot be reached.
    """
    low, high = _limits(chain)
    rng = np.random.default_rng(0)
    start = home_rad
    for _ in range(TRIES):
        chain.data.qpos[chain.where[1]] = start
        if np.linalg.norm(_descend(chain, goal)) < GOOD_ENOUGH:
            return chain.data.qpos[chain.where[1]].copy()
        start = rng.uniform(np.maximum(low, -np.pi), np.minimum(high, np.pi))
    return home_rad


def _limits(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper joint limits [n], infinite where there are none."""
    limited = chain.model.jnt_limited[chain.where[0]].astype(bool)
    low, high = chain.model.jnt_range[chain.where[0]].T
    return np.where(limited, low, -np.inf), np.where(limited, high, np.inf)


def _descend(chain: Chain, goal: Pose) -> np.ndarray:
    """Moves the joints towards the goal; returns what error is left, m and rad [6]."""
    model, data, (_, qpos, dofs), site = chain
    full = np.empty((6, model.nv))
    low, high = _limits(chain)
    point, mat = data.site_xpos[site], data.site_xmat[site].reshape(3, 3)
    for _ in range(STEPS):
        mujoco.mj_kinematics(model, data)
        error = np.concatenate([goal.position_m - point, rotation.between(mat, goal.rotation)])
        if np.linalg.norm(error) < DONE:
            break
        mujoco.mj_comPos(model, data)
        mujoco.mj_jacSite(model, data, full[:3], full[3:], site)
        jac = full[:, dofs]
        step = jac.T @ np.linalg.solve(jac @ jac.T + DAMPING * np.eye(6), error)
        step *= min(1.0, MAX_STEP_RAD / np.abs(step).max())
        data.qpos[qpos] = np.clip(data.qpos[qpos] + step, low, high)
    return error
