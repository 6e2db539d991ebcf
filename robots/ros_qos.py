"""Every quality-of-service profile in one place, and the message class of a `Topic`."""

import importlib
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from sandlot.robots.topics import Quality, Topic


def _profile(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability
    )


PROFILES: dict[Quality, QoSProfile] = {
    # The newest reading counts; a lost one is followed by the next.
    "sensor": _profile(1, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
    # A few frames may queue while a reader is busy; none is sent twice.
    "image": _profile(5, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE),
    # Only the newest command may ever be executed: a queue would replay the past.
    "command": _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    "event": _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE),
    # Whoever joins late gets the last word.
    "latched": _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL),
}


def profile(topic: Topic) -> QoSProfile:
    """A topic's quality of service."""
    return PROFILES[topic.quality]


def message_class(topic: Topic) -> Any:
    """The message class of a topic's type; ImportError names the missing package."""
    package, _, name = topic.type.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)
