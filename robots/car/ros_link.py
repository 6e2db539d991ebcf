"""The actor's node, of a car: it says the command in force again and again, for as long as the actor lives.

A gate that waits 90 ms for a command cannot be fed by an actor that acts every 100 ms; so this node's thread
repeats the actor's command at 50 Hz with a fresh stamp. It does so for `ALIVE_S` after the actor's last word:
a process that died or froze falls silent at once, and the car brakes within 100 ms; one whose actor hangs is
given those 150 ms more.
"""

import math
import threading
import time
from collections.abc import Iterable
from typing import Any

from sandlot.robots import ros_node
from sandlot.robots.car import ros_messages, topics
from sandlot.robots.car.readings import content
from sandlot.robots.car.spec import CarCommand
from sandlot.robots.observer import Observer
from sandlot.robots.ros_link import RobotLink
from sandlot.robots.topics import Topic

ALIVE_S = 0.15
"""A control period and a half."""
TELEOP_S = 0.2


class CarLink(RobotLink):
    """One car's topics, as its commander sees them; as `RobotLink`.

    Attributes:
        teleop_s: when a person drove last, steady clock.
    """

    def __init__(
        self, namespace: str, observer: Observer, observed: Iterable[Topic], *, teleop: bool = False
    ) -> None:
        self._lock_command = threading.Lock()
        self._command: CarCommand | None = None
        self._asked_s = self.teleop_s = -math.inf
        self._jolt_mps2 = 0.0
        out = (topics.DRIVE, topics.PAUSE)
        super().__init__(
            namespace, observer, observed, out, pause=topics.PAUSE, content=content, teleop=teleop
        )

    def listen(self) -> None:
        """To a person who drives, to every jolt; and repeats."""
        ros_node.subscription(self._node, topics.TELEOP, self._on_teleop)
        ros_node.subscription(self._node, topics.IMU, self._on_imu)
        ros_node.subscription(self._node, topics.WHEELS, self._on_wheels)
        ros_node.timer(self._node, 1.0 / topics.DRIVE_HZ, self._repeat)

    def command(self, command: CarCommand) -> int:
        """Asks for speed and steering until the next command; returns the stamp, wall time in ns."""
        with self._lock_command:
            self._command, self._asked_s = command, time.monotonic()
            return self._publish(command)

    def pause(self) -> None:
        """Says that no command will come for a while."""
        with self._lock_command:
            self._command = None
            super().pause()

    @property
    def taken_over(self) -> bool:
        """Whether a person drives."""
        return time.monotonic() - self.teleop_s < TELEOP_S

    def jolt_mps2(self) -> float:
        """The strongest horizontal acceleration since this was asked last."""
        found, self._jolt_mps2 = self._jolt_mps2, 0.0
        return found

    def _repeat(self) -> None:
        with self._lock_command:
            if self._command is not None and time.monotonic() - self._asked_s < ALIVE_S:
                self._publish(self._command)

    def _publish(self, command: CarCommand) -> int:
        stamp_ns = time.time_ns()
        self._out[topics.DRIVE.name].publish(ros_messages.command_message(command, stamp_ns))
        return stamp_ns

    def _on_teleop(self, _: Any) -> None:
        self.teleop_s = time.monotonic()

    def _on_imu(self, message: Any) -> None:
        felt = message.linear_acceleration
        self._jolt_mps2 = max(self._jolt_mps2, math.hypot(felt.x, felt.y))

    def _on_wheels(self, message: Any) -> None:
        self._jolt_mps2 = max(self._jolt_mps2, ros_messages.wheels_from(message).get("jolt", 0.0))
