"""Pictures for people: which parts of the view saw the board, and where a crop lies."""

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

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


def grid_picture(pixels: np.ndarray, box: tuple[int, int, int, int], every_px: int = 100) -> np.ndarray:
    """A frame with numbered lines and a box (x, y, width, height) around what is used."""
    image = Image.fromarray(pixels)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(10, every_px // 6))
    for x in range(0, image.width, every_px):
        draw.line((x, 0, x, image.height), fill=(255, 255, 255), width=1)
        draw.text((x + 2, 2), str(x), (255, 255, 0), font)
    for y in range(every_px, image.height, every_px):
        draw.line((0, y, image.width, y), fill=(255, 255, 255), width=1)
        draw.text((2, y + 2), str(y), (255, 255, 0), font)
    x, y, width, height = box
    draw.rectangle((x, y, x + width - 1, y + height - 1), outline=SEEN, width=max(2, image.width // 320))
    return np.array(image)
