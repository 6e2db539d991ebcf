"""A folder of pictures as a camera: for tests, replays, and calibration from pictures taken elsewhere."""

import pathlib
import time

import numpy as np
from PIL import Image, UnidentifiedImageError

from sandlot.perception.cameras.config import CameraConfig
from sandlot.perception.cameras.errors import CameraError
from sandlot.perception.cameras.frame import Shot, Stamped
from sandlot.perception.cameras.pace import Pace

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def pictures(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """The picture files of a folder by name; CameraError when there are none."""
    path = pathlib.Path(folder)
    found = sorted(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else []
    if not found:
        raise CameraError(f"'{path}' is no folder with pictures ({', '.join(sorted(SUFFIXES))})")
    return found


def picture(file: pathlib.Path) -> np.ndarray:
    """One picture, uint8 [H, W, 3] RGB; CameraError when the file holds none."""
    try:
        with Image.open(file) as image:
            return np.array(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise CameraError(f"'{file}' cannot be read as a picture: {error}") from error


class Folder:
    """The pictures by name, at the config's fps, again and again; stamped when they are due."""

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self._files: list[pathlib.Path] = []
        self._pace = Pace(1.0 / config.fps, time.monotonic())
        self._at = 0

    def open(self) -> None:
        """Looks what is there."""
        self._files, self._at = pictures(self._config.device), 0

    def read(self) -> Shot:
        """The next picture, when it is due."""
        due_s = self._pace.wait()
        pixels = picture(self._files[self._at % len(self._files)])
        self._at += 1
        self._config.crop.check(pixels.shape[1], pixels.shape[0], self._config.name)
        return Shot(pixels, due_s, Stamped.ARRIVAL)

    def close(self) -> None:
        """Nothing is held."""
