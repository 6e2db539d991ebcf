"""Where the tool was when a picture was taken, from the driver's `tool_pose`."""

import time
from collections import deque
from typing import Any

import numpy as np

from sandlot.perception.calibration import CalibrationError, poses
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.cameras.ros_listener import Listener
from sandlot.robots.stamps import StampClock, read_clocks
from sandlot.robots.topics import Topic

WITHIN_S = 0.03
"""A pose this near to the picture's stamp is of the same instant: the tool stands still by then."""
SILENT_S = 2.0
KEPT = 1000


class ToolPoses:
    """The newest poses of one arm.

    Args:
        namespace: of the robot, `arm`.
    """

    def __init__(self, namespace: str = "arm") -> None:
        known = topics.TOOL_POSE
        self._topic = Topic(known.full_name(namespace), known.type, known.quality, known.hz)
        self._poses: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self._clock = StampClock()
        self._listener = Listener("tool_pose", {self._topic: self._keep})

    def at(self, stamp_s: float) -> np.ndarray:
        """`pose_base_tool` [4, 4] at this steady time; CalibrationError when nobody says it."""
        until_s = time.monotonic() + SILENT_S
        while not self._poses or self._poses[-1][0] < stamp_s:
            if time.monotonic() > until_s:
                raise CalibrationError(
                    f"{self._topic.name} is silent; start the robot: sandlot up arm --no-learner"
                )
            self._listener.spin(0.1)
        near_s, pose = min(self._poses, key=lambda p: abs(p[0] - stamp_s))
        if abs(near_s - stamp_s) > WITHIN_S:
            raise CalibrationError(
                f"{self._topic.name}: the pose nearest to the picture is {abs(near_s - stamp_s):.3f} s away, "
                f"the limit is {WITHIN_S:g} s; do camera and driver share the time?"
            )
        return pose

    def close(self) -> None:
        """Leaves the graph."""
        self._listener.close()

    def _keep(self, message: Any) -> None:
        fault = ros_messages.pose_fault(message)
        if fault:
            raise CalibrationError(f"{self._topic.name}: the pose cannot be used: {fault.replace('_', ' ')}")
        found = ros_messages.pose_from(message)
        stamp_s = self._clock.steady_s(ros_messages.stamp_s(message), read_clocks())
        self._poses.append((stamp_s, poses.pose(found.rotation, found.position_m)))
