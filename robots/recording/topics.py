"""What is recorded of each robot."""

from collections.abc import Sequence

from sandlot.robots import kinds
from sandlot.robots.arm import topics as arm
from sandlot.robots.recording.bag_metadata import Recorded
from sandlot.robots.topics import DIAGNOSTICS, ESTOP, GATE_STATE, JOY, P_SUCCESS, STEP, Topic

SHARED = (JOY, GATE_STATE, STEP, P_SUCCESS, ESTOP, DIAGNOSTICS)
"""What every robot has, and what people do."""


def robot_topics(kind: str, objects: Sequence[str], cameras: Sequence[str]) -> list[Topic]:
    """Everything that is recorded of a kind of robot with these objects and cameras."""
    return [*kinds.part(kind, "topics").recorded(objects, cameras), *SHARED]


def discovered(name: str, namespace: str) -> Topic | None:
    """The topic of this absolute name if it is one that comes by the name of an object or a camera."""
    parts = name.removeprefix(f"/{namespace.strip('/')}/").split("/")
    if name == "/" + "/".join(parts):
        return None  # of another namespace
    match parts:
        case ["objects", what]:
            return arm.object_pose(what)
        case ["place", what]:
            return arm.place(what)
        case ["camera", camera, "image_raw"]:
            return arm.image(camera)
    return None


def recorded(topic: Topic, namespace: str) -> Recorded:
    """A topic as a bag names it."""
    return Recorded(topic.full_name(namespace), topic.type, topic.quality)
