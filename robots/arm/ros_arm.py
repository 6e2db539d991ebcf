"""`RosArm`: the arm behind ROS 2 topics as a Robot; the same tasks, the same actions, in real time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sandlot.learners.errors import SandlotError
from sandlot.robots import step_message
from sandlot.robots.arm import readings, topics
from sandlot.robots.arm.command import advance, executed
from sandlot.robots.arm.readings import Freshness
from sandlot.robots.arm.spec import MAX_WIDTH_M, ArmLimits, ArmReading, ArmScene, Command, Pose
from sandlot.robots.errors import RobotStoppedError
from sandlot.robots.observer import Sample
from sandlot.robots.protocol import Camera
from sandlot.robots.resets.arm import GoHome
from sandlot.robots.resets.plan import restore
from sandlot.robots.ros_robot import FOUND_S, READY_S, RosRobot

if TYPE_CHECKING:
    from sandlot.robots.arm.ros_link import ArmLink

CONTROL_HZ = 10.0
PLACED_S, PLACE_EVERY_S, PLACED_WITHIN_M = 3.0, 0.3, 0.005


class RosArm(RosRobot[ArmReading, "ArmLink"]):
    """An arm whose driver and gate run elsewhere; as `RosRobot`.

    Args:
        limits: what an action means.
        objects: tracked objects that the task needs, by name.
        known: objects of the task that nobody tracks: they are where the scene says.
        cameras: cameras that `images` returns.
        image_px: width and height of those images.
        namespace: of the robot's topics.
        freshness: how old what is acted on may be.
        latency_s: declared latency of a topic's sensor, by topic name.
        teleop: listen to a person's hands (`link.intent`).
    """

    def __init__(
        self,
        limits: ArmLimits,
        objects: Sequence[str],
        *,
        known: Sequence[str] = (),
        cameras: Sequence[str] = (),
        image_px: int = 128,
        namespace: str = "arm",
        freshness: Freshness | None = None,
        latency_s: Mapping[str, float] | None = None,
        teleop: bool = False,
    ) -> None:
        self.cameras: dict[str, Camera] = {name: (image_px, image_px, 3) for name in cameras}
        self._limits, self._teleop = limits, teleop
        self._tracked = tuple(o for o in objects if o not in known)
        self._known = {name: limits.middle() for name in known}
        self._command = Command(limits.middle(), False)
        watch = readings.observer(self._tracked, self.cameras, freshness or Freshness(), latency_s or {})
        super().__init__(CONTROL_HZ, namespace, watch)

    def connect(self) -> "ArmLink":
        """The node of the actor."""
        from sandlot.robots.arm.ros_link import ArmLink  # noqa: PLC0415  (rclpy)

        observed = topics.observed(self._tracked, tuple(self.cameras))
        return ArmLink(self._namespace, self._observer, observed, self._tracked, teleop=self._teleop)

    def reset(self, scene: ArmScene, rng: np.random.Generator) -> None:
        """Brings the arm to the scene's start, through the gate, and the objects to where it says."""
        self._known = {name: scene.objects[name] for name in self._known}
        self.settle()
        restore(self, (GoHome(self._limits),), scene, real_time=True)
        self.pause()
        for name in self._tracked:
            if name in scene.objects:
                self._bring(name, scene.objects[name])
        self.until_ready()
        self._rebase(scene.gripper_open)

    def places(self) -> bool:
        """Whether a simulated device puts every tracked object where it is wanted."""
        return all(map(self.link.can_place, self._tracked))

    def settle(self) -> None:
        """Waits for gate and sources and takes the arm as it is: held, observed, its command where it is."""
        new = self._link is None
        self.pause()
        self.until_ready(FOUND_S if new else READY_S)
        self.look()
        self._rebase(self.observe().width_m > MAX_WIDTH_M / 2)

    def act(self, action: np.ndarray) -> np.ndarray:
        """Publishes the action's command and returns at the end of its control period, as executed."""
        done = executed(action, 7 if self._limits.gripper else 6)
        self.ready_to_play()
        self._command = advance(self._command, done, self.observe().tool, self._limits)
        self.play(lambda: self.link.command(self._command))
        return done

    def images(self) -> dict[str, np.ndarray]:
        """The frames of that reading."""
        return readings.images({t: s.value for t, s in self._samples.items()}, self.cameras)

    def render(self) -> np.ndarray:
        """The newest frame of the first camera."""
        if not self.cameras:
            raise SandlotError("this robot has no camera that could film it; name one with --cameras")
        return next(iter(self.images().values()))

    def _bring(self, name: str, pose: Pose) -> None:
        """Has an object put at a pose and sees that it is there; a person may put it anywhere in reach."""
        topic = topics.object_pose(name).name
        if not self.link.can_place(name):
            self.look()
            at = self.observe().objects[name].position_m
            if np.any(at[:2] < self._limits.low_m[:2]) or np.any(at[:2] > self._limits.high_m[:2]):
                raise RobotStoppedError(
                    f"{topic} is at {np.round(at, 3).tolist()} m, out of the arm's reach; put it near "
                    f"{_rounded(pose)} m"
                )
            return

        def there() -> bool:
            self.look()
            away = self.observe().objects[name].position_m - pose.position_m
            return float(np.linalg.norm(away)) < PLACED_WITHIN_M

        for _ in range(round(PLACED_S / PLACE_EVERY_S)):
            self.link.place(name, pose)
            if self.wait(there, PLACE_EVERY_S):
                return
        raise SandlotError(
            f"{topic} was not seen at {_rounded(pose)} m within {PLACED_S:g} s although "
            f"{topics.place(name).name} asked for it; see the driver's log"
        )

    def view(self) -> step_message.View:
        """What the newest observation is made of."""
        extra = {f"object.{name}": readings.pose_numbers(pose) for name, pose in self._known.items()}
        extra["command"] = (*readings.pose_numbers(self._command.pose), float(self._command.gripper_open))
        return step_message.View({t: s.stamp_ns for t, s in self._samples.items()}, extra)

    def take(self, samples: dict[str, Sample]) -> ArmReading:
        """What the arm knows at one instant."""
        return readings.reading({t: s.value for t, s in samples.items()}, self._command, self._known)

    def rebase(self) -> None:
        """Where the arm is becomes its command; the gripper keeps what it does."""
        self._rebase(self._command.gripper_open)

    def _rebase(self, gripper_open: bool) -> None:
        """Takes an observation and makes where the arm is its command."""
        self.look()
        self._command = Command(self.observe().tool, gripper_open)
        self._reading = replace(self.observe(), command=self._command)


def _rounded(pose: Pose) -> list[float]:
    """Where a pose is, m, for people."""
    return [round(float(x), 3) for x in pose.position_m]
