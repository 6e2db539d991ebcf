"""How a place looks, by seed: patterns of ground and walls, colours, light, what stands around. No physics.

An encoder that has seen many such places learns what makes a way, not the colour of one floor; every ground
and wall has a pattern, so that motion shows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sandlot.sim.shapes import Rgba

TEXTURE_PX = 256


@dataclass(frozen=True)
class Look:
    """What a place looks like.

    Attributes:
        ground: pattern uint8 [256, 256, 3], which repeats without a seam.
        wall: the same of the walls.
        room: the same of what closes a place off, far away.
        ground_m: size of the ground's pattern.
        wall_m: of the walls'.
        sky: colour at the horizon, and above.
        light: direction, and brightness of the lamp and of everything.
        obstacle: colour.
        car: colour.
        things: colours of what stands around.
    """

    ground: np.ndarray
    wall: np.ndarray
    room: np.ndarray
    ground_m: float
    wall_m: float
    sky: tuple[np.ndarray, np.ndarray]
    light: tuple[np.ndarray, float, float]
    obstacle: Rgba
    car: Rgba
    things: tuple[Rgba, ...]


def look(seed: int, *, indoor: bool) -> Look:
    """The look of a seed."""
    rng = np.random.default_rng([seed, 31])
    grounds, walls = (INDOOR_GROUNDS, INDOOR_WALLS) if indoor else (OUTDOOR_GROUNDS, OUTDOOR_WALLS)
    ground = _painted(*grounds[rng.integers(len(grounds))], rng)
    wall = _painted(*walls[rng.integers(len(walls))], rng)
    for _ in range(20):  # the way ends where the colour changes: that must show
        if np.abs(wall.mean(axis=(0, 1)) - ground.mean(axis=(0, 1))).max() > APART:
            break
        wall = _painted(*walls[rng.integers(len(walls))], rng)
    horizon = _near((0.75, 0.75, 0.72) if indoor else (0.75, 0.82, 0.88), 0.12, rng)
    above = _near((0.85, 0.85, 0.82) if indoor else (0.35, 0.55, 0.85), 0.15, rng)
    down = np.array([rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), -1.0])
    return Look(
        ground=ground,
        wall=wall,
        room=_painted(
            (0.8, 0.79, 0.76) if indoor else (0.3, 0.42, 0.25), 0.2, (panels, noise)[not indoor], rng
        ),
        ground_m=float(rng.uniform(0.8, 2.0)),
        wall_m=float(rng.uniform(0.8, 1.6)),
        sky=(horizon, above),
        light=(down, float(rng.uniform(0.25, 0.5)), float(rng.uniform(0.4, 0.6))),
        obstacle=_bright(rng),
        car=_bright(rng),
        things=tuple(_rgba(rng.uniform(0.1, 0.9, 3)) for _ in range(24)),
    )


APART = 60.0
"""Least difference of mean colour, of 255, between walls and ground."""

Pattern = Callable[[np.random.Generator], np.ndarray]


def noise(rng: np.random.Generator) -> np.ndarray:
    """Blotches of several sizes, as grass, concrete or a hedge: [256, 256] in [0, 1]."""
    cycles = np.abs(np.fft.fftfreq(TEXTURE_PX, 1.0 / TEXTURE_PX))
    radius = np.hypot(cycles[:, None], cycles[None])
    strength = np.where(radius > 2.0, 1.0 / np.maximum(radius, 1.0) ** rng.uniform(0.7, 1.4), 0.0)
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((TEXTURE_PX, TEXTURE_PX))) * strength).real
    return np.asarray(np.clip(0.5 + 0.25 * field / field.std(), 0.0, 1.0))


def tiles(rng: np.random.Generator) -> np.ndarray:
    """Square tiles of slightly different shades, with joints."""
    count = int(rng.choice([2, 4]))
    size = TEXTURE_PX // count
    shades = rng.uniform(0.55, 1.0, (count, count)).repeat(size, axis=0).repeat(size, axis=1)
    joint = np.arange(TEXTURE_PX) % size < 6
    shades[joint] = shades[:, joint] = 0.0
    return 0.85 * shades + 0.15 * noise(rng)


def planks(rng: np.random.Generator) -> np.ndarray:
    """Long boards side by side."""
    rows = 8
    size = TEXTURE_PX // rows
    shades = rng.uniform(0.4, 1.0, rows).repeat(size)[:, None] * np.ones(TEXTURE_PX)
    shades[np.arange(TEXTURE_PX) % size < 3] = 0.0
    for row in range(rows):
        end = int(rng.integers(TEXTURE_PX))
        shades[row * size : (row + 1) * size, end : end + 4] = 0.0
    return 0.8 * shades + 0.2 * noise(rng)


def stripes(rng: np.random.Generator) -> np.ndarray:
    """Bands of two shades, as on a kerb or a barrier."""
    band = 1 - (np.arange(TEXTURE_PX) // (TEXTURE_PX // int(rng.choice([4, 8])))) % 2
    return np.asarray(0.9 * band[None] * np.ones((TEXTURE_PX, 1)) + 0.1 * noise(rng))


def panels(rng: np.random.Generator) -> np.ndarray:
    """Upright boards with dark seams, and a rim below."""
    shades = rng.uniform(0.75, 1.0, 4).repeat(TEXTURE_PX // 4)[None] * np.ones((TEXTURE_PX, 1))
    shades[:, np.arange(TEXTURE_PX) % (TEXTURE_PX // 4) < 5] = 0.0
    return np.asarray(0.85 * shades + 0.15 * noise(rng))


INDOOR_GROUNDS: tuple[tuple[tuple[float, float, float], float, Pattern], ...] = (
    ((0.62, 0.6, 0.56), 0.25, tiles),
    ((0.6, 0.44, 0.28), 0.3, planks),
    ((0.45, 0.45, 0.47), 0.25, noise),
    ((0.28, 0.34, 0.45), 0.2, tiles),
    ((0.5, 0.3, 0.26), 0.25, noise),
)
INDOOR_WALLS: tuple[tuple[tuple[float, float, float], float, Pattern], ...] = (
    ((0.9, 0.88, 0.84), 0.3, panels),
    ((0.75, 0.2, 0.15), 0.6, stripes),
    ((0.2, 0.35, 0.65), 0.5, stripes),
    ((0.85, 0.7, 0.2), 0.6, stripes),
    ((0.35, 0.25, 0.18), 0.3, planks),
    ((0.15, 0.15, 0.17), 0.3, panels),
)
OUTDOOR_GROUNDS: tuple[tuple[tuple[float, float, float], float, Pattern], ...] = (
    ((0.38, 0.38, 0.38), 0.3, noise),
    ((0.58, 0.5, 0.38), 0.35, noise),
    ((0.4, 0.48, 0.28), 0.35, noise),
    ((0.55, 0.52, 0.48), 0.3, tiles),
)
OUTDOOR_WALLS: tuple[tuple[tuple[float, float, float], float, Pattern], ...] = (
    ((0.14, 0.32, 0.12), 0.6, noise),
    ((0.82, 0.8, 0.78), 0.3, panels),
    ((0.8, 0.25, 0.2), 0.6, stripes),
    ((0.45, 0.3, 0.18), 0.4, planks),
    ((0.88, 0.86, 0.3), 0.7, stripes),
)
"""Colour, contrast of the pattern, and the pattern."""


def _painted(
    colour: tuple[float, float, float], contrast: float, pattern: Pattern, rng: np.random.Generator
) -> np.ndarray:
    """A pattern in a colour near to this one, uint8 [256, 256, 3]; darkest parts are darker by `contrast`."""
    shade = 1.0 - contrast * (1.0 - pattern(rng))
    return np.asarray(np.round(255 * shade[..., None] * _near(colour, 0.1, rng)), np.uint8)


def _near(colour: tuple[float, float, float], most: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.array(colour) + rng.uniform(-most, most, 3), 0.03, 1.0)


def _bright(rng: np.random.Generator) -> Rgba:
    """A colour that stands out."""
    colour = rng.permutation([rng.uniform(0.75, 1.0), rng.uniform(0.1, 0.9), rng.uniform(0.0, 0.2)])
    return _rgba(colour)


def _rgba(colour: np.ndarray) -> Rgba:
    red, green, blue = map(float, colour)
    return red, green, blue, 1.0
