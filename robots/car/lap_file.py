"""Positions of a recorded lap: from a bag with the car's odometry, or from a table."""

import csv
import pathlib

import numpy as np

from sandlot.robots.car.errors import CourseError
from sandlot.robots.recording.bag import Bag, decoder

ODOMETRY = "nav_msgs/msg/Odometry"
COLUMNS = ("x_m", "y_m")


def read_lap(file: str | pathlib.Path) -> np.ndarray:
    """Positions [T, 2] in m, in order.

    Raises:
        CourseError: the file cannot be read, or holds no positions.
        BagError: a bag is damaged.
    """
    path = pathlib.Path(file)
    if not path.exists():
        raise CourseError(f"lap '{path}' does not exist; give a bag's folder or a .csv file with x_m, y_m")
    return _of_bag(path) if path.is_dir() else _of_table(path)


def _of_bag(folder: pathlib.Path) -> np.ndarray:
    bag = Bag(folder)
    topics = [name for name, kind in bag.info().types.items() if kind == ODOMETRY]
    if len(topics) != 1:
        raise CourseError(
            f"bag '{folder}' has {len(topics)} topics with odometry ({', '.join(topics) or 'none'}), one is "
            "needed; record one with `sandlot up car --record`"
        )
    decode = decoder()
    places = [decode(message).pose.pose.position for message in bag.messages(topics)]
    return np.array([(place.x, place.y) for place in places]).reshape(-1, 2)


def _of_table(path: pathlib.Path) -> np.ndarray:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"lap '{path}' cannot be read: {' '.join(str(error).split())}") from error
    positions = []
    for number, row in enumerate(rows, start=2):
        try:
            positions.append([float(row[name]) for name in COLUMNS])
        except (KeyError, TypeError, ValueError) as error:
            raise CourseError(
                f"lap '{path}', line {number}: {row} must have numbers in the columns {', '.join(COLUMNS)}"
            ) from error
    return np.array(positions).reshape(-1, 2)
