"""A picture for people: which parts of the view saw the board."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw

from sandlot.perception.calibration.board import Corners
from sandlot.perception.calibration.intrinsics import CELLS, coverage

SEEN, UNSEEN = (60, 220, 120), (220, 60, 60, 110)


def coverage_picture(views: Mapping[str, Corners], background: np.ndarray) -> np.ndarray:
    """Every corner of every picture on one of them, uint8 [H, W, 3]; cells without any in red."""
    height, width = background.shape[:2]
    base = Image.fromarray(background // 2).convert("RGBA")
    layer = Image.new("RGBA", base.size)
    draw = ImageDraw.Draw(layer)
    for row, column in np.argwhere(~coverage(views, (width, height))):
        left, top = column * width / CELLS[0], row * height / CELLS[1]
        draw.rectangle((left, top, left + width / CELLS[0] - 1, top + height / CELLS[1] - 1), fill=UNSEEN)
    radius = max(2, width // 320)
    for corners in views.values():
        for x, y in corners.points_px:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*SEEN, 255))
    return np.array(Image.alpha_composite(base, layer).convert("RGB"))
