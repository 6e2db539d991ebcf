"""Boards seen by a camera whose truth is known: corners projected, or whole pictures drawn."""

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from sandlot.perception.calibration import Board, Corners, Intrinsics, poses

BOARD = Board()
CAMERA = Intrinsics(
    width_px=640, height_px=480, fx_px=610.0, fy_px=605.0, cx_px=325.0, cy_px=236.0,
    distortion=(-0.12, 0.05, 0.0008, -0.0005, 0.0),
)  # fmt: skip
MIDDLE_M = BOARD.points_m.mean(axis=0)


def board_pose(rng, *, tilt_rad=0.7, distance_m=(0.3, 0.55), spread=0.42):
    """`pose_camera_board` with the board's middle somewhere in the picture, tilted every way."""
    axis = rng.normal(size=3) * (1, 1, 0.6)
    turn = Rotation.from_rotvec(tilt_rad * rng.uniform(0.4, 1) * axis / np.linalg.norm(axis)).as_matrix()
    z = rng.uniform(*distance_m)
    x, y = rng.uniform(-spread, spread, 2) * (1.0, 0.75) * z
    return poses.pose(turn, np.array([x, y, z]) - turn @ MIDDLE_M)


def seen(pose_camera_board, rng, noise_px=0.0, camera=CAMERA, board=BOARD):
    """The corners that fall into the picture; None when they are fewer than four."""
    points = board.points_m @ pose_camera_board[:3, :3].T + pose_camera_board[:3, 3]
    pixels = camera.projected(points)
    inside = ((pixels > 1) & (pixels < (camera.width_px - 2, camera.height_px - 2))).all(axis=1)
    noisy = pixels + noise_px * rng.normal(size=pixels.shape)
    return Corners(np.flatnonzero(inside), noisy[inside]) if inside.sum() >= 4 else None


def drawn(pose_camera_board, camera=CAMERA, board=BOARD, square_px=60):
    """A whole picture of the board, uint8 [H, W, 3], without distortion."""
    flat = board.draw(square_px)
    scale = board.square_m / square_px  # pixel (0, 0) is the middle of a pixel
    to_board = np.array([[scale, 0, scale / 2], [0, scale, scale / 2], [0, 0, 1.0]])
    plane = np.column_stack([pose_camera_board[:3, 0], pose_camera_board[:3, 1], pose_camera_board[:3, 3]])
    finer = np.array([[4, 0, 1.5], [0, 4, 1.5], [0, 0, 1.0]])  # 16 samples a pixel
    size = camera.width_px, camera.height_px
    warp, large = finer @ camera.matrix @ plane @ to_board, (4 * size[0], 4 * size[1])
    grey = cv2.resize(
        cv2.warpPerspective(flat, warp, large, borderValue=150), size, interpolation=cv2.INTER_AREA
    )
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)


def tool_poses(rng, count, turn_rad=0.6, shift_m=0.08):
    """`pose_base_tool` around a tool that points down, turned about every axis."""
    down = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]))
    turns = (down * Rotation.from_rotvec(rng.uniform(-turn_rad, turn_rad, (count, 3)))).as_matrix()
    places = np.array([0.45, 0.0, 0.4]) + rng.uniform(-shift_m, shift_m, (count, 3))
    return [poses.pose(r, p) for r, p in zip(turns, places, strict=True)]
