"""A node that only listens, beside whatever else this process does in ROS: it has a context of its own."""

import os
from collections.abc import Callable
from typing import Any

from sandlot.robots import ros_node

import rclpy  # isort: skip  (ros_node prepares its environment)
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from sandlot.robots.topics import Topic


class Listener:
    """Subscriptions whose callbacks run in `spin`, in the thread that calls it.

    Args:
        name: of the node; the process id is added.
        callbacks: what to do with the messages of each topic.
    """

    def __init__(self, name: str, callbacks: dict[Topic, Callable[[Any], None]]) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node(
            f"{name}_{os.getpid()}",
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        for topic, callback in callbacks.items():
            ros_node.subscription(self._node, topic, callback)

    def spin(self, within_s: float) -> None:
        """Runs one callback, waiting for a message if none is there."""
        self._executor.spin_once(timeout_sec=within_s)

    def close(self) -> None:
        """Leaves the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)
