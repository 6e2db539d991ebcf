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
    """That part of a frame [H, W, 3], not copied."""
    if crop.whole:
        return frame
    return frame[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width]


def used(size: Sequence[int], crop: Crop, shape: Sequence[int]) -> Crop:
    """What of a picture of `size` (height, width) is observed in `shape`: the crop's middle in its aspect."""
    x, y, width, height = Crop(0, 0, size[1], size[0]) if crop.whole else crop
    scale = min(height / shape[0], width / shape[1])
    rows, columns = round(shape[0] * scale), round(shape[1] * scale)
    return Crop(x + (width - columns) // 2, y + (height - rows) // 2, columns, rows)


def fit(frame: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The middle of a frame in the shape of an observation, uint8 [H, W, 3], a fresh array."""
    height, width = shape[:2]
    if frame.shape[:2] == (height, width):
        return frame.copy()
    middle = np.ascontiguousarray(cut(frame, used(frame.shape, Crop(), shape)))
    return np.array(Image.fromarray(middle).resize((width, height), Image.Resampling.BOX))


def view(frame: np.ndarray, crop: Crop, shape: Sequence[int]) -> np.ndarray:
    """What is observed of a camera's frame: the crop, its sides cut to the shape's aspect, resized."""
    return fit(cut(frame, crop), shape)
