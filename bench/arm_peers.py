"""Stand-ins that the stop bench kills: `python -m bench.arm_peers commander|operator`.

The commander moves the arm fast, 10 actions a second, as an actor would; SIGUSR1 makes all further actions
not finite, SIGUSR2 a second old. The operator is a hand on a gamepad: Joy, 50 times a second.
"""

import math
import signal
import sys
import time
from typing import Any

import numpy as np
from rclpy.node import Node

from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.teleop.mapping import AXES, Button
from sandlot.robots.topics import JOY

from sensor_msgs.msg import Joy  # isort: skip  after the ROS environment is set

ACTION_S = 0.1
CIRCLE_M, RADPS = (0.1, 0.13), 3.5
"""Half axes of the path in the workspace of arm_pick, and how fast it is followed: some 0.4 m/s."""


class Commander(Node):
    """Targets on an ellipse; the gate limits the steps."""

    def __init__(self) -> None:
        super().__init__("commander", start_parameter_services=False)
        self.spoilt = ""
        signal.signal(signal.SIGUSR1, lambda *_: self._spoil("nan"))
        signal.signal(signal.SIGUSR2, lambda *_: self._spoil("stale"))
        self._grippers = ros_node.publisher(self, topics.ACTION_GRIPPER)
        self._poses = ros_node.publisher(self, topics.ACTION_POSE)
        ros_node.timer(self, ACTION_S, self._act)

    def _spoil(self, how: str) -> None:
        self.spoilt = how

    def _act(self) -> None:
        stamp_ns = time.time_ns() - (1_000_000_000 if self.spoilt == "stale" else 0)
        angle = RADPS * time.monotonic()
        x = math.nan if self.spoilt == "nan" else 0.5 + CIRCLE_M[0] * math.cos(angle)
        pose = Pose(np.array([x, CIRCLE_M[1] * math.sin(angle), 0.18]), DOWN)
        self._grippers.publish(ros_messages.gripper_message(0.08, stamp_ns))
        self._poses.publish(ros_messages.pose_message(pose, stamp_ns))


class Operator(Node):
    """Somebody who watches and touches nothing."""

    def __init__(self) -> None:
        super().__init__("operator", start_parameter_services=False)
        self._out = ros_node.publisher(self, JOY)
        ros_node.timer(self, 1.0 / JOY.hz, self._on_timer)

    def _on_timer(self) -> None:
        self._out.publish(Joy(axes=[0.0] * AXES, buttons=[0] * len(Button)))


ROLES: dict[str, Any] = {"commander": Commander, "operator": Operator}

if __name__ == "__main__":
    sys.exit(ros_node.run_node(sys.argv[1], ROLES[sys.argv[1]], argv=sys.argv[2:], precedence=True))
