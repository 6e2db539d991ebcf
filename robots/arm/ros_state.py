"""What an arm's driver publishes: its state, and tracked objects."""

from rclpy.node import Node

from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.device import ArmState
from sandlot.robots.stamps import Clocks


class StatePublisher:
    """Publishes an ArmState on the state topics, all with one stamp."""

    def __init__(self, node: Node, joint_names: tuple[str, ...]) -> None:
        self._node, self._names = node, joint_names
        self._joints = ros_node.publisher(node, topics.JOINT_STATES)
        self._tool = ros_node.publisher(node, topics.TOOL_POSE)
        self._twist = ros_node.publisher(node, topics.TOOL_TWIST)
        self._wrench = ros_node.publisher(node, topics.WRENCH)
        self._objects: dict[str, ros_node.Publisher] = {}

    def publish(self, state: ArmState, clocks: Clocks) -> None:
        """Sends it; a wrench that is not sensed as NaN, for observers wait for one."""
        stamp_ns = round(clocks.wall_of(state.stamp_s) * ros_messages.NS)
        self._joints.publish(ros_messages.joint_message(state, self._names, stamp_ns))
        self._tool.publish(ros_messages.pose_message(state.tool, stamp_ns))
        self._twist.publish(ros_messages.twist_message(state, stamp_ns))
        self._wrench.publish(ros_messages.wrench_message(state, stamp_ns))
        for name, pose in state.objects.items():
            if name not in self._objects:
                self._objects[name] = ros_node.publisher(self._node, topics.object_pose(name))
            self._objects[name].publish(ros_messages.pose_message(pose, stamp_ns))
