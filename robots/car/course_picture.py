"""A course drawn from above, for the eye of whoever is to drive there: lap, checkpoints, walls."""

import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sandlot.robots.car.course import Course

SIDE_PX, BORDER_PX, TIMES = 900, 60, 2
GROUND, WALL, LAP, CHECKPOINT, START = (
    (250, 250, 248),
    (70, 70, 75),
    (60, 120, 220),
    (40, 160, 90),
    (220, 60, 50),
)


def draw(course: Course, lap_m: np.ndarray | None = None, walls_m: np.ndarray | None = None) -> Image.Image:
    """The picture: x to the right, y up, one grid square a metre (or five, or ten) as it says.

    Args:
        course: its checkpoints as circles of their radius, numbered; the start line's is red.
        lap_m: the lap they were made of, closed [N, 2].
        walls_m: both ends of each piece of wall [W, 2, 2].
    """
    points = np.array(course.checkpoints_m)
    parts = [points - course.radius_m, points + course.radius_m]
    parts += [part.reshape(-1, 2) for part in (lap_m, walls_m) if part is not None and len(part)]
    low, high = np.concatenate(parts).min(axis=0), np.concatenate(parts).max(axis=0)
    px_per_m = TIMES * (SIDE_PX - 2 * BORDER_PX) / float((high - low).max())
    width, height = ((high - low) * px_per_m + 2 * TIMES * BORDER_PX).astype(int)
    image = Image.new("RGB", (int(width), int(height)), GROUND)
    pen = ImageDraw.Draw(image)

    def px(at_m: np.ndarray) -> tuple[float, float]:
        x, y = (at_m - low) * px_per_m + TIMES * BORDER_PX
        return float(x), float(height - y)

    _grid(pen, low, high, px_per_m, (int(width), int(height)))
    for begin, end in walls_m if walls_m is not None else ():
        pen.line([px(begin), px(end)], WALL, 3 * TIMES)
    if lap_m is not None:
        pen.line([px(at) for at in (*lap_m, lap_m[0])], LAP, 2 * TIMES)
    font = ImageFont.load_default(14 * TIMES)
    for index, point in enumerate(points):
        x, y = px(point)
        radius = course.radius_m * px_per_m
        colour = CHECKPOINT if index else START
        pen.ellipse([x - radius, y - radius, x + radius, y + radius], outline=colour, width=2 * TIMES)
        pen.text((x, y), str(index), colour, font, anchor="mm")
        _arrow(pen, np.array(px(point)), np.array(px(points[(index + 1) % len(points)])), colour)
    return image.resize((image.width // TIMES, image.height // TIMES), Image.Resampling.BOX)


def save(path: str | pathlib.Path, picture: Image.Image) -> None:
    """Writes a PNG."""
    picture.save(path, "PNG")


def _grid(
    pen: ImageDraw.ImageDraw, low: np.ndarray, high: np.ndarray, scale: float, size: tuple[int, int]
) -> None:
    """Lines so many metres apart that they are some 40 to 200 px from each other, and what they are."""
    apart_m = next(m for m in (1.0, 5.0, 10.0, 50.0, 100.0, 1e9) if m * scale >= 40 * TIMES or m > 50)
    for axis in (0, 1):
        first = np.ceil(low[axis] / apart_m) * apart_m
        for at_m in np.arange(first, high[axis] + 1e-9, apart_m):
            at = (at_m - low[axis]) * scale + TIMES * BORDER_PX
            line = [(at, 0), (at, size[1])] if axis == 0 else [(0, size[1] - at), (size[0], size[1] - at)]
            pen.line(line, (228, 228, 224), TIMES)
    text = f"{apart_m:g} m a square"
    pen.text((8 * TIMES, 8 * TIMES), text, (120, 120, 120), ImageFont.load_default(13 * TIMES))


def _arrow(
    pen: ImageDraw.ImageDraw, begin: np.ndarray, end: np.ndarray, colour: tuple[int, int, int]
) -> None:
    """A small head, halfway to the next checkpoint."""
    along = (end - begin) / max(float(np.linalg.norm(end - begin)), 1e-9)
    across = np.array([-along[1], along[0]])
    tip = (begin + end) / 2 + 7 * TIMES * along
    corners = [
        tip,
        tip - 12 * TIMES * along + 5 * TIMES * across,
        tip - 12 * TIMES * along - 5 * TIMES * across,
    ]
    pen.polygon([tuple(map(float, corner)) for corner in corners], fill=colour)
