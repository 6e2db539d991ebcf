"""Topics as data: name, message type and quality of service, for nodes, launch, recording and monitoring.

Names without a leading slash are relative to the robot's namespace (`/arm/...`). Nothing here imports ROS.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Quality = Literal["sensor", "image", "command", "event", "latched"]
"""A key of `ros_qos.PROFILES`: what is lost, kept and repeated on a topic."""


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes:
        name: relative to the robot's namespace, or absolute.
        type: ROS 2 message type, e.g. `geometry_msgs/msg/PoseStamped`.
        quality: its quality of service.
        hz: nominal rate; 0 when messages come by event.
    """

    name: str
    type: str
    quality: Quality
    hz: float = 0.0

    def full_name(self, namespace: str) -> str:
        """The absolute name for a robot's namespace, `/arm/tool_pose`."""
        return self.name if self.name.startswith("/") else f"/{namespace.strip('/')}/{self.name}"


ESTOP = Topic("/estop", "std_msgs/msg/Bool", "latched")
"""True stops every robot; it stays in force until someone publishes False and arms the gate again."""

JOY = Topic("joy", "sensor_msgs/msg/Joy", "sensor", 50.0)
"""What a person's hands do: gamepad, SpaceMouse or keyboard, one layout for all (`teleop/mapping.py`)."""

GATE_STATE = Topic("gate/state", "diagnostic_msgs/msg/DiagnosticArray", "latched")
"""The gate's mode, the cause of its last stop, and its counters; on every change and every 100 ms."""

DIAGNOSTICS = Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", "event", 1.0)

STEP = Topic("actor/step", "sensor_msgs/msg/JointState", "event")
"""Every step an actor took, as named numbers: which observation, which action, what came of it."""

P_SUCCESS = Topic("actor/p_success", "sensor_msgs/msg/JointState", "sensor", 10.0)
"""name [task], position [probability]: a reward classifier's word on the newest frames."""


def image(camera: str, hz: float = 30.0) -> Topic:
    """Raw frames of a camera, rgb8."""
    return Topic(f"camera/{camera}/image_raw", "sensor_msgs/msg/Image", "image", hz)


def by_name(topics: Iterable[Topic]) -> dict[str, Topic]:
    """Topics by their name."""
    return {topic.name: topic for topic in topics}
