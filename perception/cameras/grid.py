"""A picture for people: where a crop lies, with lines to read its numbers from."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

USED = (60, 220, 120)


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
    draw.rectangle((x, y, x + width - 1, y + height - 1), outline=USED, width=max(2, image.width // 320))
    return np.array(image)
