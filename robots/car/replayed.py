"""A car's observations, made again of recorded messages by the code that made them when it drove."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sandlot.robots.car import readings, task, topics
from sandlot.robots.car.spec import IMAGE_PX, CarCommand, CarLimits


class Replayed:
    """As `recording.steps.Replayed`, of a car; the course need not be known: every step says its goals.

    Args:
        name: of the task.
        cameras: that were observed.
        image_px: width and height of their frames in the observation; 0: the default.
    """

    def __init__(self, name: str, cameras: Sequence[str], image_px: int) -> None:
        size = image_px or IMAGE_PX
        self.spec = task.env_spec(name, CarLimits(), {camera: (size, size, 3) for camera in cameras})
        self.topics = tuple(t.name for t in topics.observed(tuple(cameras)))

    def observe(self, values: Mapping[str, Any], extra: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        """The observation; `extra` has the command in force and the two checkpoints that are next."""
        reading = readings.reading(values, CarCommand(*extra["command"]), jolt_mps2=0.0)
        state = task.observe(reading, np.array(extra["goal"]), np.array(extra["following"]))
        return {"state": state, "images": readings.images(values, self.spec.images)}
