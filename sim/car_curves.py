"""Closed curves to drive on: the outline of a few squares of a grid, with round corners, bent a little.

Neighbouring lanes of such an outline are one square apart and its corners are arcs of half a square, so a
random one has straights, bends to both sides and hairpins, and most can be driven as drawn.
"""

import numpy as np

STEP_M = 0.1
"""Between the points of a curve, about."""
FINE_M = 0.02
EASE_M = 0.6
"""Over so much way a bend begins and ends."""
Square = tuple[int, int]


def outline(squares: set[Square]) -> np.ndarray | None:
    """Grid corners [n, 2] around squares, anticlockwise; None where that is not one single line."""
    ahead: dict[Square, Square] = {}
    for x, y in squares:
        for away, start, end in (
            ((x, y - 1), (x, y), (x + 1, y)),
            ((x + 1, y), (x + 1, y), (x + 1, y + 1)),
            ((x, y + 1), (x + 1, y + 1), (x, y + 1)),
            ((x - 1, y), (x, y + 1), (x, y)),
        ):
            if away in squares:
                continue
            if start in ahead:
                return None
            ahead[start] = end
    corner = first = min(ahead)
    corners = [corner]
    while (corner := ahead[corner]) != first:
        corners.append(corner)
    return np.array(corners, float) if len(corners) == len(ahead) else None


def grown(count: int, rng: np.random.Generator) -> set[Square]:
    """So many squares, each beside one before."""
    squares = {(0, 0)}
    while len(squares) < count:
        x, y = sorted(squares)[rng.integers(len(squares))]
        squares.add(((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1))[rng.integers(4)])
    return squares


def rounded(corners: np.ndarray, square_m: float) -> np.ndarray:
    """A fine line [n, 2] along grid corners, whose turns are arcs of half a square."""
    turn = np.linspace(0.0, np.pi / 2, round(square_m / FINE_M), endpoint=False)[:, None]
    pieces = []
    for before, here, after in zip(
        np.roll(corners, 1, axis=0), corners, np.roll(corners, -1, axis=0), strict=True
    ):
        came, goes = here - before, after - here
        if (came == goes).all():
            pieces.append(here + (turn / (np.pi / 2) - 0.5) * goes)
        else:
            pieces.append(here + 0.5 * (goes - came) + 0.5 * (np.sin(turn) * came - np.cos(turn) * goes))
    return np.asarray(np.concatenate(pieces) * square_m)


def bent(line: np.ndarray, most_m: float, rng: np.random.Generator) -> np.ndarray:
    """The line in a plane that is stretched and waved by up to `most_m`."""
    for _ in range(2):
        angle, phase = rng.uniform(0.0, 2 * np.pi, 2)
        along = np.array([np.cos(angle), np.sin(angle)])
        wave = np.sin(2 * np.pi * (line @ along) / rng.uniform(7.0, 12.0) + phase)
        line = line + 0.5 * most_m * wave[:, None] * rng.uniform(-1.0, 1.0, 2)
    return np.asarray(line * (1.0 + rng.uniform(-0.05, 0.08, 2)))


def resampled(line: np.ndarray) -> np.ndarray:
    """A closed line, smoothed over `EASE_M`, its points `STEP_M` apart."""
    line = _even(line, FINE_M)
    window = round(EASE_M / FINE_M)
    wrapped = np.concatenate([line[-window:], line, line[:window]])
    sums = np.cumsum(np.concatenate([np.zeros((1, 2)), wrapped]), axis=0)
    smooth = (sums[window:] - sums[:-window]) / window
    return _even(smooth[: len(line)], STEP_M)


def _even(line: np.ndarray, step_m: float) -> np.ndarray:
    """Points on a closed line, about `step_m` apart."""
    closed = np.concatenate([line, line[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], round(along[-1] / step_m), endpoint=False)
    return np.column_stack([np.interp(wanted, along, closed[:, axis]) for axis in (0, 1)])


def length_m(centre_m: np.ndarray) -> float:
    """All the way round a closed line."""
    return float(np.linalg.norm(np.roll(centre_m, -1, axis=0) - centre_m, axis=1).sum())


def bends(centre_m: np.ndarray) -> np.ndarray:
    """Curvature of a closed line, 1/m [N], left positive, over three tenths of a metre to both sides."""
    ahead, back = np.roll(centre_m, -3, axis=0) - centre_m, centre_m - np.roll(centre_m, 3, axis=0)
    turn = np.arctan2(back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0], (back * ahead).sum(axis=1))
    way = 0.5 * (np.linalg.norm(ahead, axis=1) + np.linalg.norm(back, axis=1))
    return np.asarray(turn / way)


def normals(centre_m: np.ndarray) -> np.ndarray:
    """Unit vectors to the left of a closed line [N, 2]."""
    ahead = np.roll(centre_m, -1, axis=0) - np.roll(centre_m, 1, axis=0)
    return np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.linalg.norm(ahead, axis=1)[:, None]


def drivable(centre_m: np.ndarray, half_width_m: float, tightest_m: float, gap_m: float) -> bool:
    """Whether a line bends little enough, and lanes of this width keep `gap_m` clear of each other."""
    if np.abs(bends(centre_m)).max() > 1.0 / tightest_m:
        return False
    apart = np.linalg.norm(centre_m[:, None] - centre_m[None], axis=2)
    count = len(centre_m)
    steps = np.abs(np.arange(count)[:, None] - np.arange(count)[None])
    along_m = np.minimum(steps, count - steps) * STEP_M
    # Half a turn of the least radius brings a lane back beside itself; what is nearer is the lane itself.
    far = along_m > np.pi * max(tightest_m, half_width_m + gap_m / 2)
    return bool((apart[far] > 2 * half_width_m + gap_m).all())
