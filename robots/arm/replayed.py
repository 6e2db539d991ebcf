"""An arm's observations, made again of recorded messages by the code that made them when it moved."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandlot.learners import envs
from sandlot.learners.env_config import EnvConfig
from sandlot.robots.arm import readings, topics
from sandlot.robots.arm.spec import Command
from sandlot.robots.arm.tasks import ArmTask


class Replayed:
    """As `recording.steps.Replayed`, of an arm.

    Args:
        task: what was practised.
        cameras: that were observed.
        image_px: width and height of their frames in the observation; 0: the task's default.
    """

    def __init__(self, task: str, cameras: Sequence[str], image_px: int) -> None:
        asked = EnvConfig(cameras=tuple(cameras), image_px=image_px, robot="ros")
        env = envs.make(task, **asked.kwargs())  # which connects to nothing
        self.spec = envs.env_spec(env)
        self._task: ArmTask = env.get_wrapper_attr("task")
        self.topics = tuple(t.name for t in topics.observed(self._task.tracked(), tuple(self.spec.images)))

    def observe(self, values: Mapping[str, Any], extra: Mapping[str, Sequence[float]]) -> dict[str, Any]:
        """The observation; `extra` has the command in force and objects that no topic tells of."""
        *pose, gripper_open = extra["command"]
        known = {
            name.removeprefix("object."): readings.pose_of(numbers)
            for name, numbers in extra.items()
            if name.startswith("object.")
        }
        reading = readings.reading(values, Command(readings.pose_of(pose), bool(gripper_open)), known)
        return {"state": self._task.observe(reading), "images": readings.images(values, self.spec.images)}
