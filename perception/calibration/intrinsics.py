"""A camera's focal lengths, middle and distortion from pictures of a board, and whether to believe them.

The model is OpenCV's pinhole with distortion `plumb_bob` (Brown-Conrady: k1, k2, p1, p2, k3). Pixel (0, 0) is
the middle of the upper left pixel, so the middle of an ideal picture is ((width - 1) / 2, (height - 1) / 2).
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sandlot.perception.calibration.board import Board, Corners
from sandlot.perception.calibration.errors import CalibrationError
from sandlot.perception.cameras.view import Crop

MIN_VIEWS, MIN_CORNERS = 8, 8
MIN_COVERAGE, MIN_TILT_DEG, MAX_RMS_PX, MAX_FOCAL_STD = 0.35, 20.0, 1.0, 0.01
"""Past these a result is refused: share of the picture, angle between views, pixels, share of f."""
CELLS = 8, 6
NAMES = "fx_px", "fy_px", "cx_px", "cy_px"


@dataclass(frozen=True, kw_only=True)
class Intrinsics:
    """How a camera sees, for pictures of one size.

    Attributes:
        width_px: of the whole picture, before any crop.
        height_px: likewise.
        fx_px: focal length along x.
        fy_px: focal length along y.
        cx_px: where the optical axis meets the picture, x.
        cy_px: likewise, y.
        distortion: k1, k2, p1, p2, k3 of `plumb_bob`.
    """

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def matrix(self) -> np.ndarray:
        """The camera matrix K [3, 3]."""
        return np.array([[self.fx_px, 0, self.cx_px], [0, self.fy_px, self.cy_px], [0, 0, 1.0]])

    def stretched(self, crop: Crop) -> "Intrinsics":
        """Of what `cut` makes of a crop: a picture of its own, with focal lengths of its own."""
        side = max(crop.width, crop.height)
        x, y = side / crop.width, side / crop.height
        return dataclasses.replace(
            self,
            width_px=side,
            height_px=side,
            fx_px=x * self.fx_px,
            fy_px=y * self.fy_px,
            cx_px=x * (self.cx_px - crop.x + 0.5) - 0.5,  # whole numbers are the middles of pixels
            cy_px=y * (self.cy_px - crop.y + 0.5) - 0.5,
        )

    def undistorted(self, points_px: np.ndarray) -> np.ndarray:
        """Pixels [n, 2] as rays (x / z, y / z) [n, 2]."""
        points = np.asarray(points_px, float).reshape(-1, 1, 2)
        return np.asarray(cv2.undistortPoints(points, self.matrix, np.array(self.distortion))).reshape(-1, 2)

    def projected(self, points_m: np.ndarray) -> np.ndarray:
        """Points in the optical frame [n, 3] as pixels [n, 2]."""
        zero = np.zeros(3)
        found, _ = cv2.projectPoints(
            np.asarray(points_m, float), zero, zero, self.matrix, np.array(self.distortion)
        )
        return np.asarray(found).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True)
class IntrinsicsResult:
    """Intrinsics and what speaks for them.

    Attributes:
        intrinsics: the result.
        rms_px: root mean square of the distance between corners as found and as predicted.
        std_px: standard deviations of fx, fy, cx, cy.
        errors_px: that distance, root mean square, for every picture by name.
        coverage: share of the picture's cells (8 x 6) that saw a corner.
        tilt_deg: largest angle between the board's directions in two pictures.
    """

    intrinsics: Intrinsics
    rms_px: float
    std_px: tuple[float, float, float, float]
    errors_px: dict[str, float]
    coverage: float
    tilt_deg: float


def calibrate(
    views: Mapping[str, Corners], board: Board, size_px: tuple[int, int], *, wide: bool = False
) -> IntrinsicsResult:
    """The intrinsics that explain the corners of several pictures.

    Args:
        views: corners by the picture's name.
        board: what was seen.
        size_px: width and height of the pictures.
        wide: fit k3 too, for a lens that bends straight lines visibly; else it is 0.

    Raises:
        CalibrationError: the pictures do not determine a camera.
    """
    used = {name: c for name, c in views.items() if len(c.ids) >= MIN_CORNERS and _spread_out(c, board)}
    if len(used) < MIN_VIEWS:
        raise CalibrationError(
            f"{len(used)} of {len(views)} pictures show {MIN_CORNERS} corners of the board or more, "
            f"{MIN_VIEWS} pictures are needed and 20 are good; show the board larger, flat and in focus"
        )
    covered = coverage(used, size_px).mean()
    if covered < MIN_COVERAGE:
        raise CalibrationError(
            f"the board was seen in {covered:.0%} of the picture only, {MIN_COVERAGE:.0%} are needed; show "
            "it near every edge and corner of the picture too"
        )
    result = _solve(used, board, size_px, wide)
    _check(result)
    return result


def coverage(views: Mapping[str, Corners], size_px: tuple[int, int]) -> np.ndarray:
    """Which cells [6, 8] of the picture saw a corner, bool."""
    cells = np.zeros(CELLS[::-1], bool)
    for corners in views.values():
        x, y = (corners.points_px / size_px * CELLS).astype(int).T
        cells[np.clip(y, 0, CELLS[1] - 1), np.clip(x, 0, CELLS[0] - 1)] = True
    return cells


def _spread_out(corners: Corners, board: Board) -> bool:
    """Whether the corners are not all in one line, which says nothing of a plane."""
    points = board.points_m[corners.ids, :2]
    return bool(np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1] > board.square_m / 2)


def _solve(
    views: Mapping[str, Corners], board: Board, size_px: tuple[int, int], wide: bool
) -> IntrinsicsResult:
    points_m = board.points_m.astype(np.float32)
    objects = [points_m[c.ids] for c in views.values()]
    seen = [c.points_px.astype(np.float32) for c in views.values()]
    try:
        rms, k, bent, turns, _, std, _, errors = cv2.calibrateCameraExtended(
            objects, seen, size_px, None, None, flags=0 if wide else cv2.CALIB_FIX_K3
        )
    except cv2.error as error:
        raise CalibrationError(f"no camera explains these pictures: {error.err}") from error
    made = Intrinsics(
        width_px=size_px[0], height_px=size_px[1],
        fx_px=float(k[0, 0]), fy_px=float(k[1, 1]), cx_px=float(k[0, 2]), cy_px=float(k[1, 2]),
        distortion=tuple(float(x) for x in np.ravel(bent)[:5]),  # type: ignore[arg-type]
    )  # fmt: skip
    return IntrinsicsResult(
        intrinsics=made,
        rms_px=float(rms),
        std_px=tuple(float(x) for x in np.ravel(std)[:4]),  # type: ignore[arg-type]
        errors_px={name: float(e) for name, e in zip(views, np.ravel(errors), strict=True)},
        coverage=float(coverage(views, size_px).mean()),
        tilt_deg=_tilt_deg(turns),
    )


def _tilt_deg(rotation_vectors: Any) -> float:
    """The largest angle between two of the board's normals in the camera's frame."""
    normals = np.array([cv2.Rodrigues(turn)[0][:, 2] for turn in rotation_vectors])
    return float(np.degrees(np.arccos(np.clip(normals @ normals.T, -1, 1).min())))


def _check(result: IntrinsicsResult) -> None:
    """Raises CalibrationError when the pictures leave the camera open."""
    if not (np.isfinite(result.rms_px) and result.rms_px <= MAX_RMS_PX):
        worst = max(result.errors_px, key=lambda name: result.errors_px[name])
        raise CalibrationError(
            f"corners are {result.rms_px:.2f} px from where they should be, {MAX_RMS_PX:g} px is the limit; "
            f"the worst picture is '{worst}' ({result.errors_px[worst]:.2f} px): is it blurred, the board "
            "bent, or not the one that was named?"
        )
    std = max(s / f for s, f in zip(result.std_px[:2], _focal(result), strict=True))
    if result.tilt_deg < MIN_TILT_DEG or not std <= MAX_FOCAL_STD:
        raise CalibrationError(
            f"the board was turned by {result.tilt_deg:.0f} deg at most and the focal length is uncertain by "
            f"{std:.1%}; {MIN_TILT_DEG:g} deg are needed and {MAX_FOCAL_STD:.0%} is the limit: tilt the "
            "board towards each side by 30 to 45 deg"
        )


def _focal(result: IntrinsicsResult) -> tuple[float, float]:
    return result.intrinsics.fx_px, result.intrinsics.fy_px
