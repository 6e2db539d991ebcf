"""How a path that was driven blind lies on a map, by some places on it that are known there. Pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MOST_PAIRS = 100
"""More than the path stays true for."""
LEAST_SPREAD = 2.5
"""Of the path, in standard deviations of a fix: a shorter one is all noise."""
LEAST_FIT = 3.0
"""Fixes that lie worse on the path than this, in their own standard deviations on average, do not fit."""


class Pair(NamedTuple):
    """One place: on the path [2], on the map [2], and the standard deviation of the latter."""

    path_m: np.ndarray
    map_m: np.ndarray
    deviation_m: float


class Alignment(NamedTuple):
    """A place is `turned(path) + place_m` on the map; with deviations (that of the newest place)."""

    turn_rad: float
    turn_deviation_rad: float
    place_m: np.ndarray
    place_deviation_m: float


def align(pairs: Sequence[Pair]) -> Alignment | None:
    """The turn and shift with the least squares (Procrustes); None while the path is too short or unlike."""
    if len(pairs) < 3:
        return None
    path, seen = np.array([p.path_m for p in pairs]), np.array([p.map_m for p in pairs])
    middle, seen_middle = path.mean(axis=0), seen.mean(axis=0)
    path, seen = path - middle, seen - seen_middle
    noise_m = math.sqrt(np.mean([p.deviation_m**2 for p in pairs]))
    if np.ptp(path, axis=0).max() < LEAST_SPREAD * noise_m:
        return None
    cross = float((path[:, 0] * seen[:, 1] - path[:, 1] * seen[:, 0]).sum())
    turn = math.atan2(cross, float((path * seen).sum()))
    c, s = math.cos(turn), math.sin(turn)
    rotation = np.array([[c, -s], [s, c]])
    if np.sqrt(np.mean((seen - path @ rotation.T) ** 2)) > LEAST_FIT * noise_m:
        return None
    turn_deviation = noise_m / math.sqrt(float((path**2).sum()))
    last_m = float(np.linalg.norm(path[-1]))
    place_deviation = math.hypot(noise_m / math.sqrt(len(pairs)), turn_deviation * last_m)
    return Alignment(turn, turn_deviation, seen_middle - rotation @ middle, place_deviation)
