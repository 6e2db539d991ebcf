"""The recorder: every topic of the robot, byte for byte, into a bag that survives being killed.

    python -m sandlot.robots.recording.recorder_node --ros-args -r __ns:=/arm -p task:=arm_pick

Nothing is decoded: the bytes of DDS go to the disk as they came. Objects and cameras that were not named are
recorded from when they are first seen.
"""

import json
import sys
import time
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from sandlot.robots import ros_node, ros_params, ros_qos
from sandlot.robots.recording.recorder import Recorder, RecorderConfig
from sandlot.robots.recording.topics import discovered, recorded, robot_topics
from sandlot.robots.ros_latest import Polled
from sandlot.robots.topics import DIAGNOSTICS, Topic

NAME = "recorder"
DEPTH, IMAGE_DEPTH = 500, 60
"""A recorder may be late, but must miss nothing: queues of some seconds."""
POLL_S, LOOK_S, DIAGNOSE_S = 0.02, 0.5, 1.0


class RecorderNode(Node):
    """Subscribes to everything and hands it to a `Recorder`."""

    def __init__(self) -> None:
        super().__init__(NAME)
        cfg = ros_params.declare(self, RecorderConfig)
        ros_params.refuse_unknown(self)
        self.robot = self.get_namespace().strip("/") or cfg.kind
        topics = robot_topics(cfg.kind, cfg.objects, cfg.cameras)
        custom = {
            "robot": self.robot,
            "task": cfg.task,
            "objects": json.dumps(cfg.objects),
            "cameras": json.dumps(cfg.cameras),
            "image_px": str(cfg.image_px),
        }
        folder = cfg.bag_folder(self.robot, time.time())
        self.recorder = Recorder(folder, [recorded(t, self.robot) for t in topics], cfg, custom)
        self._taps: dict[str, Subscription[Any]] = {}
        self._polled = Polled()
        for topic in topics:
            self._subscribe(topic)
        self._diagnostics = ros_node.publisher(self, DIAGNOSTICS)
        ros_node.timer(self, POLL_S, self._poll)
        ros_node.timer(self, LOOK_S, self._look)
        ros_node.timer(self, DIAGNOSE_S, self._diagnose)
        self.get_logger().info(f"event=recording bag={folder} topics={len(topics)}")

    def close(self) -> None:
        """Takes what has arrived and ends the bag."""
        self._poll()
        self.recorder.close()

    def _subscribe(self, topic: Topic) -> None:
        name = topic.full_name(self.robot)
        offered = ros_qos.profile(topic)
        asked = QoSProfile(
            depth=IMAGE_DEPTH if topic.quality == "image" else DEPTH,
            reliability=offered.reliability,
            durability=offered.durability,
        )
        kind = ros_qos.message_class(topic)
        self._taps[name] = self.create_subscription(
            kind, name, lambda _: None, asked, callback_group=self._polled, raw=True
        )

    def _poll(self) -> None:
        """Hands over everything that has arrived, in the order in which DDS received it."""
        found = []
        for name, tap in self._taps.items():
            with tap.handle:
                while (taken := tap.handle.take_message(tap.msg_type, True)) is not None:
                    data, info = taken
                    found.append((int(info["received_timestamp"]) or time.time_ns(), name, data))
        for log_ns, name, data in sorted(found, key=itemgetter(0)):
            self.recorder.offer(name, log_ns, data)

    def _look(self) -> None:
        """Records objects and cameras that came up."""
        for name, types in self.get_topic_names_and_types():
            topic = None if name in self._taps else discovered(name, self.robot)
            if topic and topic.type in types:
                self.recorder.add_topic(recorded(topic, self.robot))
                self._subscribe(topic)

    def _diagnose(self) -> None:
        figures = self.recorder.figures
        level, text = DiagnosticStatus.OK, "recording"
        if figures.full or self.recorder.behind:
            level, text = DiagnosticStatus.ERROR, f"not recording: {figures.cause or 'the disk is too slow'}"
        elif figures.lost:
            level, text = DiagnosticStatus.WARN, f"{figures.lost} messages were lost"
        values = {"bag": self.recorder.folder, "recorded": figures.recorded, "lost": figures.lost}
        status = DiagnosticStatus(
            level=level,
            name=f"{self.robot}/{NAME}",
            message=text,
            values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Records until stopped."""
    return ros_node.run_node(NAME, RecorderNode, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
