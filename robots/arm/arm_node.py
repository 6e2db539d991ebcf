"""The arm's driver: `python -m sandlot.robots.arm.arm_node --ros-args -r __ns:=/arm -p device:=sim`.

A driver node round one `ArmDevice` that obeys `command/*`.
"""

import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rclpy.subscription import Subscription

from sandlot.robots import ros_node
from sandlot.robots.arm import devices, ros_messages, topics
from sandlot.robots.arm.device import ArmDevice, Placeable
from sandlot.robots.arm.ros_state import StatePublisher
from sandlot.robots.driver import Verdict
from sandlot.robots.errors import DeviceError
from sandlot.robots.ros_driver_node import NAME, PRECEDENCE, DriverNode, DriverNodeConfig
from sandlot.robots.stamps import Clocks, is_fresh, read_clocks

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ArmNodeConfig(DriverNodeConfig):
    """What the arm's driver node drives, and how often it says so; see `DriverNodeConfig`."""

    task: str = "arm_pick"
    state_hz: float = topics.STATE_HZ


class ArmDriverNode(DriverNode[ArmDevice, ArmNodeConfig]):
    """The driver node."""

    def __init__(self) -> None:
        self._width_m = math.nan
        self._placing: list[Subscription[Any]] = []
        super().__init__(ArmNodeConfig, devices.find, topics.COMMAND_HOLD)

    def listen(self) -> None:
        """Commands come as a gripper opening and then a pose."""
        self._state = StatePublisher(self, self._device.joint_names)
        ros_node.subscription(self, topics.COMMAND_GRIPPER, self._on_gripper)
        ros_node.subscription(self, topics.COMMAND_POSE, self._on_pose)

    def found(self) -> None:
        """The gripper stays as it is; a simulated device's objects can be placed."""
        first = self._device.read(time.monotonic())
        self._width_m = first.width_m
        if isinstance(self._device, Placeable):
            self._placing = [
                ros_node.subscription(self, topics.place(name), partial(self._on_place, self._device, name))
                for name in first.objects
            ]

    def publish(self, clocks: Clocks) -> None:
        """Joints, tool, wrench and objects."""
        self._state.publish(self._device.read(clocks.steady_s), clocks)

    def let_go(self) -> None:
        """Nothing can be placed any more."""
        while self._placing:
            self.destroy_subscription(self._placing.pop())

    def _on_gripper(self, message: Any) -> None:
        """Kept for the pose that follows."""
        width_m = ros_messages.gripper_from(message)
        age_s = self._stamps.age_s(ros_messages.stamp_s(message), read_clocks())
        if math.isfinite(width_m) and is_fresh(age_s, self._driver.config.deadline_s):
            self._width_m = width_m
        else:
            self._driver.counts["ignored_gripper"] += 1

    def _on_pose(self, message: Any) -> None:
        """Obeys a new command at once."""
        clocks = read_clocks()
        age_s = self._stamps.age_s(ros_messages.stamp_s(message), clocks)
        fault, followed = ros_messages.pose_fault(message), self._driver.follows
        if self._driver.offer(fault, ros_messages.stamp_ns(message), age_s, clocks.steady_s) is Verdict.OBEY:
            self._device.command(ros_messages.pose_from(message), self._width_m, clocks.steady_s)
            if not followed:
                log.info("event=following")

    def _on_place(self, device: Placeable, name: str, message: Any) -> None:
        """Puts an object somewhere; what makes no sense or cannot be moved is told and ignored."""
        fault = ros_messages.pose_fault(message)
        try:
            if not fault:
                device.place(name, ros_messages.pose_from(message), time.monotonic())
        except DeviceError as error:
            fault = str(error)
        if fault:
            log.warning("event=place_refused object=%s cause=%s", name, fault)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the driver; frames of its own cameras need shared memory, all else does without."""
    words = sys.argv[1:] if argv is None else argv
    frames = any(w.startswith("cameras:=") and w != "cameras:=[]" for w in words)
    return ros_node.run_node(NAME, ArmDriverNode, argv=argv, precedence=PRECEDENCE, control=not frames)


if __name__ == "__main__":
    sys.exit(main())
