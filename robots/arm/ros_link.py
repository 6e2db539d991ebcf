"""The actor's node, of an arm."""

import time
from collections.abc import Iterable

from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.readings import content
from sandlot.robots.arm.spec import MAX_WIDTH_M, Command, Pose
from sandlot.robots.observer import Observer
from sandlot.robots.ros_link import RobotLink
from sandlot.robots.topics import Topic


class ArmLink(RobotLink):
    """One arm's topics, as its commander sees them; as `RobotLink`.

    Args:
        namespace: of the robot, `arm`.
        observer: takes in what `observed` publish.
        observed: what an observation is made of.
        objects: what may be placed for a trial.
        teleop: listen to a person's hands too.
    """

    def __init__(
        self,
        namespace: str,
        observer: Observer,
        observed: Iterable[Topic],
        objects: Iterable[str],
        *,
        teleop: bool = False,
    ) -> None:
        out = (*topics.ACTION, *(topics.place(o) for o in objects))
        super().__init__(
            namespace, observer, observed, out, pause=topics.ACTION_PAUSE, content=content, teleop=teleop
        )

    def command(self, command: Command) -> int:
        """Asks for a pose and an opening; returns the stamp, wall time in ns."""
        stamp_ns = time.time_ns()
        width_m = MAX_WIDTH_M if command.gripper_open else 0.0
        # The gripper first: it goes with the pose that follows.
        self._out[topics.ACTION_GRIPPER.name].publish(ros_messages.gripper_message(width_m, stamp_ns))
        self._out[topics.ACTION_POSE.name].publish(ros_messages.pose_message(command.pose, stamp_ns))
        return stamp_ns

    def can_place(self, name: str) -> bool:
        """Whether somebody puts this object where it is wanted: a simulated device."""
        return bool(self._out[topics.place(name).name].get_subscription_count() > 0)

    def place(self, name: str, pose: Pose) -> None:
        """Asks for an object to be put at a pose."""
        self._out[topics.place(name).name].publish(ros_messages.pose_message(pose, time.time_ns()))
