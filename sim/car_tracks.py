"""Places where a car drives: closed courses with walls and obstacles, by name or by seed. Numpy only."""

from dataclasses import dataclass

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.sim import car_curves as curves

TIGHTEST_M = 1.3
"""Least radius of the centre line."""
GAP_M = 0.15
"""Between the walls of neighbouring lanes, at least."""
FREE_M = 0.75
"""Width of the way beside an obstacle, at least."""
SHORTEST_M, LONGEST_M = 18.0, 45.0
TRIES = 1000
SAG_M = 0.015
"""A piece of wall stays so close to its border."""


@dataclass(frozen=True, eq=False)
class Track:
    """A closed course.

    Attributes:
        name: for people.
        centre_m: its middle, closed, in the direction of driving [N, 2], about 0.1 m apart; the first point
            is the start line.
        half_width_m: from the middle to either border.
        walls_m: both ends of each piece of wall [W, 2, 2]; the way is to its left.
        obstacles: x, y and radius of what stands beside a border, in m.
        indoor: whether it looks so.
        look_seed: of its colours and patterns.
    """

    name: str
    centre_m: np.ndarray
    half_width_m: float
    walls_m: np.ndarray
    obstacles: tuple[tuple[float, float, float], ...]
    indoor: bool
    look_seed: int

    @property
    def length_m(self) -> float:
        """Of the centre line."""
        return curves.length_m(self.centre_m)

    def pose(self, along: int = 0) -> tuple[np.ndarray, float]:
        """A point of the centre line [2], the start by default, and the heading of the way there."""
        here, ahead = (
            self.centre_m[along % len(self.centre_m)],
            self.centre_m[(along + 1) % len(self.centre_m)],
        )
        return here.copy(), float(np.arctan2(ahead[1] - here[1], ahead[0] - here[0]))

    def nearest(self, point_m: np.ndarray) -> int:
        """The point of the centre line that is closest to a point [2]."""
        return int(np.linalg.norm(self.centre_m - point_m, axis=1).argmin())

    def clearance_m(self, point_m: np.ndarray) -> float:
        """From a point [2] to the nearest wall or obstacle; negative outside the way."""
        begin, along = self.walls_m[:, 0], self.walls_m[:, 1] - self.walls_m[:, 0]
        away = np.asarray(point_m) - begin
        share = np.clip((away * along).sum(axis=1) / (along**2).sum(axis=1), 0.0, 1.0)
        free = float(np.linalg.norm(away - share[:, None] * along, axis=1).min())
        if np.linalg.norm(self.centre_m - point_m, axis=1).min() > self.half_width_m + 0.02:
            free = -free
        return min(
            [free, *(float(np.hypot(*(point_m - np.array([x, y])))) - r for x, y, r in self.obstacles)]
        )


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a course is drawn.

    Attributes:
        squares: of a grid, whose outline it follows.
        square_m: size of the grid.
        half_width_m: from the middle to either border.
        bend_m: how far it is waved from the grid.
        obstacles: how many stand on it.
        indoor: whether it looks so.
        clockwise: the direction of driving.
    """

    squares: frozenset[curves.Square]
    square_m: float
    half_width_m: float
    bend_m: float
    obstacles: int
    indoor: bool
    clockwise: bool


NAMED = {
    "hall": (
        900_001,
        Shape(squares=frozenset({(0, 0), (1, 0), (2, 0), (0, 1)}), square_m=3.2, half_width_m=0.9,
              bend_m=0.35, obstacles=2, indoor=True, clockwise=False),
    ),
    "yard": (
        900_002,
        Shape(squares=frozenset({(0, 0), (1, 0), (1, 1), (2, 1), (3, 1), (3, 0)}), square_m=3.35,
              half_width_m=1.15, bend_m=0.5, obstacles=3, indoor=False, clockwise=True),
    ),
}  # fmt: skip
"""Name -> seed and shape."""


def track(place: str | int) -> Track:
    """A named course, or the procedural one of a seed; ConfigError lists the names."""
    if isinstance(place, str):
        if place not in NAMED:
            raise ConfigError(f"place '{place}' does not exist; choose from {', '.join(NAMED)}, or a seed")
        seed, shape = NAMED[place]
        return _made(place, seed, shape)
    if place < 0:
        raise ConfigError(f"place {place}: a seed must be 0 or more")
    return _made(f"place {place}", place, None)


def _made(name: str, seed: int, shape: Shape | None) -> Track:
    """The first course of the seed that can be driven; a named one keeps its shape."""
    rng = np.random.default_rng([seed, 77])
    for _ in range(TRIES):
        drawn = shape or _drawn(rng)
        centre_m = _centre(drawn, rng)
        if centre_m is None:
            continue
        normal = curves.normals(centre_m)
        left, right = (centre_m + side * drawn.half_width_m * normal for side in (1.0, -1.0))
        walls_m = np.concatenate([pieces(left[::-1]), pieces(right)])
        obstacles = _obstacles(centre_m, normal, drawn, rng)
        return Track(name, centre_m, drawn.half_width_m, walls_m, obstacles, drawn.indoor, seed)
    raise RuntimeError(f"{name}: none of {TRIES} curves can be driven")


def _drawn(rng: np.random.Generator) -> Shape:
    """A shape by chance."""
    half_width_m = float(rng.uniform(0.7, 1.1))
    return Shape(
        squares=frozenset(curves.grown(int(rng.integers(2, 8)), rng)),
        square_m=float(rng.uniform(max(2.75, 2 * half_width_m + GAP_M + 0.25), 3.7)),
        half_width_m=half_width_m,
        bend_m=float(rng.uniform(0.2, 0.9)),
        obstacles=int(rng.integers(0, 4)),
        indoor=bool(rng.random() < 0.5),
        clockwise=bool(rng.random() < 0.5),
    )


def _centre(shape: Shape, rng: np.random.Generator) -> np.ndarray | None:
    """The centre line of a shape, bent and turned by chance; it begins where it is straightest."""
    corners = curves.outline(set(shape.squares))
    if corners is None:
        return None
    line = curves.bent(curves.rounded(corners, shape.square_m), shape.bend_m, rng)
    angle = rng.uniform(0.0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    centre_m = curves.resampled((line - line.mean(axis=0)) @ np.array([[cos, sin], [-sin, cos]]))
    if not SHORTEST_M <= curves.length_m(centre_m) <= LONGEST_M:
        return None
    if not curves.drivable(centre_m, shape.half_width_m, TIGHTEST_M, GAP_M):
        return None
    centre_m = centre_m[::-1] if shape.clockwise else centre_m
    bend = np.abs(curves.bends(centre_m))
    calm = np.convolve(np.tile(bend, 3), np.ones(31), mode="same")[len(bend) : 2 * len(bend)]
    return np.roll(centre_m, -int(calm.argmin()), axis=0)


def pieces(border_m: np.ndarray) -> np.ndarray:
    """A closed line as few straight pieces [W, 2, 2] that stay within `SAG_M` of it."""
    closed = np.concatenate([border_m, border_m[:1]])
    ends, begin = [0], 0
    for end in range(2, len(closed)):
        chord = closed[end] - closed[begin]
        away = closed[begin : end + 1] - closed[begin]
        sag = np.abs(chord[0] * away[:, 1] - chord[1] * away[:, 0]) / max(float(np.hypot(*chord)), 1e-9)
        if sag.max() > SAG_M:
            begin = end - 1
            ends.append(begin)
    corners = closed[[*ends, len(closed) - 1]]
    return np.stack([corners[:-1], corners[1:]], axis=1)


def _obstacles(
    centre_m: np.ndarray, normal: np.ndarray, shape: Shape, rng: np.random.Generator
) -> tuple[tuple[float, float, float], ...]:
    """At one border each, spread over the lap, far from the start."""
    found = []
    for number in range(shape.obstacles):
        share = (number + 1.0 + rng.uniform(-0.25, 0.25)) / (shape.obstacles + 1.0)
        at, side = int(share * len(centre_m)), 1.0 if rng.random() < 0.5 else -1.0
        radius_m = min(float(rng.uniform(0.12, 0.25)), shape.half_width_m - FREE_M / 2)
        x, y = centre_m[at] + side * (shape.half_width_m - radius_m) * normal[at]
        found.append((float(x), float(y), radius_m))
    return tuple(found)
