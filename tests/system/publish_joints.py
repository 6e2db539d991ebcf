"""Publishes joint states 0, 1, ... at 100 Hz; says in a file when the first one went out."""

import json
import pathlib
import sys
import time

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402

from sandlot.robots import ros_node  # noqa: E402
from sandlot.robots.arm import ros_messages, topics  # noqa: E402

PERIOD_S = 0.01


def main() -> None:
    rclpy.init()
    node = rclpy.create_node("publisher", namespace="/arm")
    publisher = ros_node.publisher(node, topics.JOINT_STATES)
    began_s, number = time.monotonic(), 0
    sent = {"first_ns": time.time_ns(), "period_ns": int(PERIOD_S * 1e9)}
    pathlib.Path(sys.argv[1]).write_text(json.dumps({"sent": sent}))
    while True:
        stamp = ros_messages.header(time.time_ns())
        publisher.publish(JointState(header=stamp, name=["a"], position=[float(number)]))
        number += 1
        time.sleep(max(0.0, began_s + number * PERIOD_S - time.monotonic()))


if __name__ == "__main__":
    main()
