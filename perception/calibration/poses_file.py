"""The arm's poses beside the pictures of a hand-eye calibration: `poses.csv`.

    file,x_m,y_m,z_m,qx,qy,qz,qw
    view_000.png,0.4521,0.0012,0.3007,0.9999,0.0,0.012,0.0

Position and quaternion of the tool in the base frame when that picture was taken.
"""

import csv
import pathlib
from collections.abc import Mapping

import numpy as np

from sandlot.perception.calibration import poses
from sandlot.perception.calibration.errors import CalibrationError

NAME = "poses.csv"
COLUMNS = "file", "x_m", "y_m", "z_m", "qx", "qy", "qz", "qw"


def read(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """`pose_base_tool` [4, 4] by the picture's name; CalibrationError names file, line and rule."""
    file = pathlib.Path(path)
    try:
        rows = list(csv.reader(file.read_text().splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise CalibrationError(f"poses '{file}' cannot be read: {error}") from error
    if not rows or tuple(word.strip() for word in rows[0]) != COLUMNS:
        raise CalibrationError(f"poses '{file}': its first line must be {','.join(COLUMNS)}")
    found: dict[str, np.ndarray] = {}
    for number, row in enumerate(rows[1:], 2):
        name = row[0] if row else ""
        if name in found:
            raise CalibrationError(f"poses '{file}', line {number}: '{name}' has a pose already")
        found[name] = _pose(row, f"poses '{file}', line {number}")
    return found


def _pose(row: list[str], where: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in row[1:]])
    except ValueError as error:
        raise CalibrationError(f"{where}: {error}") from error
    if numbers.shape != (7,) or not np.isfinite(numbers).all():
        raise CalibrationError(f"{where}: it must hold a name and seven numbers, {', '.join(COLUMNS[1:])}")
    if not 0.99 < np.linalg.norm(numbers[3:]) < 1.01:
        raise CalibrationError(
            f"{where}: the quaternion's length is {np.linalg.norm(numbers[3:]):.3f}, it must be 1"
        )
    return poses.from_quaternion(numbers[:3], numbers[3:])


def write(path: str | pathlib.Path, found: Mapping[str, np.ndarray]) -> None:
    """The inverse of `read`."""
    lines = [",".join(COLUMNS)]
    for name, pose_base_tool in found.items():
        numbers = (*pose_base_tool[:3, 3], *poses.quaternion(pose_base_tool))
        lines.append(",".join([name, *(f"{float(x):.9g}" for x in numbers)]))
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
