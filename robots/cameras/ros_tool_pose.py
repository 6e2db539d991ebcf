"""Where the tool was when a picture was taken, from the driver's `tool_pose`."""

import threading
from collections import deque
from typing import Any

import numpy as np

from sandlot.perception.calibration import CalibrationError, poses
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.cameras.ros_listener import Listener
from sandlot.robots.stamps import StampClock, read_clocks
from sandlot.robots.topics import Topic

BEFORE_S = 0.1
"""A pose this long before the picture is as good: the board, and so the tool, stood still for longer."""
SILENT_S = 2.0
KEPT = 1000


class ToolPoses:
    """The newest poses of one arm, taken in by a thread.

    Args:
        namespace: of the robot, `arm`.
    """

    def __init__(self, namespace: str = "arm") -> None:
        known = topics.TOOL_POSE
        self._topic = Topic(known.full_name(namespace), known.type, known.quality, known.hz)
        self._poses: deque[tuple[float, np.ndarray]] = deque(maxlen=KEPT)
        self._fault = ""
        self._clock = StampClock()
        self._came, self._stop = threading.Condition(), threading.Event()
        self._listener = Listener("tool_pose", {self._topic: self._keep})
        self._thread = threading.Thread(target=self._run, name="tool poses", daemon=True)
        self._thread.start()

    def at(self, stamp_s: float) -> np.ndarray:
        """`pose_base_tool` [4, 4] at this steady time; CalibrationError when nobody says it."""
        with self._came:
            there = self._came.wait_for(lambda: self._poses and self._poses[-1][0] >= stamp_s, SILENT_S)
            known = list(self._poses)
        if not there:
            cause = self._fault or "is silent; start the robot: sandlot up arm --no-learner"
            raise CalibrationError(f"{self._topic.name} {cause}")
        before = [pose for at_s, pose in known if stamp_s - BEFORE_S <= at_s <= stamp_s]
        if not before:
            raise CalibrationError(
                f"{self._topic.name}: no pose came in the {BEFORE_S:g} s before the picture; do camera and "
                "driver share the time?"
            )
        return before[-1]

    def close(self) -> None:
        """Leaves the graph."""
        self._stop.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._listener.spin(0.1)

    def _keep(self, message: Any) -> None:
        self._fault = ros_messages.pose_fault(message)
        if self._fault:
            self._fault = f"cannot be used: {self._fault.replace('_', ' ')}"
            return
        found = ros_messages.pose_from(message)
        stamp_s = self._clock.steady_s(ros_messages.stamp_s(message), read_clocks())
        with self._came:
            self._poses.append((stamp_s, poses.pose(found.rotation, found.position_m)))
            self._came.notify_all()
