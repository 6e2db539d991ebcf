"""What a driver node meets in tests: a gate that sends it poses and sees its state."""

import time

import numpy as np

WITHIN_S = 30.0
STILL_RADPS = 0.02


class Gate:
    """What stands in front of the driver: reads its state, sends it poses."""

    def __init__(self):
        from sandlot.robots import ros_node
        from sandlot.robots.arm import ros_messages, topics

        import rclpy  # isort: skip

        rclpy.init(args=["--ros-args", "-r", "__ns:=/arm"])
        self.rclpy, self.node, self.messages = rclpy, rclpy.create_node("test_gate"), ros_messages
        self.executor = ros_node.SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.out = ros_node.publisher(self.node, topics.COMMAND_POSE)
        self.tool = self.speeds = None
        ros_node.subscription(self.node, topics.TOOL_POSE, self._on_tool)
        ros_node.subscription(self.node, topics.JOINT_STATES, self._on_joints)

    def _on_tool(self, message):
        self.tool = self.messages.pose_from(message)

    def _on_joints(self, message):
        self.speeds = np.array(message.velocity[:6])

    def until(self, condition, each=lambda: None, complete=True):
        end_s = time.monotonic() + WITHIN_S
        while time.monotonic() < end_s:
            each()
            self.executor.spin_once(timeout_sec=0.01)
            if (not complete or (self.tool is not None and self.speeds is not None)) and condition():
                return
        raise AssertionError(f"not within {WITHIN_S} s: tool {self.tool}, speeds {self.speeds}")

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.rclpy.try_shutdown()

    def send(self, pose):
        stamp_ns = time.time_ns()
        self.out.publish(self.messages.pose_message(pose, stamp_ns))
