"""A person drives a car: `python -m sandlot.robots.car.hands_node --ros-args -r __ns:=/car`.

From `joy` to `teleop`, in the layout of `teleop.mapping`, while the button to take over is down: the stick
forward is speed, to the side steering. Letting go gives the car back to the actor; where there is none it is
a pause: the car brakes, and its gate stays armed. A joystick that falls silent says no more: the gate stops.
"""

import sys
import time
from collections.abc import Sequence
from typing import Any

from sandlot.robots import ros_node, ros_params
from sandlot.robots.car import ros_messages, topics
from sandlot.robots.car.hands import HandsConfig, wanted
from sandlot.robots.teleop.mapping import Operator
from sandlot.robots.topics import JOY

from rclpy.node import Node  # isort: skip  (ros_node prepares its environment)

NAME = "hands"


class HandsNode(Node):
    """Says what the hands ask for, 50 times a second."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._config = ros_params.declare(self, HandsConfig)
        ros_params.refuse_unknown(self)
        self._operator, self._drove = Operator(), False
        self._out = ros_node.publisher(self, topics.TELEOP)
        self._pause = ros_node.publisher(self, topics.PAUSE)
        ros_node.subscription(self, JOY, self._on_joy)
        ros_node.timer(self, 1.0 / topics.DRIVE_HZ, self._on_timer)

    def _on_joy(self, message: Any) -> None:
        refused = self._operator.refused
        if not self._operator.offer(message.axes, message.buttons, time.monotonic()) and not refused:
            self.get_logger().error(f"event=joy_refused cause={self._operator.refusal!r}")

    def _on_timer(self) -> None:
        intent = self._operator.take(time.monotonic())
        command = wanted(intent, self._config)
        if command is not None:
            self._out.publish(ros_messages.command_message(command, time.time_ns()))
        elif self._drove and intent.alive and not self.count_publishers(topics.DRIVE.name):
            self._pause.publish(self._pause.msg_type())
        self._drove = command is not None


def main(argv: Sequence[str] | None = None) -> int:
    """Drives until stopped."""
    return ros_node.run_node(NAME, HandsNode, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
