"""Crops of simulated cameras: only what is used is drawn, at the observation's size.

The picture is that of `view` (crop, middle, resize) without the pixels that would be thrown away.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sandlot.perception.cameras.registry import pick_simulated
from sandlot.perception.cameras.view import Crop, used

WIDTH_PX, HEIGHT_PX = 640, 480
"""Of a camera whose file does not say."""


class Window(NamedTuple):
    """A part of a camera's picture, in heights of the whole picture, from its middle: x right, y down."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Window(-0.5, -0.5, 0.5, 0.5)
"""What is drawn without a crop: the middle square."""


def window(crop: Crop, width_px: int, height_px: int) -> Window:
    """A crop of a picture of this size as a window."""
    x, y = crop.x - width_px / 2, crop.y - height_px / 2
    return Window(x / height_px, y / height_px, (x + crop.width) / height_px, (y + crop.height) / height_px)


def windows(path: str, tasks: Sequence[str], cameras: Iterable[str], image_px: int) -> dict[str, Window]:
    """What is observed of each camera, by a camera file that is for one of these tasks (`pick_simulated`)."""
    found = {}
    for config in pick_simulated(path, tasks, cameras):
        width_px, height_px = config.width_px or WIDTH_PX, config.height_px or HEIGHT_PX
        config.crop.check(width_px, height_px, config.name)
        part = used((height_px, width_px), config.crop, (image_px, image_px))
        found[config.name] = window(part, width_px, height_px)
    return found
