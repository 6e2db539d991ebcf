"""Checkpoints out of one slow lap, by the distance driven and by how the way turns.

    course, lap = course_from_lap(positions_m, name="hall")

The lap is smoothed, cut where it closes, and followed; a checkpoint is set after every `straight_m` of a
straight way, after every `turn_rad` of a turn on the spot, and in between after the matching share of both.
"""

import math
from dataclasses import dataclass

import numpy as np

from sandlot.robots.car.course import LEAST, Course
from sandlot.robots.car.errors import CourseError

STEP_M = 0.05
"""The lap is followed in steps of this length."""
STANDING_M = 0.02
"""Positions closer than this to the one before are the sensor's noise."""


@dataclass(frozen=True, kw_only=True)
class LapConfig:
    """How a lap becomes a course.

    Attributes:
        straight_m: most distance between two checkpoints.
        turn_rad: most turning between two checkpoints.
        radius_m: of the checkpoints; also how far the lap's end may lie from its start.
        smooth_m: the lap is averaged over this length, which is to be longer than the positions' noise and
            shorter than the tightest curve.
        shortest_m: a lap that is shorter is a mistake.
    """

    straight_m: float = 5.0
    turn_rad: float = math.radians(60.0)
    radius_m: float = 1.0
    smooth_m: float = 0.6
    shortest_m: float = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise CourseError(f"{name} is {value}; it must be more than 0")


def course_from_lap(
    positions_m: np.ndarray, name: str, config: LapConfig | None = None
) -> tuple[Course, np.ndarray]:
    """The course of a lap.

    Args:
        positions_m: where the car was, in order [T, 2], map frame.
        name: of the course.
        config: None for the defaults.

    Returns:
        The course, whose first checkpoint is where the lap began, and the closed lap [N, 2], `STEP_M` apart.

    Raises:
        CourseError: the lap does not close, is too short, stands still, or holds numbers that are none.
    """
    config = config or LapConfig()
    lap = _closed(_checked(positions_m), config)
    smooth = _even(_smoothed(lap, config.smooth_m))  # noise had made the way longer
    turned = np.abs(_turning_rad(smooth, config.smooth_m))
    due = STEP_M / config.straight_m + turned / config.turn_rad  # share of a gap that each step uses up
    count = max(LEAST, math.ceil(due.sum()))
    used = np.concatenate([[0.0], np.cumsum(due)[:-1]]) * count / due.sum()
    at = np.searchsorted(used, np.arange(count))
    kept = _far_enough(smooth, at, config.radius_m)
    if len(kept) < LEAST:
        raise CourseError(
            f"lap '{name}' of {len(lap) * STEP_M:.1f} m leaves {len(kept)} checkpoints that are more than "
            f"radius_m ({config.radius_m:g} m) apart; make radius_m smaller"
        )
    points = tuple((float(x), float(y)) for x, y in smooth[kept])
    return Course(name=name, radius_m=config.radius_m, checkpoints_m=points), smooth


def _checked(positions_m: np.ndarray) -> np.ndarray:
    """Positions that are numbers, without those of a car that stands."""
    points = np.asarray(positions_m, float)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise CourseError(f"a lap is positions [T, 2], not {points.shape}")
    wrong = ~np.isfinite(points).all(axis=1)
    if wrong.any():
        raise CourseError(
            f"{wrong.sum()} of {len(points)} positions are not finite, the first is number "
            f"{int(wrong.argmax())}; was the localisation lost?"
        )
    kept = [0]
    for index in range(1, len(points)):
        if np.linalg.norm(points[index] - points[kept[-1]]) > STANDING_M:
            kept.append(index)
    return points[kept]


def _closed(points: np.ndarray, config: LapConfig) -> np.ndarray:
    """The lap in steps of about `STEP_M`, cut where it first comes back to its start, and closed there."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    if along[-1] < config.shortest_m:
        raise CourseError(
            f"the lap is {along[-1]:.2f} m long, at least {config.shortest_m:g} m are needed; drive all of it"
        )
    away = np.linalg.norm(points - points[0], axis=1)
    driven = along >= config.shortest_m
    back = driven & (away <= config.radius_m)
    if not back.any():
        nearest = float(away[driven].min())
        raise CourseError(
            f"the lap does not close: after {along[-1]:.1f} m it came no nearer to its start than "
            f"{nearest:.2f} m, within {config.radius_m:g} m are needed; drive on until you pass the start"
        )
    first = int(back.argmax())
    last = int(np.flatnonzero(back & (along <= along[first] + 2.0 * config.radius_m))[-1])
    end = first + int(away[first : last + 1].argmin())
    gap = points[0] - points[end]
    share = (along[: end + 1] / along[end])[:, None]
    loop = points[: end + 1] + share * gap  # what the localisation drifted is spread over the lap
    return _even(loop[:-1])


def _even(loop: np.ndarray) -> np.ndarray:
    """A closed lap in steps of about `STEP_M`."""
    closed = np.concatenate([loop, loop[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], max(2 * LEAST, round(along[-1] / STEP_M)), endpoint=False)
    return np.column_stack([np.interp(wanted, along, closed[:, axis]) for axis in (0, 1)])


def _smoothed(loop: np.ndarray, over_m: float) -> np.ndarray:
    """A closed lap averaged round each of its points, with weights that fall to both sides."""
    half = min(round(0.5 * over_m / STEP_M), (len(loop) - 1) // 2)
    weights = np.hanning(2 * half + 3)[1:-1]
    wrapped = np.concatenate([loop[len(loop) - half :], loop, loop[:half]])
    weights /= weights.sum()
    return np.column_stack([np.convolve(wrapped[:, axis], weights, mode="valid") for axis in (0, 1)])


def _turning_rad(loop: np.ndarray, over_m: float) -> np.ndarray:
    """How much a closed lap turns at each of its points [N], left positive, told by chords of `over_m`.

    Shorter chords would add up the noise of the positions as turns to and fro.
    """
    chord = max(1, min(round(over_m / STEP_M), len(loop) // 4))
    step = np.roll(loop, -chord, axis=0) - loop
    heading = np.arctan2(step[:, 1], step[:, 0])
    change = heading - np.roll(heading, chord)
    return np.asarray((change + np.pi) % (2.0 * np.pi) - np.pi) / chord


def _far_enough(loop: np.ndarray, at: np.ndarray, radius_m: float) -> np.ndarray:
    """Of the points `at`, those farther than the radius from the one before, and the last from the first."""
    kept: list[int] = []
    for index in at:
        if not kept or np.linalg.norm(loop[index] - loop[kept[-1]]) > radius_m:
            kept.append(int(index))
    while len(kept) > 1 and np.linalg.norm(loop[kept[-1]] - loop[kept[0]]) <= radius_m:
        kept.pop()
    return np.array(kept)
