"""A small Cartesian controller as other people's arms have one: the tool follows a target at 0.5 m/s or less.

Its three joints are the tool's coordinates; published are joints, a gripper's too, the tool pose, a wrench.
"""

import sys

import numpy as np

from sandlot.robots import ros_node

from geometry_msgs.msg import PoseStamped, WrenchStamped  # isort: skip
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

HZ, SPEED_MPS = 200.0, 0.5


class Controller(Node):
    def __init__(self):
        super().__init__("cartesian_controller")
        self.here = self.target = np.array([0.5, 0.0, 0.3])
        self.finger = 0.04
        self.create_subscription(PoseStamped, "/target_pose", self._on_target, 1)
        self.create_subscription(Float64MultiArray, "/gripper/commands", self._on_gripper, 1)
        self.joints = self.create_publisher(JointState, "/joint_states", 10)
        self.pose = self.create_publisher(PoseStamped, "/current_pose", 10)
        self.wrench = self.create_publisher(WrenchStamped, "/wrench", 10)
        ros_node.timer(self, 1 / HZ, self._on_timer)

    def _on_target(self, message):
        position = message.pose.position
        self.target = np.array([position.x, position.y, position.z])

    def _on_gripper(self, message):
        self.finger = message.data[0]

    def _on_timer(self):
        way = self.target - self.here
        step = way * min(1.0, SPEED_MPS / HZ / max(1e-9, float(np.linalg.norm(way))))
        self.here = self.here + step
        stamp = self.get_clock().now().to_msg()
        joints = JointState(name=["joint_x", "finger", "joint_y", "joint_z"])
        joints.position = [self.here[0], self.finger, self.here[1], self.here[2]]
        joints.velocity = [step[0] * HZ, 0.0, step[1] * HZ, step[2] * HZ]
        pose, wrench = PoseStamped(), WrenchStamped()
        pose.header.frame_id, pose.pose.orientation.x, pose.pose.orientation.w = "base", 1.0, 0.0
        pose.pose.position.x, pose.pose.position.y, pose.pose.position.z = self.here.tolist()
        wrench.wrench.force.z = 2.0
        for out, message in ((self.joints, joints), (self.pose, pose), (self.wrench, wrench)):
            message.header.stamp = stamp
            out.publish(message)


if __name__ == "__main__":
    sys.exit(ros_node.run_node("cartesian_controller", Controller))
