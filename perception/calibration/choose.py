"""Which frames of a live camera to keep for a calibration: the board seen well, still, and somewhere new."""

import numpy as np

from sandlot.perception.calibration.board import Corners

STILL_PX, STILL_S = 1.0, 0.3
NEW_SHARE = 0.05
"""Corners must lie this far, as a share of the picture's width, from where they lay in every kept frame."""


class Chooser:
    """Offered the corners of every frame, it says which to keep. Time is an argument.

    Args:
        least: corners that must be seen.
    """

    def __init__(self, least: int) -> None:
        self._least = least
        self._kept: list[Corners] = []
        self._before: Corners | None = None
        self._still_since_s = np.inf

    def offer(self, corners: Corners | None, width_px: int, stamp_s: float) -> str:
        """What to do, or "" when the frame is worth keeping; say so with `keep`."""
        if corners is None or len(corners.ids) < self._least:
            self._before = None
            return "show the board"
        before, self._before = self._before, corners
        if before is None or not _moved_px(before, corners) < STILL_PX:
            self._still_since_s = stamp_s
        if stamp_s - self._still_since_s < STILL_S:
            return "hold still"
        if any(_moved_px(k, corners) < NEW_SHARE * width_px for k in self._kept):
            return "show it somewhere else, or tilted"
        return ""

    def keep(self, corners: Corners) -> None:
        """A frame with these corners was kept: another must be somewhere else."""
        self._kept.append(corners)


def _moved_px(a: Corners, b: Corners) -> float:
    """How far the corners that both show are apart, mean; infinite when there is none."""
    both, in_a, in_b = np.intersect1d(a.ids, b.ids, return_indices=True)
    if not len(both):
        return np.inf
    return float(np.linalg.norm(a.points_px[in_a] - b.points_px[in_b], axis=1).mean())
