"""Emergency stops: who presses, and whether the wiring can be relied on. Pure; no ROS import here."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from sandlot.robots.topics import ESTOP


@dataclass(frozen=True)
class Source:
    """One publisher on the e-stop topic.

    Attributes:
        node: full name of its node.
        type: message type.
        latched: whether its quality of service is reliable and transient-local: a gate that starts later, or
            after a crash, learns of a press only then.
        gid: its DDS id.
    """

    node: str
    type: str
    latched: bool
    gid: bytes


def wiring_fault(sources: Iterable[Source], required: bool) -> str:
    """What is wrong with the e-stop topic, with the way out; empty when nothing is."""
    sources = list(sources)
    for source in sources:
        if source.type != ESTOP.type:
            return (
                f"e-stop wiring: {source.node} publishes {source.type} on {ESTOP.name}; "
                f"it must be {ESTOP.type}"
            )
        if not source.latched:
            return (
                f"e-stop wiring: {source.node} publishes {ESTOP.name} without reliable, transient-local "
                "quality of service, so a press can be missed; set both"
            )
    if required and not sources:
        return (
            f"e-stop wiring: nobody publishes {ESTOP.name} ({ESTOP.type}) and require_estop is set; "
            "start the e-stop's node, check its topic name and ROS_DOMAIN_ID"
        )
    return ""


@dataclass(frozen=True)
class Pressed:
    """Who holds the e-stop down: several buttons share the topic, and one's False releases no other."""

    by: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.by)

    def hear(self, gid: bytes, pressed: bool, publishing: Set[bytes]) -> "Pressed":
        """A message of publisher `gid`; its False also releases those who are not `publishing` any more."""
        if pressed:
            return Pressed(self.by | {gid})
        return Pressed((self.by & publishing) - {gid})
