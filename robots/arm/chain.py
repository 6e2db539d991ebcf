"""An arm's kinematics from a list of joint axes: where the tool is, and which joints bring it there.

The description needs no model file: with every joint at 0, each joint is an axis through a point of the base
frame, and the tool is at a pose. The tool pose is then a product of exponentials of these screws (Lynch and
Park, Modern Robotics, 2017, chapter 4).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.spec import Pose

STEPS, DONE, DAMPING, MAX_STEP_RAD = 12, 1e-5, 1e-4, 0.3


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A serial arm of n joints, base frame, every joint at 0.

    Attributes:
        axes: unit vector of each joint's axis, right-handed [n, 3].
        points_m: a point on each axis [n, 3].
        tool: the tool pose.
        low_rad: lower joint limits [n].
        high_rad: upper joint limits [n].
    """

    axes: np.ndarray
    points_m: np.ndarray
    tool: Pose
    low_rad: np.ndarray
    high_rad: np.ndarray

    def forward(self, joints_rad: np.ndarray) -> tuple[Pose, np.ndarray]:
        """The tool pose and the Jacobian [6, n]: its velocity, then angular velocity, per joint speed."""
        turned, moved = np.eye(3), np.zeros(3)  # what the joints so far do to a point: turned @ p + moved
        axes, points = np.empty_like(self.axes), np.empty_like(self.points_m)
        for i, (axis, point) in enumerate(zip(self.axes, self.points_m, strict=True)):
            axes[i], points[i] = turned @ axis, turned @ point + moved
            turned = turned @ rotation.exp(axis * joints_rad[i])
            moved = points[i] - turned @ point
        tool = Pose(turned @ self.tool.position_m + moved, turned @ self.tool.rotation)
        return tool, np.concatenate([_cross(axes, tool.position_m - points).T, axes.T])

    def solve(self, goal: Pose, start_rad: np.ndarray, turn_m: float) -> np.ndarray:
        """Joints [n] within their limits that bring the tool to a pose, or as near to it as they can.

        Args:
            goal: where the tool shall be.
            start_rad: where the search begins: the present posture [n].
            turn_m: how many metres of position error are as bad as one radian of orientation error.
        """
        joints = np.clip(start_rad, self.low_rad, self.high_rad)
        weights = np.array([1.0, 1.0, 1.0, turn_m, turn_m, turn_m])
        for _ in range(STEPS):
            tool, jacobian = self.forward(joints)
            turn = rotation.between(tool.rotation, goal.rotation)
            error = weights * np.concatenate([goal.position_m - tool.position_m, turn])
            if np.linalg.norm(error) < DONE:
                break
            step = _damped(weights[:, None] * jacobian, error, joints, self.low_rad, self.high_rad)
            joints = np.clip(joints + step, self.low_rad, self.high_rad)
        return joints


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row, [n, 3]; numpy's own spends its time on shapes."""
    y, z = [1, 2, 0], [2, 0, 1]
    return a[:, y] * b[:, z] - a[:, z] * b[:, y]


def _damped(
    jacobian: np.ndarray, error: np.ndarray, joints: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """A damped least-squares step [n]; a joint at its limit stays there and the others do its work."""
    free = np.ones(len(joints), bool)
    for _ in range(2):
        used = jacobian * free
        step = used.T @ np.linalg.solve(used @ used.T + DAMPING * np.eye(6), error)
        free &= ~(((joints <= low) & (step < 0)) | ((joints >= high) & (step > 0)))
    step = step * free
    return step * min(1.0, MAX_STEP_RAD / max(1e-12, float(np.abs(step).max())))


def chain(
    axes: Sequence[float],
    points_m: Sequence[float],
    tool_m: Sequence[float],
    tool_rotvec: Sequence[float],
    limits_rad: Sequence[float],
) -> Chain:
    """A chain from flat lists, as parameter files have them; ConfigError names the list that is wrong.

    Args:
        axes: x, y, z of each joint's axis.
        points_m: x, y, z of a point on it.
        tool_m: position of the tool.
        tool_rotvec: its orientation as a rotation vector.
        limits_rad: low, high of each joint.
    """
    n = len(axes) // 3
    lists = {"joint_axes": (axes, 3 * n), "joint_points_m": (points_m, 3 * n), "tool_m": (tool_m, 3)}
    lists |= {"tool_rotvec": (tool_rotvec, 3), "joint_limits_rad": (limits_rad, 2 * n)}
    for name, (values, size) in lists.items():
        if len(values) != size or n == 0 or not all(math.isfinite(v) for v in values):
            raise ConfigError(f"'{name}' has {len(values)} numbers: it must have {size}, all finite")
    directions = np.array(axes).reshape(n, 3)
    lengths = np.linalg.norm(directions, axis=1)
    if not np.allclose(lengths, 1.0, atol=1e-3):
        raise ConfigError(f"'joint_axes' have lengths {np.round(lengths, 3).tolist()}: each must be 1")
    low, high = np.array(limits_rad).reshape(n, 2).T
    if not (low < high).all():
        raise ConfigError(f"'joint_limits_rad': low {low.tolist()} must lie below high {high.tolist()}")
    tool = Pose(np.array(tool_m), rotation.exp(np.array(tool_rotvec)))
    points = np.array(points_m).reshape(n, 3)
    return Chain(axes=directions / lengths[:, None], points_m=points, tool=tool, low_rad=low, high_rad=high)
