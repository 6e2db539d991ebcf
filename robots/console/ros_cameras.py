"""The page's process for pictures: cameras as JPEGs, each encoded once, only while somebody looks.

It stands behind everything else on the machine (nice). A picture that nobody could take in time is dropped:
the topic keeps one message, and the pipe to the server makes this process wait, not the camera.
"""

import logging
import os
import threading
import time
from typing import Any

from sandlot.robots import ros_node  # noqa: F401  (it sets the ROS environment)
from sandlot.robots.console.album import encode
from sandlot.robots.console.pipe import Pipe
from sandlot.robots.errors import SensorError
from sandlot.robots.frames import frame_of

import rclpy  # isort: skip  after the ROS environment is set
from rclpy.node import Node  # isort: skip
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy  # isort: skip
from rclpy.signals import SignalHandlerOptions  # isort: skip
from sensor_msgs.msg import Image  # isort: skip

from sandlot.robots.ros_latest import Polled

log = logging.getLogger(__name__)

NICE = 10
LOOK_S, POLL_S, IDLE_S = 1.0, 0.005, 0.05
TYPE = "sensor_msgs/msg/Image"
NEWEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)


class Cameras:
    """One robot's image topics.

    Args:
        namespace: of the robot.
        pipe: to the server.
        hz: most pictures a second of each.
        most_px: wider pictures are made this wide.
    """

    def __init__(self, namespace: str, pipe: Pipe, hz: float, most_px: int) -> None:
        self._prefix, self._pipe, self._period_s, self._most_px = f"{namespace}/", pipe, 1.0 / hz, most_px
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node: Node = rclpy.create_node(
            "console_cameras", namespace=namespace, start_parameter_services=False, enable_rosout=False
        )
        self._group = Polled()
        self._heard: dict[str, Any] = {}
        self._due_s: dict[str, float] = {}
        self._there: list[str] | None = None
        self.wanted: frozenset[str] = frozenset()

    def run(self) -> None:
        """Looks for cameras, and sends pictures of those that are wanted."""
        looked_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s - looked_s > LOOK_S:
                looked_s = now_s
                self._look()
            self._listen()
            for camera in self._heard:
                self._take(camera, now_s)
            time.sleep(POLL_S if self._heard else IDLE_S)

    def listen(self) -> None:
        """Learns from the server what is wanted, and ends the process when it is gone."""
        while (message := self._pipe.read()) is not None:
            if message["what"] == "watch":
                self.wanted = frozenset(message["args"]["cameras"])
        os._exit(0)

    def _look(self) -> None:
        """Tells the server which cameras there are when that has changed."""
        found = sorted(
            name.removeprefix(self._prefix)
            for name, types in self._node.get_topic_names_and_types()
            if name.startswith(self._prefix) and types == [TYPE] and self._node.count_publishers(name)
        )
        if found != self._there:
            self._there = found
            self._pipe.write({"event": "cameras", "cameras": found})

    def _listen(self) -> None:
        """Subscribes to what is wanted, and to nothing else."""
        for camera in self._heard.keys() - self.wanted:
            self._node.destroy_subscription(self._heard.pop(camera))
        for camera in self.wanted & set(self._there or ()) - self._heard.keys():
            self._heard[camera] = self._node.create_subscription(
                Image, self._prefix + camera, lambda _: None, NEWEST, callback_group=self._group
            )
            self._due_s[camera] = 0.0

    def _take(self, camera: str, now_s: float) -> None:
        """Sends the newest frame of a camera when one is due."""
        if now_s < self._due_s[camera]:
            return
        taken = self._heard[camera].handle.take_message(Image, False)
        if taken is None:
            return
        self._due_s[camera] = max(self._due_s[camera] + self._period_s, now_s)
        message = taken[0]
        try:
            jpeg = encode(frame_of(message), self._most_px)
        except SensorError as error:
            self._pipe.write({"event": "camera_fault", "camera": camera, "text": str(error)})
            return
        stamp_s = message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec
        age_ms = 1e3 * (time.time() - stamp_s)
        self._pipe.write({"event": "picture", "camera": camera, "jpeg": jpeg, "age_ms": age_ms})


def main(pipe: Pipe, argv: list[str]) -> int:
    """Sends pictures until the server is gone."""
    robot, hz, most_px = argv
    os.nice(NICE)
    cameras = Cameras(f"/{robot}", pipe, float(hz), int(most_px))
    pipe.write({"event": "ready"})
    threading.Thread(target=cameras.listen, name="listen", daemon=True).start()
    cameras.run()
    return 1
