"""What an arm's driver publishes, over DDS."""

import math
import time

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)

pytest.importorskip("rclpy")

WITHIN_S = 30.0


def test_an_arm_that_senses_no_force_publishes_everything_an_observer_waits_for(ros_domain):  # noqa: F811
    import rclpy

    from sandlot.robots import ros_node
    from sandlot.robots.arm import readings, topics
    from sandlot.robots.arm.device import ArmState
    from sandlot.robots.arm.ros_state import StatePublisher
    from sandlot.robots.arm.spec import DOWN, Command, Pose
    from sandlot.robots.stamps import read_clocks

    nothing, tool = np.full(3, math.nan), Pose(np.array([0.5, 0.0, 0.2]), DOWN)
    state = ArmState(0.0, np.zeros(2), np.zeros(2), tool, np.zeros(3), np.zeros(3), 0.03, nothing, nothing)
    rclpy.init(args=["--ros-args", "-r", "__ns:=/arm"])
    node, executor = rclpy.create_node("state"), ros_node.SingleThreadedExecutor()
    try:
        executor.add_node(node)
        publisher, heard = StatePublisher(node, ("a", "b")), {}
        for topic in topics.STATE:
            ros_node.subscription(node, topic, lambda m, name=topic.name: heard.update({name: m}))
        until_s = time.monotonic() + WITHIN_S
        while len(heard) < len(topics.STATE) and time.monotonic() < until_s:
            publisher.publish(state, read_clocks())
            executor.spin_once(timeout_sec=0.01)
        got = readings.reading(heard, Command(tool, True), {})
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    assert sorted(heard) == sorted(readings.TOGETHER)
    assert got.width_m == 0.03 and not got.force_n.any() and not got.torque_nm.any()
