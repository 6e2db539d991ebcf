"""`RosCar`: the car behind ROS 2 topics as a robot; the same practice, the same actions, in real time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sandlot.learners.errors import SandlotError
from sandlot.robots import step_message
from sandlot.robots.car import readings, topics
from sandlot.robots.car.readings import Freshness
from sandlot.robots.car.spec import CONTROL_HZ, IMAGE_PX, CarCommand, CarLimits, CarReading, CarScene
from sandlot.robots.observer import Sample
from sandlot.robots.protocol import Camera
from sandlot.robots.ros_robot import RosRobot

if TYPE_CHECKING:
    from sandlot.robots.car.ros_link import CarLink
    from sandlot.robots.teleop.mapping import Intent


class RosCar(RosRobot[CarReading, "CarLink"]):
    """A car whose driver and gate run elsewhere; as `RosRobot`.

    Args:
        limits: what an action means.
        cameras: cameras that `images` returns.
        image_px: width and height of those images.
        namespace: of the robot's topics.
        freshness: how old what is acted on may be.
        latency_s: declared latency of a topic's sensor, by topic name.
        teleop: listen to a person's hands.
    """

    def __init__(
        self,
        limits: CarLimits,
        *,
        cameras: Sequence[str] = (),
        image_px: int = IMAGE_PX,
        namespace: str = "car",
        freshness: Freshness | None = None,
        latency_s: Mapping[str, float] | None = None,
        teleop: bool = False,
    ) -> None:
        self.limits, self._teleop = limits, teleop
        self.cameras: dict[str, Camera] = {name: (image_px, image_px, 3) for name in cameras}
        self._command = CarCommand()
        self._goals: tuple[tuple[float, ...], tuple[float, ...]] = ((0.0, 0.0), (0.0, 0.0))
        watch = readings.observer(self.cameras, freshness or Freshness(), latency_s or {})
        super().__init__(CONTROL_HZ, namespace, watch)

    def connect(self) -> "CarLink":
        """The node of the actor."""
        from sandlot.robots.car.ros_link import CarLink  # noqa: PLC0415  (rclpy)

        observed = topics.observed(tuple(self.cameras))
        return CarLink(self._namespace, self._observer, observed, teleop=self._teleop)

    @property
    def time_s(self) -> float:
        """The steady clock."""
        return time.monotonic()

    @property
    def taken_over(self) -> bool:
        """Whether a person drives."""
        return self.link.taken_over

    def intent(self, now_s: float) -> "Intent":
        """What the person wants, but for driving: their hands do that on `teleop`, past the actor."""
        return replace(super().intent(now_s), take_over=False)

    def reset(self, scene: CarScene, rng: np.random.Generator) -> None:
        """Takes the car where it stands: nobody but a person puts it anywhere."""
        self.settle()

    def settle(self) -> None:
        """Waits for gate and sources and takes the car as it is."""
        self.pause()
        self.until_ready()
        self._command = CarCommand()
        self.look()

    def act(self, action: np.ndarray) -> np.ndarray:
        """Changes speed and steering for one control period; returns the action as executed."""
        command, done = self.limits.apply(self._command, action)
        self.drive(command)
        return done

    def drive(self, command: CarCommand) -> None:
        """Drives for one control period as told, backwards too."""
        self.ready_to_play()
        self._command = command
        self.play(lambda: self.link.command(command))

    def images(self) -> dict[str, np.ndarray]:
        """The frames of the newest reading."""
        return readings.images({t: s.value for t, s in self._samples.items()}, self.cameras)

    def render(self) -> np.ndarray:
        """The newest frame of the first camera."""
        if not self.cameras:
            raise SandlotError("this car has no camera that could film it; name one with --cameras")
        return next(iter(self.images().values()))

    def take(self, samples: dict[str, Sample]) -> CarReading:
        """What the car knows at one instant."""
        values = {topic: sample.value for topic, sample in samples.items()}
        return readings.reading(values, self._command, self.link.jolt_mps2())

    def view(self) -> step_message.View:
        """What the newest observation is made of."""
        goal, following = self._goals
        command = (self._command.speed_mps, self._command.steering_rad)
        extra = {"command": command, "goal": goal, "following": following}
        return step_message.View({t: s.stamp_ns for t, s in self._samples.items()}, extra)

    def aim(self, goal_m: np.ndarray, following_m: np.ndarray) -> None:
        """What it drives to from here on: a part of the newest observation, as its steps say it."""
        self._goals = (tuple(map(float, goal_m)), tuple(map(float, following_m)))
        before, after = self._views
        self._views = (before, self.view() if after else None)

    def rebase(self) -> None:
        """After a pause it stands."""
        self._command = CarCommand()
        self.look()
