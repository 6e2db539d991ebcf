"""A scripted person's hands as `sensor_msgs/Joy`, in place of a joy node.

    python -m sandlot.robots.arm.person_node --ros-args -r __ns:=/arm -p task:=arm_insert

They know the task's expert and see what the arm's topics show. For gate and actor it is a device like any
other: the gate stops the arm when it falls silent.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sandlot.learners.errors import ConfigError
from sandlot.learners.real_time import Complaint
from sandlot.robots import ros_node

from rclpy.node import Node  # isort: skip  (ros_node prepares its environment)

from sandlot.robots import ros_params, ros_qos, step_message
from sandlot.robots.arm import readings, ros_messages, topics
from sandlot.robots.arm.onlooker import Onlooker
from sandlot.robots.arm.readings import Freshness
from sandlot.robots.arm.ros_envs import UNTRACKED
from sandlot.robots.arm.spec import MAX_WIDTH_M, Command
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.errors import SensorError
from sandlot.robots.stamps import StampClock, read_clocks
from sandlot.robots.teleop.person import PersonConfig
from sandlot.robots.topics import JOY, STEP, Topic

log = logging.getLogger(__name__)

FRAME = "scripted"


@dataclass(frozen=True, kw_only=True)
class PersonParams(PersonConfig):
    """The node's parameters: the person's, and what they know.

    Attributes:
        task: the task that is practised.
    """

    task: str = "arm_pick"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task not in TASKS:
            raise ConfigError(f"person's task='{self.task}' does not exist; there are: {', '.join(TASKS)}")


class PersonNode(Node):
    """Watches the steps, and publishes what the hands do 50 times a second."""

    def __init__(self) -> None:
        super().__init__("joy")
        params = ros_params.declare(self, PersonParams)
        ros_params.refuse_unknown(self)
        task = TASKS[params.task]()
        tracked = [name for name in task.tracked() if name not in UNTRACKED.get(params.task, ())]
        self._onlooker = Onlooker(task, params)
        self._observer = readings.observer(tracked, {}, Freshness(), {})
        self._stamps, self._complain = StampClock(), Complaint()
        for topic in topics.observed(tracked, ()):
            ros_node.subscription(self, topic, self._taker(topic))
        ros_node.subscription(self, STEP, self._on_step)
        self._gripper_open = False
        ros_node.subscription(self, topics.COMMAND_GRIPPER, self._on_gripper)
        ros_node.subscription(self, topics.COMMAND_POSE, self._on_command)
        self._out = ros_node.publisher(self, JOY)
        self._message = ros_qos.message_class(JOY)
        ros_node.timer(self, 1.0 / JOY.hz, self._on_timer)

    def _taker(self, topic: Topic) -> Callable[[Any], None]:
        """The callback of an observed topic."""
        watched = self._observer.watches_content(topic.name)

        def take(message: Any) -> None:
            clocks = read_clocks()
            stamp_s = self._stamps.steady_s(ros_messages.stamp_s(message), clocks)
            said = readings.content(message) if watched else None
            stamp_ns = ros_messages.stamp_ns(message)
            self._observer.offer(topic.name, message, stamp_ns, stamp_s, clocks.steady_s, content=said)

        return take

    def _on_step(self, message: Any) -> None:
        numbers = dict(zip(message.name, message.position, strict=True))
        note, _, after = step_message.from_numbers(numbers, ros_messages.stamp_ns(message))
        now_s = time.monotonic()
        self._onlooker.stepped(note, after, self._values(now_s), now_s)

    def _on_gripper(self, message: Any) -> None:
        self._gripper_open = ros_messages.gripper_from(message) > MAX_WIDTH_M / 2

    def _on_command(self, message: Any) -> None:
        self._onlooker.commanded(Command(ros_messages.pose_from(message), self._gripper_open))

    def _on_timer(self) -> None:
        now_s = time.monotonic()
        hands = self._onlooker.hands(self._values(now_s), now_s)
        message = self._message(axes=hands.axes, buttons=hands.buttons())
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = FRAME
        self._out.publish(message)

    def _values(self, now_s: float) -> dict[str, Any] | None:
        """What is to be seen now, by topic; None, and a word in the log, when that cannot be used."""
        try:
            return {topic: sample.value for topic, sample in self._observer.take(now_s).items()}
        except SensorError as error:
            self._complain(error, now_s)
            return None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the node."""
    return ros_node.run_node("joy", PersonNode, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
