"""Poses as matrices, and the one place where camera conventions meet."""

import math

import numpy as np
from scipy.spatial.transform import Rotation

OPTICAL_OPENGL = np.diag([1.0, -1.0, -1.0])
"""MuJoCo and OpenGL cameras look along -z with y up, OpenCV's and ROS's optical frames along z, y down."""


def pose(rotation: np.ndarray, position_m: np.ndarray) -> np.ndarray:
    """The matrix [4, 4] of a rotation [3, 3] and a position [3]."""
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = rotation, np.ravel(position_m)
    return made


def from_vector(vector: np.ndarray) -> np.ndarray:
    """The pose of rotation vector, rad, and position, m: [6]."""
    return pose(Rotation.from_rotvec(vector[:3]).as_matrix(), vector[3:])


def to_vector(pose_a_b: np.ndarray) -> np.ndarray:
    """The inverse of `from_vector`."""
    return np.concatenate([Rotation.from_matrix(pose_a_b[:3, :3]).as_rotvec(), pose_a_b[:3, 3]])


def from_quaternion(position_m: np.ndarray, xyzw: np.ndarray) -> np.ndarray:
    """The pose of a position and a quaternion, x y z w as ROS has it."""
    return pose(Rotation.from_quat(xyzw).as_matrix(), np.asarray(position_m))


def quaternion(pose_a_b: np.ndarray) -> list[float]:
    """The rotation of a pose as x y z w, w >= 0."""
    return [float(x) for x in Rotation.from_matrix(pose_a_b[:3, :3]).as_quat(canonical=True)]


def inverse(pose_a_b: np.ndarray) -> np.ndarray:
    """`pose_b_a`."""
    turned = pose_a_b[:3, :3].T
    return pose(turned, -turned @ pose_a_b[:3, 3])


def mean(poses: np.ndarray) -> np.ndarray:
    """The mean of poses [n, 4, 4] that lie close together."""
    return pose(Rotation.from_matrix(poses[:, :3, :3]).mean().as_matrix(), poses[:, :3, 3].mean(axis=0))


def apart(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """How far two poses are apart: m, and the true angle, rad."""
    turn = Rotation.from_matrix(a[:3, :3].T @ b[:3, :3]).magnitude()
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(turn)


def optical(rotation_opengl: np.ndarray) -> np.ndarray:
    """The rotation of a camera's optical frame from that of MuJoCo's or OpenGL's camera frame [3, 3]."""
    return np.asarray(rotation_opengl) @ OPTICAL_OPENGL


def focal_px(fovy_deg: float, height_px: int) -> float:
    """The focal length of an ideal camera with this vertical field of view, as MuJoCo defines it."""
    return 0.5 * height_px / math.tan(math.radians(fovy_deg) / 2)


def fovy_deg(focal_px: float, height_px: int) -> float:
    """The inverse of `focal_px`."""
    return math.degrees(2 * math.atan(0.5 * height_px / focal_px))
