"""The ChArUco board: what it looks like on paper, and its corners in a picture.

A corner of a chessboard is found to a tenth of a pixel, and the markers between the squares say which one it
is, so a board that is partly covered or outside of the picture still counts.
"""

import pathlib
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sandlot.learners.errors import ConfigError

PAPER_M = {"a4": (0.297, 0.210), "a3": (0.420, 0.297), "letter": (0.2794, 0.2159)}
"""Landscape."""
DPI = 600
INCH_M = 0.0254
MARGIN_M = 0.008
"""What printers leave white."""


class Corners(NamedTuple):
    """Corners of a board in one picture: their numbers [n] and where they are, pixels [n, 2]."""

    ids: np.ndarray
    points_px: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board of squares with a marker in every other one.

    Attributes:
        columns: squares in a row.
        rows: rows of squares.
        square_m: side of a square, measured on the print.
        marker_m: side of a marker.
        dictionary: OpenCV's name of the markers.
    """

    columns: int = 7
    rows: int = 5
    square_m: float = 0.035
    marker_m: float = 0.026
    dictionary: str = "DICT_5X5_100"

    def __post_init__(self) -> None:
        if not (3 <= self.columns <= 30 and 3 <= self.rows <= 30):
            raise ConfigError(
                f"board: {self.columns} x {self.rows} squares; columns and rows must lie in [3, 30]"
            )
        if not 0.0 < self.marker_m < self.square_m <= 1.0:
            raise ConfigError(
                f"board: marker_m {self.marker_m:g} must be less than square_m {self.square_m:g}, which must "
                "be 1 m at most; measure both on the print"
            )
        if not hasattr(cv2.aruco, self.dictionary) or not self.dictionary.startswith("DICT_"):
            raise ConfigError(f"board: OpenCV has no dictionary '{self.dictionary}'; DICT_5X5_100 is one")
        needed, there = self.columns * self.rows // 2, len(self._markers().bytesList)
        if needed > there:
            raise ConfigError(
                f"board: {self.columns} x {self.rows} squares need {needed} markers, "
                f"{self.dictionary} has {there}"
            )

    @property
    def points_m(self) -> np.ndarray:
        """Every corner in the board's frame [N, 3]: x along a row, y down, z away from who looks at it."""
        return np.asarray(self._charuco().getChessboardCorners(), float)

    def find(self, pixels: np.ndarray) -> Corners | None:
        """The corners in a picture, uint8 [H, W, 3] RGB; None when there are fewer than four."""
        grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
        points, ids, _, _ = cv2.aruco.CharucoDetector(self._charuco()).detectBoard(grey)
        if ids is None or len(ids) < 4:
            return None
        return Corners(np.ravel(ids), np.reshape(points, (-1, 2)).astype(float))

    def draw(self, square_px: int) -> np.ndarray:
        """The board alone, uint8 [rows * square_px, columns * square_px]."""
        flat = np.zeros((self.rows * square_px, self.columns * square_px), np.uint8)
        side = round(self.marker_m / self.square_m * square_px)
        inset = (square_px - side) // 2
        charuco = self._charuco()
        for number, corners in zip(np.ravel(charuco.getIds()), charuco.getObjPoints(), strict=True):
            column, row = (np.mean(corners, axis=0)[:2] // self.square_m).astype(int)
            top, left = row * square_px, column * square_px
            flat[top : top + square_px, left : left + square_px] = 255
            marker = cv2.aruco.generateImageMarker(self._markers(), int(number), side)
            flat[top + inset : top + inset + side, left + inset : left + inset + side] = marker
        return flat

    def print_to(self, path: str | pathlib.Path, paper: str = "a4") -> pathlib.Path:
        """Writes a page (.pdf or .png, 600 dpi) with the board in its true size and a line that says it."""
        file = pathlib.Path(path)
        if file.suffix.lower() not in {".pdf", ".png"}:
            raise ConfigError(f"board: '{file}' must end in .pdf or .png")
        if paper not in PAPER_M:
            raise ConfigError(f"board: paper '{paper}' is none of {', '.join(PAPER_M)}")
        size_m = self.columns * self.square_m, self.rows * self.square_m
        room_m = tuple(side - 2 * MARGIN_M for side in PAPER_M[paper])
        if size_m[0] > room_m[0] or size_m[1] > room_m[1]:
            raise ConfigError(
                f"board: {1e3 * size_m[0]:.0f} x {1e3 * size_m[1]:.0f} mm does not fit {paper}, which has "
                f"room for {1e3 * room_m[0]:.0f} x {1e3 * room_m[1]:.0f} mm; choose smaller squares "
                "or larger paper"
            )
        page = self._page(PAPER_M[paper])
        try:
            page.save(file, resolution=DPI, dpi=(DPI, DPI))
        except OSError as error:
            raise ConfigError(f"board: '{file}' cannot be written: {error}") from error
        return file

    def _page(self, paper_m: tuple[float, float]) -> Image.Image:
        width, height = (round(side / INCH_M * DPI) for side in paper_m)
        page = Image.new("L", (width, height), 255)
        board = Image.fromarray(self.draw(round(self.square_m / INCH_M * DPI)))
        page.paste(board, ((width - board.width) // 2, (height - board.height) // 2))
        text = (
            f"{self.columns} x {self.rows} {self.dictionary}: print at 100 %, glue to something flat, "
            f"measure a square: {1e3 * self.square_m:g} mm"
        )
        ImageDraw.Draw(page).text((width // 2, height - 60), text, 0, ImageFont.load_default(60), anchor="ms")
        return page

    def _markers(self) -> Any:
        return cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.dictionary))

    def _charuco(self) -> Any:
        size = self.columns, self.rows
        return cv2.aruco.CharucoBoard(size, self.square_m, self.marker_m, self._markers())
