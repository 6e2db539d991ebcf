"""Any arm with a Cartesian controller on ROS 2 as a device: target pose out; joints, tool pose, wrench in.

For crisp_controllers, cartesian_controllers and others of ros2_control. A new command is not sent at once but
glided to in one control period, so a controller that is left alone (this process died) has at most the next
centimetres before it. What its messages mean is put together by `topic_state`.
"""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages
from sandlot.robots.arm.device import ArmState, Frame
from sandlot.robots.arm.glide import Glide, staying
from sandlot.robots.arm.spec import Pose
from sandlot.robots.arm.topic_state import GripperScale, TopicState
from sandlot.robots.errors import DeviceError
from sandlot.robots.stamps import StampClock, is_fresh, read_clocks
from sandlot.robots.topics import Topic

log = logging.getLogger(__name__)

CONTROL_S = 0.1
OLD_S = 1.0
"""A header stamp that is older was made by another clock: then the time of arrival counts."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where the arm's controller listens and what it publishes.

    Attributes:
        joint_names: of the arm, in the controller's joint states.
        target_topic: PoseStamped that it follows.
        pose_topic: PoseStamped of the tool that it publishes.
        joints_topic: its JointState.
        wrench_topic: its WrenchStamped; "" when it senses none.
        wrench_in_tool: whether the wrench is in axes of the tool; otherwise of the base.
        frame: frame_id of the poses, the arm's base.
        target_hz: how often the target is published.
        gripper_topic: Float64MultiArray that the gripper's position is sent on; "" without a gripper.
        gripper_joint: name of its joint in the joint states.
        gripper_closed: that joint's position when closed.
        gripper_open: that joint's position when open by `gripper_width_m`.
        gripper_width_m: opening of the gripper.
        connect_s: how long the controller is waited for.
        silent_s: without joints or tool pose for so long the device has failed.
    """

    joint_names: tuple[str, ...]
    target_topic: str = "/target_pose"
    pose_topic: str = "/current_pose"
    joints_topic: str = "/joint_states"
    wrench_topic: str = ""
    wrench_in_tool: bool = True
    frame: str = "base"
    target_hz: float = 100.0
    gripper_topic: str = ""
    gripper_joint: str = ""
    gripper_closed: float = 0.0
    gripper_open: float = 0.04
    gripper_width_m: float = 0.08
    connect_s: float = 5.0
    silent_s: float = 0.5

    def __post_init__(self) -> None:
        if not self.joint_names:
            raise ConfigError("'joint_names' is empty: name the arm's joints as its controller does")
        if not 10.0 <= self.target_hz <= 1000.0:
            raise ConfigError(f"target_hz={self.target_hz} must lie in [10, 1000]")
        if self.gripper_open == self.gripper_closed or self.gripper_width_m <= 0:
            raise ConfigError("gripper_open and gripper_closed must differ, and gripper_width_m be positive")
        for name in ("connect_s", "silent_s"):
            if not 0.0 < getattr(self, name) <= 60.0:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in (0, 60]")


def make(config: Config) -> "TopicsArm":
    """The device; `connect` waits for the arm's controller."""
    return TopicsArm(config)


class TopicsArm:
    """An ArmDevice behind topics; its node has a thread of its own."""

    cameras: tuple[str, ...] = ()

    def __init__(self, config: Config) -> None:
        self._config = config
        self.joint_names = config.joint_names
        scale = GripperScale(
            joint=config.gripper_joint,
            closed=config.gripper_closed,
            open=config.gripper_open,
            width_m=config.gripper_width_m,
        )
        self._state = TopicState(config.joint_names, scale)
        self._lock = threading.Lock()  # of the state and the way, which two threads use
        self._way: Glide | None = None  # where the target goes; None before the first command or hold
        self._holds = False
        self._stamps, self._wrong_frame = StampClock(), ""
        self._node: Node | None = None
        self._executor: SingleThreadedExecutor | None = None
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Waits until the controller publishes what is needed and listens; sends nothing."""
        self._node = node = Node(
            "topics_device", use_global_arguments=False, enable_rosout=False, start_parameter_services=False
        )  # its topics are named in full, and a remapping is meant for the driver
        self._wire(node)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="topics-device", daemon=True)
        self._thread.start()
        until_s = time.monotonic() + self._config.connect_s
        while self._missing():
            if time.monotonic() > until_s:
                missing = self._missing()
                self.close()
                raise DeviceError(f"{missing} (waited {self._config.connect_s:g} s)")
            time.sleep(0.02)
        log.info("event=connected target=%s", self._config.target_topic)

    def read(self, now_s: float) -> ArmState:
        """What was heard last."""
        with self._lock:
            return self._state.state(now_s, self._config.silent_s)

    def frames(self, now_s: float) -> dict[str, Frame]:
        """Cameras have drivers of their own."""
        return {}

    def command(self, pose: Pose, width_m: float, now_s: float) -> None:
        """The target glides to a pose from where it is, or from the tool when it held."""
        with self._lock:
            start = self._state.state(now_s, self._config.silent_s).tool
            if self._way is not None and not self._holds:
                start = self._way.at(now_s)
            self._way, self._holds = Glide(start, pose, now_s, CONTROL_S), False
        if self._config.gripper_topic and np.isfinite(width_m):
            self._gripper.publish(self._numbers(data=[self._state.gripper.position(width_m)]))

    def hold(self, now_s: float) -> None:
        """The target is where the tool is; asked again, it stays there."""
        with self._lock:
            if not self._holds:
                self._way = staying(self._state.state(now_s, self._config.silent_s).tool)
            self._holds = True
        self._publish()

    def close(self) -> None:
        """Leaves the controller at its last target."""
        if self._executor is not None:
            self._executor.shutdown()
        if self._thread is not None:
            self._thread.join()
        if self._node is not None:
            self._node.destroy_node()
        self._node = self._executor = self._thread = None

    def _wire(self, node: Node) -> None:
        """Publishers, subscriptions and the target's timer."""
        config = self._config
        self._target = ros_node.publisher(
            node, Topic(config.target_topic, "geometry_msgs/msg/PoseStamped", "command")
        )
        heard = (
            (config.pose_topic, "geometry_msgs/msg/PoseStamped", self._on_pose),
            (config.joints_topic, "sensor_msgs/msg/JointState", self._on_joints),
            (config.wrench_topic, "geometry_msgs/msg/WrenchStamped", self._on_wrench),
        )
        for name, type_, callback in heard:
            if name:
                ros_node.subscription(node, Topic(name, type_, "sensor"), callback)
        if config.gripper_topic:
            topic = Topic(config.gripper_topic, "std_msgs/msg/Float64MultiArray", "command")
            self._gripper = ros_node.publisher(node, topic)
            self._numbers = self._gripper.msg_type
        ros_node.timer(node, 1.0 / config.target_hz, self._publish)

    def _missing(self) -> str:
        """What the controller does not offer yet, "" when all is there."""
        config, node = self._config, self._node
        with self._lock:
            heard = {config.joints_topic: self._state.joints_s, config.pose_topic: self._state.tool_s}
            faults = {config.joints_topic: self._state.fault, config.pose_topic: self._wrong_frame}
        for topic, heard_s in heard.items():
            if not np.isfinite(heard_s):
                why = faults[topic] or "nobody publishes it; start the arm's controller"
                return f"topic {topic} cannot be used: {why}"
        if node is not None and node.count_subscribers(config.target_topic) == 0:
            return f"nobody subscribes to {config.target_topic}; activate the arm's Cartesian controller"
        return ""

    def _publish(self) -> None:
        """The target now; nothing before the first command or hold."""
        with self._lock:
            pose = self._way.at(time.monotonic()) if self._way is not None else None
        if pose is not None:
            self._target.publish(ros_messages.pose_message(pose, time.time_ns(), self._config.frame))

    def _measured_s(self, message: Any) -> float:
        """Steady time of a measurement: its stamp's, or of its arrival when the stamp is of another clock."""
        clocks = read_clocks()
        stamp_s = ros_messages.stamp_s(message)
        age_s = self._stamps.age_s(stamp_s, clocks)
        return clocks.steady_s - (age_s if is_fresh(age_s, OLD_S) else 0.0)

    def _on_pose(self, message: Any) -> None:
        fault = ros_messages.pose_fault(message, self._config.frame)
        with self._lock:
            self._wrong_frame = fault and f"{fault}, frame '{message.header.frame_id}' ('frame' sets which)"
            if not fault:
                self._state.hear_tool(ros_messages.pose_from(message), self._measured_s(message))

    def _on_joints(self, message: Any) -> None:
        with self._lock:
            self._state.hear_joints(
                message.name, message.position, message.velocity, self._measured_s(message)
            )

    def _on_wrench(self, message: Any) -> None:
        with self._lock:
            self._state.hear_wrench(*ros_messages.wrench_from(message), self._config.wrench_in_tool)

    def _spin(self) -> None:
        """The node's thread."""
        executor = self._executor
        if executor is None:
            return
        try:
            executor.spin()
        except ExternalShutdownException:
            log.info("event=topics_device_ended")
