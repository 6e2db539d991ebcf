"""A course: checkpoints in the order in which they are passed, round and round. Its file is YAML.

    name: hall
    frame: map
    radius_m: 1.0
    checkpoints_m: [[0.0, 0.0], [4.0, 0.5], [5.0, 4.0], [0.5, 4.5]]

The first checkpoint is the start line: laps are counted from there.
"""

import dataclasses
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml

from sandlot.robots.car.errors import CourseError

LEAST = 3
"""Fewer checkpoints enclose nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """Where to drive.

    Attributes:
        name: for people.
        frame: the frame of the positions, `map` unless the odometry itself is the map.
        radius_m: a checkpoint is passed when the car's middle is so close.
        checkpoints_m: x and y of each, in order.
    """

    name: str
    frame: str = "map"
    radius_m: float = 1.0
    checkpoints_m: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        where = f"course '{self.name}'"
        if not (math.isfinite(self.radius_m) and 0.05 <= self.radius_m <= 20.0):
            raise CourseError(f"{where}: radius_m is {self.radius_m}; it must lie in [0.05, 20] m")
        if len(self.checkpoints_m) < LEAST:
            raise CourseError(
                f"{where}: {len(self.checkpoints_m)} checkpoints, a course needs {LEAST} or more"
            )
        for index, point in enumerate(self.checkpoints_m):
            if not all(map(math.isfinite, point)):
                raise CourseError(f"{where}: checkpoint {index} is {list(point)}; x and y must be numbers, m")
        for index, apart_m in enumerate(self.gaps_m):
            if apart_m <= self.radius_m:
                following = (index + 1) % len(self.checkpoints_m)
                raise CourseError(
                    f"{where}: checkpoints {index} and {following} are {apart_m:.2f} m apart, within "
                    f"radius_m ({self.radius_m:g}): both would be passed at once; "
                    "remove one, or make radius_m smaller"
                )

    @property
    def gaps_m(self) -> np.ndarray:
        """Distance from each checkpoint to the next one, of the last to the first [n]."""
        points = np.array(self.checkpoints_m)
        return np.asarray(np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1))


def check_clear(course: Course, walls_m: np.ndarray, clearance_m: float) -> None:
    """Raises CourseError when a checkpoint is closer to a wall than the car can be.

    Args:
        course: in the walls' frame.
        walls_m: both ends of each piece of wall [W, 2, 2].
        clearance_m: from the car's middle to its side.
    """
    for index, point in enumerate(np.array(course.checkpoints_m)):
        begin, along = walls_m[:, 0], walls_m[:, 1] - walls_m[:, 0]
        length2 = np.maximum((along**2).sum(axis=1), 1e-12)
        share = np.clip(((point - begin) * along).sum(axis=1) / length2, 0.0, 1.0)
        away_m = np.linalg.norm(begin + share[:, None] * along - point, axis=1)
        if len(away_m) and away_m.min() < clearance_m:
            raise CourseError(
                f"course '{course.name}': checkpoint {index} at {point.round(2).tolist()} is "
                f"{away_m.min():.2f} m from a wall, the car needs {clearance_m:.2f} m; "
                "was it recorded on another map?"
            )


def load(path: str | pathlib.Path) -> Course:
    """The course in a file; CourseError names the file, the field and the rule."""
    file = pathlib.Path(path)
    try:
        found = yaml.safe_load(file.read_text())
    except OSError as error:
        raise CourseError(
            f"course '{file}' cannot be read: {error.strerror}; record one with a slow lap"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CourseError(f"course '{file}' is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise CourseError(f"course '{file}' must hold settings: {', '.join(_FIELDS)}")
    if unknown := sorted(set(found) - set(_FIELDS)):
        raise CourseError(f"course '{file}': '{unknown[0]}' is no setting; there are {', '.join(_FIELDS)}")
    points = found.get("checkpoints_m")
    if not isinstance(points, list) or not all(_is_point(p) for p in points):
        raise CourseError(f"course '{file}': checkpoints_m must be a list of [x, y] in m")
    radius_m = found.get("radius_m", Course.radius_m)
    if not _is_number(radius_m):
        raise CourseError(f"course '{file}': radius_m is {radius_m!r}; it must be a number, m")
    try:
        return Course(
            name=str(found.get("name", file.stem)),
            frame=str(found.get("frame", Course.frame)),
            radius_m=float(radius_m),
            checkpoints_m=tuple((float(x), float(y)) for x, y in points),
        )
    except CourseError as error:
        raise CourseError(f"{file}: {error}") from error


def save(path: str | pathlib.Path, course: Course) -> None:
    """Writes a course, whole or not at all; positions to the millimetre."""
    file = pathlib.Path(path)
    points: Sequence[Any] = [[round(x, 3), round(y, 3)] for x, y in course.checkpoints_m]
    text = yaml.safe_dump({**dataclasses.asdict(course), "checkpoints_m": points}, sort_keys=False)
    part = file.with_name(file.name + ".part")
    part.write_text(text)
    os.replace(part, file)


_FIELDS = tuple(f.name for f in dataclasses.fields(Course))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value))
