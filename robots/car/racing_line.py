"""The line and the speeds of a scripted racing driver, who knows the whole course. Pure.

The line bends as little as the borders allow: the sum of squared second differences is least (a bounded
linear least-squares problem in the offsets from the middle, Braghin et al. 2008). The speeds are the highest
that grip, drive and brakes allow, by one pass forward and one backward.
"""

import dataclasses

import numpy as np
from scipy.optimize import lsq_linear

STEP_M = 0.2
"""Spacing of the points that are moved."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grip:
    """What a car can do.

    Attributes:
        lateral_mps2: acceleration in a curve.
        drive_mps2: speeding up.
        brake_mps2: slowing down.
        fastest_mps: most speed.
    """

    lateral_mps2: float = 5.0
    drive_mps2: float = 3.0
    brake_mps2: float = 3.0
    fastest_mps: float = 4.0


@dataclasses.dataclass(frozen=True)
class Line:
    """A closed way: `points_m` [N, 2], the speed at each `speed_mps` [N], and `lap_s` round it."""

    points_m: np.ndarray
    speed_mps: np.ndarray

    @property
    def lap_s(self) -> float:
        """How long a lap takes at these speeds."""
        gaps = np.linalg.norm(np.roll(self.points_m, -1, axis=0) - self.points_m, axis=1)
        return float((2 * gaps / (self.speed_mps + np.roll(self.speed_mps, -1))).sum())


def racing_line(centre_m: np.ndarray, room_m: np.ndarray, grip: Grip | None = None) -> Line:
    """The racing line of a course.

    Args:
        centre_m: its middle, closed [N, 2].
        room_m: how far from the middle the car's may go, to the right (negative) and to the left [N, 2].
        grip: what the car can do.
    """
    middle, room = _even(centre_m, room_m)
    ahead = np.roll(middle, -1, axis=0) - np.roll(middle, 1, axis=0)
    normal = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.linalg.norm(ahead, axis=1)[:, None]
    count = len(middle)
    row = np.arange(count)

    def second(values: np.ndarray) -> np.ndarray:
        """Second differences [N, N] of points moved by an offset along `values` [N]."""
        found = np.diag(-2.0 * values)
        found[row, row - 1] += values[row - 1]
        found[row, (row + 1) % count] += values[(row + 1) % count]
        return found

    bend = np.concatenate([second(normal[:, axis]) for axis in (0, 1)])
    still = np.roll(middle, 1, axis=0) - 2 * middle + np.roll(middle, -1, axis=0)
    found = lsq_linear(bend, -still.T.ravel(), bounds=(room[:, 0], room[:, 1]), tol=1e-6, lsq_solver="exact")
    line = middle + found.x[:, None] * normal
    return Line(line, speeds(line, grip or Grip()))


def speeds(line_m: np.ndarray, grip: Grip) -> np.ndarray:
    """The highest speeds along a closed line [N, 2], m/s [N]."""
    ahead, back = np.roll(line_m, -1, axis=0) - line_m, line_m - np.roll(line_m, 1, axis=0)
    gaps = np.linalg.norm(ahead, axis=1)
    turn = np.arctan2(back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0], (back * ahead).sum(axis=1))
    bend = np.abs(turn) / (0.5 * (gaps + np.roll(gaps, 1)))
    speed = np.minimum(grip.fastest_mps, np.sqrt(grip.lateral_mps2 / np.maximum(bend, 1e-6)))
    count = len(line_m)
    for i in range(2 * count):  # twice round, so that the start knows of the end
        at, after = i % count, (i + 1) % count
        speed[after] = min(speed[after], np.sqrt(speed[at] ** 2 + 2 * grip.drive_mps2 * gaps[at]))
    for i in range(2 * count, 0, -1):
        at, before = i % count, (i - 1) % count
        speed[before] = min(speed[before], np.sqrt(speed[at] ** 2 + 2 * grip.brake_mps2 * gaps[before]))
    return np.asarray(speed)


def _even(centre_m: np.ndarray, room_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle and its room at points `STEP_M` apart."""
    closed = np.concatenate([centre_m, centre_m[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.linspace(0.0, along[-1], max(16, round(along[-1] / STEP_M)), endpoint=False)
    room = np.concatenate([room_m, room_m[:1]])

    def at(values: np.ndarray) -> np.ndarray:
        return np.column_stack([np.interp(wanted, along, values[:, axis]) for axis in (0, 1)])

    return at(closed), at(room)
