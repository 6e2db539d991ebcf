"""From what a camera gives to what is observed: a part of the picture, in the observation's size. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from sandlot.learners.errors import ConfigError


class Crop(NamedTuple):
    """A part of a picture, pixels from its upper left corner; all zeros: the whole picture."""

    x: int = 0
    y: int = 0
    width: int = 0
    height: int = 0

    @property
    def whole(self) -> bool:
        """Whether nothing is cut away."""
        return self == Crop()

    @property
    def stretched(self) -> bool:
        """Whether its sides differ: a flat one shows heights finer than widths."""
        return self.width != self.height

    def check(self, width_px: int, height_px: int, camera: str) -> None:
        """Raises ConfigError unless it lies in a picture of this size; `camera` is for the message."""
        fits = 0 <= self.x and 0 <= self.y and self.width >= 1 and self.height >= 1
        if self.whole or (fits and self.x + self.width <= width_px and self.y + self.height <= height_px):
            return
        raise ConfigError(
            f"camera '{camera}': crop {list(self)} (x, y, width, height) must lie in the picture of "
            f"{width_px}x{height_px} pixels; choose it with `sandlot cameras crop {camera}`"
        )


def cut(frame: np.ndarray, crop: Crop) -> np.ndarray:
    """That part of a frame [H, W, 3], stretched to a square of its longer side; may be a view."""
    if crop.whole:
        return frame
    part = frame[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]
    return _resized(part, (max(part.shape[:2]),) * 2) if crop.stretched else part


def used(size: Sequence[int], crop: Crop, shape: Sequence[int]) -> Crop:
    """What of a picture (height, width) is observed in `shape`: the crop, or the middle in its aspect."""
    if not crop.whole:
        return crop
    scale = min(size[0] / shape[0], size[1] / shape[1])
    rows, columns = round(shape[0] * scale), round(shape[1] * scale)
    return Crop((size[1] - columns) // 2, (size[0] - rows) // 2, columns, rows)


def fit(frame: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The middle of a frame in the shape of an observation, uint8 [H, W, 3], a fresh array."""
    if frame.shape[:2] == tuple(shape[:2]):
        return frame.copy()
    x, y, width, height = used(frame.shape, Crop(), shape)
    return _resized(frame[y : y + height, x : x + width], shape)


def view(frame: np.ndarray, crop: Crop, shape: Sequence[int]) -> np.ndarray:
    """What is observed of a camera's frame: the crop, resized."""
    return fit(cut(frame, crop), shape)


def _resized(frame: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Every pixel the mean of what falls on it, a fresh array."""
    image = Image.fromarray(np.ascontiguousarray(frame))
    return np.array(image.resize((shape[1], shape[0]), Image.Resampling.BOX))
