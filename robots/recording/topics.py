"""What is recorded of each robot."""

from collections.abc import Sequence

from sandlot.robots.arm import topics as arm
from sandlot.robots.recording.bag_metadata import Recorded
from sandlot.robots.topics import DIAGNOSTICS, ESTOP, GATE_STATE, JOY, P_SUCCESS, STEP, Topic


def arm_topics(objects: Sequence[str], cameras: Sequence[str]) -> list[Topic]:
    """Everything that moves between actor, gate and driver of an arm, and what people do."""
    placed = [arm.place(name) for name in objects]
    shared = [JOY, GATE_STATE, STEP, P_SUCCESS, ESTOP, DIAGNOSTICS]
    return [*arm.observed(objects, cameras), *arm.ACTION, *arm.COMMAND, *placed, *shared]


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
