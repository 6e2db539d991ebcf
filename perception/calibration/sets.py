"""A folder of pictures of a board: taken with a live camera, read again whenever it is wanted."""

import pathlib
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image

from sandlot.perception.calibration import poses_file
from sandlot.perception.calibration.board import Board, Corners
from sandlot.perception.calibration.choose import Chooser
from sandlot.perception.calibration.errors import CalibrationError
from sandlot.perception.calibration.intrinsics import MIN_CORNERS
from sandlot.perception.cameras import Camera, Frame
from sandlot.perception.cameras.folder import SUFFIXES, picture, pictures

FRAME_WITHIN_S = 10.0


class PictureSet(NamedTuple):
    """Corners by the name of each picture that shows the board, how many there are, their size, the first."""

    corners: dict[str, Corners]
    total: int
    size_px: tuple[int, int]
    first: np.ndarray


def read(folder: str | pathlib.Path, board: Board) -> PictureSet:
    """Finds the board in every picture of a folder; CalibrationError when they are not of one camera."""
    corners: dict[str, Corners] = {}
    files = pictures(folder)
    first = picture(files[0])
    for file in files:
        pixels = picture(file)
        if pixels.shape != first.shape:
            raise CalibrationError(
                f"'{file}' has {pixels.shape[1]}x{pixels.shape[0]} pixels and '{files[0].name}' "
                f"{first.shape[1]}x{first.shape[0]}; all must come from one camera with one size"
            )
        found = board.find(pixels)
        if found is not None:
            corners[file.name] = found
    if not corners:
        raise CalibrationError(
            f"the board is in none of the {len(files)} pictures of '{folder}'; are --columns, --rows and "
            "--dictionary those of the print?"
        )
    return PictureSet(corners, len(files), (first.shape[1], first.shape[0]), first)


def take(
    camera: Camera,
    board: Board,
    folder: str | pathlib.Path,
    *,
    count: int,
    limit_s: float,
    tell: Callable[[str], None],
    tool_at: Callable[[float], np.ndarray] | None = None,
) -> int:
    """Keeps pictures of a board that a person shows, until there are enough; returns how many.

    Args:
        camera: an open one.
        board: what is shown.
        folder: where pictures go, and `poses.csv` with `tool_at`.
        count: how many.
        limit_s: after this time those there are must do.
        tell: is told what to do next, when that changes.
        tool_at: `pose_base_tool` at a steady time, for a hand-eye calibration.
    """
    kept, chooser = _Folder(folder, tool_at), Chooser(MIN_CORNERS)
    number, said, ends_s = 0, "", time.monotonic() + limit_s
    while kept.count < count and time.monotonic() < ends_s:
        frame = camera.after(number, FRAME_WITHIN_S)
        number, corners = frame.number, board.find(frame.pixels)
        advice = chooser.offer(corners, frame.pixels.shape[1], frame.stamp_s)
        if not advice and corners is not None:
            try:
                kept.add(frame)
                chooser.keep(corners)
                advice = f"picture {kept.count} of {count} is kept"
            except CalibrationError as error:  # no pose now: the next frame may have one
                advice = str(error)
        if advice != said:
            tell(advice)
        said = advice
    return kept.count


class _Folder:
    """Where pictures go, and the tool's poses beside them."""

    def __init__(self, folder: str | pathlib.Path, tool_at: Callable[[float], np.ndarray] | None) -> None:
        self.count = 0
        self._path, self._tool_at = _empty(pathlib.Path(folder)), tool_at
        self._tools: dict[str, np.ndarray] = {}

    def add(self, frame: Frame) -> None:
        """Writes a frame, and first where the tool was."""
        name = f"view_{self.count:03d}.png"
        if self._tool_at is not None:
            self._tools[name] = self._tool_at(frame.stamp_s)
            poses_file.write(self._path / poses_file.NAME, self._tools)
        Image.fromarray(frame.pixels).save(self._path / name)
        self.count += 1


def _empty(folder: pathlib.Path) -> pathlib.Path:
    """The folder, made if need be; CalibrationError when it holds pictures already."""
    there = [p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES] if folder.is_dir() else []
    if there:
        raise CalibrationError(
            f"'{folder}' holds {len(there)} pictures already; use them with --images {folder}, or name "
            "another folder with --out"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalibrationError(
            f"'{folder}' cannot be written: {error.strerror}; name another --out"
        ) from error
    return folder
