"""The newest message of a topic, taken when somebody asks: nobody is woken by the others."""

from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from sandlot.robots import ros_qos
from sandlot.robots.topics import Topic


class Polled(CallbackGroup):
    """Subscriptions that no executor waits for: to wake up for every message costs more than to take it."""

    def can_execute(self, entity: Any) -> bool:
        """Never."""
        return False


class Latest:
    """A subscription without a callback; for topics of quality `sensor`, which keep one message."""

    def __init__(self, node: Node, topic: Topic) -> None:
        self._group = Polled()
        self._subscription = node.create_subscription(
            ros_qos.message_class(topic),
            topic.name,
            lambda _: None,
            ros_qos.profile(topic),
            callback_group=self._group,
        )
        self._message: Any = None

    def get(self) -> Any:
        """The newest message so far; None before the first."""
        taken = self._subscription.handle.take_message(self._subscription.msg_type, False)
        if taken is not None:
            self._message = taken[0]
        return self._message
