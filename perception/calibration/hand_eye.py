"""Where a camera is mounted, from poses of the arm and pictures of a board.

On the hand, the camera moves and the board lies still; in the world, the camera stands still and the hand
holds the board. Five closed-form methods of OpenCV (Tsai, Park, Horaud, Andreff, Daniilidis) begin; what they
agree on is refined so that every corner is predicted where it was seen, together with the board's own pose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from sandlot.perception.calibration import poses
from sandlot.perception.calibration.board import Board, Corners
from sandlot.perception.calibration.errors import CalibrationError
from sandlot.perception.calibration.intrinsics import Intrinsics

Mount = Literal["hand", "world"]
METHODS = {
    "tsai": cv2.CALIB_HAND_EYE_TSAI,
    "park": cv2.CALIB_HAND_EYE_PARK,
    "horaud": cv2.CALIB_HAND_EYE_HORAUD,
    "andreff": cv2.CALIB_HAND_EYE_ANDREFF,
    "daniilidis": cv2.CALIB_HAND_EYE_DANIILIDIS,
}
MIN_VIEWS, MIN_CORNERS = 6, 6
MIN_TURN_DEG, MIN_SECOND_AXIS = 15.0, 0.2
"""The tool must have turned by this much, about a second axis by this share of the first."""
MAX_LEFT_OUT_M, MAX_LEFT_OUT_DEG = 0.02, 3.0
PARENT: dict[Mount, str] = {"hand": "tool", "world": "base"}


class HandEyeView(NamedTuple):
    """One picture: its name, the tool's pose when it was taken [4, 4], and the board's corners in it."""

    name: str
    pose_base_tool: np.ndarray
    corners: Corners


@dataclass(frozen=True, kw_only=True)
class HandEye:
    """Where the camera is, and what speaks for it.

    Attributes:
        mount: what it is mounted on.
        pose: the camera's optical frame in the frame of the tool (`hand`) or base (`world`) [4, 4].
        pose_board: the board in the frame of the base (`hand`) or tool (`world`) [4, 4].
        std_m: standard deviation of the position [3], by leaving out one view at a time (jackknife), so that
            errors of the arm's poses are in it.
        std_rad: of the rotation, as a vector in the camera's frame [3].
        rms_px: distance between corners as predicted and as seen, root mean square.
        left_out_m: how far the board was from its prediction in a view that the estimate had not seen, root
            mean square over the views.
        left_out_deg: likewise, angle.
        worst: the view that fits worst, and its left-out distance in m.
        methods_m: how far each closed-form method's camera is from the result.
        views: how many pictures were used.
    """

    mount: Mount
    pose: np.ndarray
    pose_board: np.ndarray
    std_m: np.ndarray
    std_rad: np.ndarray
    rms_px: float
    left_out_m: float
    left_out_deg: float
    worst: tuple[str, float]
    methods_m: dict[str, float]
    views: int


class _Data(NamedTuple):
    """Everything the estimates need: arm [n, 4, 4] is `pose_tool_base` (hand) or `pose_base_tool` (world)."""

    arm: np.ndarray
    camera_board: np.ndarray
    view: np.ndarray
    points_m: np.ndarray
    rays: np.ndarray
    focal_px: float


def solve(views: Sequence[HandEyeView], board: Board, intrinsics: Intrinsics, mount: Mount) -> HandEye:
    """Where the camera is; CalibrationError when the views do not say it."""
    used = [v for v in views if len(v.corners.ids) >= MIN_CORNERS]
    if len(used) < MIN_VIEWS:
        raise CalibrationError(
            f"{len(used)} of {len(views)} pictures show {MIN_CORNERS} corners of the board or more, "
            f"{MIN_VIEWS} pictures are needed and 15 are good"
        )
    check_motion(np.array([v.pose_base_tool for v in used]))
    data = _data(used, board, intrinsics, mount)
    starts = _closed_form(data)
    best = min(starts, key=lambda name: _rms_px(data, starts[name]))
    found = _refine(data, starts[best])
    without = [_refine(_leave_out(data, k), found) for k in range(len(used))]
    result = _result(data, used, mount, found, without)
    methods = {name: poses.apart(start[0], result.pose)[0] for name, start in starts.items()}
    result = HandEye(**{**vars(result), "methods_m": methods})
    if result.left_out_m > MAX_LEFT_OUT_M or result.left_out_deg > MAX_LEFT_OUT_DEG:
        raise CalibrationError(
            f"poses and pictures do not fit: the board is {1e3 * result.left_out_m:.0f} mm and "
            f"{result.left_out_deg:.1f} deg from where the others say, {1e3 * MAX_LEFT_OUT_M:g} mm and "
            f"{MAX_LEFT_OUT_DEG:g} deg are the limit; the worst is '{result.worst[0]}'. Is the camera on the "
            f"{mount}, did the board stay, are poses in metres and of the same instant as the pictures?"
        )
    return result


def check_motion(poses_base_tool: np.ndarray) -> None:
    """Raises CalibrationError unless the tool [n, 4, 4] turned enough, about two axes or more."""
    turns = Rotation.from_matrix(poses_base_tool[:, :3, :3])
    pairs = [(i, j) for i in range(len(poses_base_tool)) for j in range(i)]
    vectors = np.array([(turns[i].inv() * turns[j]).as_rotvec() for i, j in pairs])
    most_deg = np.degrees(np.linalg.norm(vectors, axis=1).max())
    if most_deg < MIN_TURN_DEG:
        raise CalibrationError(
            f"the tool turned by {most_deg:.1f} deg at most between pictures; moving without turning says "
            f"nothing of where the camera is: turn it by {MIN_TURN_DEG:g} deg or more about two axes"
        )
    sizes = np.linalg.svd(vectors, compute_uv=False)
    if sizes[1] < MIN_SECOND_AXIS * sizes[0]:
        raise CalibrationError(
            f"the tool turned about one axis only (about a second one {sizes[1] / sizes[0]:.0%} as much, "
            f"{MIN_SECOND_AXIS:.0%} are needed); tilt it sideways too"
        )


def board_pose(corners: Corners, board: Board, intrinsics: Intrinsics) -> np.ndarray:
    """`pose_camera_board` [4, 4] of one picture."""
    points, rays = board.points_m[corners.ids], intrinsics.undistorted(corners.points_px)
    ok, turn, position = cv2.solvePnP(points, rays, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP)
    if not ok:
        raise CalibrationError(
            "a picture's corners fit no pose of the board; is it the board that was named?"
        )
    turn, position = cv2.solvePnPRefineLM(points, rays, np.eye(3), None, turn, position)
    return poses.pose(cv2.Rodrigues(turn)[0], position)


def _data(views: Sequence[HandEyeView], board: Board, intrinsics: Intrinsics, mount: Mount) -> _Data:
    arm = np.array([v.pose_base_tool for v in views], float)
    return _Data(
        arm=np.array([poses.inverse(p) for p in arm]) if mount == "hand" else arm,
        camera_board=np.array([board_pose(v.corners, board, intrinsics) for v in views]),
        view=np.repeat(np.arange(len(views)), [len(v.corners.ids) for v in views]),
        points_m=np.concatenate([board.points_m[v.corners.ids] for v in views]),
        rays=np.concatenate([intrinsics.undistorted(v.corners.points_px) for v in views]),
        focal_px=(intrinsics.fx_px + intrinsics.fy_px) / 2,
    )


def _closed_form(data: _Data) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Camera and board of every method that gives a pose."""
    moving = np.array([poses.inverse(p) for p in data.arm])  # hand: pose_base_tool; world: pose_tool_base
    seen = data.camera_board
    found = {}
    for name, method in METHODS.items():
        try:
            turn, position = cv2.calibrateHandEye(
                list(moving[:, :3, :3]),
                list(moving[:, :3, 3]),
                list(seen[:, :3, :3]),
                list(seen[:, :3, 3]),
                method=method,
            )
        except cv2.error:  # a singular system of one method: the others remain
            continue
        camera = poses.pose(turn, position)
        if np.isfinite(camera).all() and abs(np.linalg.det(turn) - 1.0) < 1e-3:
            found[name] = camera, poses.mean(moving @ camera @ seen)
    if not found:
        raise CalibrationError("no method finds a mount for these poses; turn the tool more, about two axes")
    return found


def _residuals_px(vector: np.ndarray, data: _Data) -> np.ndarray:
    """Predicted minus seen corners, pixels [2 m]; `vector` is the camera's and the board's pose [12]."""
    chain = poses.inverse(poses.from_vector(vector[:6])) @ data.arm @ poses.from_vector(vector[6:])
    at = np.einsum("kij,kj->ki", chain[data.view, :3, :3], data.points_m) + chain[data.view, :3, 3]
    depth = np.maximum(at[:, 2:], 1e-3)  # behind the camera: far off, but finite
    return np.asarray(data.focal_px * (at[:, :2] / depth - data.rays)).ravel()


def _refine(data: _Data, start: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    vector = np.concatenate([poses.to_vector(p) for p in start])
    best = least_squares(_residuals_px, vector, args=(data,), method="lm", x_scale=1.0).x
    return poses.from_vector(best[:6]), poses.from_vector(best[6:])


def _rms_px(data: _Data, found: tuple[np.ndarray, np.ndarray]) -> float:
    vector = np.concatenate([poses.to_vector(p) for p in found])
    return float(np.sqrt(2.0 * np.mean(_residuals_px(vector, data) ** 2)))


def _leave_out(data: _Data, view: int) -> _Data:
    """The data of all views but one."""
    kept = data.view != view
    return data._replace(view=data.view[kept], points_m=data.points_m[kept], rays=data.rays[kept])


def _result(
    data: _Data,
    views: Sequence[HandEyeView],
    mount: Mount,
    found: tuple[np.ndarray, np.ndarray],
    without: Sequence[tuple[np.ndarray, np.ndarray]],
) -> HandEye:
    """The estimate with its errors: `without[k]` is the one that has not seen view k."""
    camera, n = found[0], len(views)
    shifts = np.array([w[0][:3, 3] - camera[:3, 3] for w in without])
    turns = np.array([Rotation.from_matrix(camera[:3, :3].T @ w[0][:3, :3]).as_rotvec() for w in without])
    away = [
        poses.apart(poses.inverse(c) @ data.arm[k] @ b, data.camera_board[k])
        for k, (c, b) in enumerate(without)
    ]
    metres, radians = np.array(away).T
    worst = int(metres.argmax())
    return HandEye(
        mount=mount,
        pose=camera,
        pose_board=found[1],
        std_m=np.sqrt((n - 1) * shifts.var(axis=0)),
        std_rad=np.sqrt((n - 1) * turns.var(axis=0)),
        rms_px=_rms_px(data, found),
        left_out_m=float(np.sqrt(np.mean(metres**2))),
        left_out_deg=float(np.degrees(np.sqrt(np.mean(radians**2)))),
        worst=(views[worst].name, float(metres[worst])),
        methods_m={},
        views=n,
    )
