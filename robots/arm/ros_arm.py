"""`RosArm`: the arm behind ROS 2 topics as a Robot; the same tasks, the same actions, in real time."""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sandlot.learners.errors import SandlotError
from sandlot.learners.process import SWITCH_INTERVAL_S, take_precedence
from sandlot.learners.real_time import StepNote
from sandlot.robots import step_message
from sandlot.robots.arm import readings, topics
from sandlot.robots.arm.command import advance, executed
from sandlot.robots.arm.readings import Freshness
from sandlot.robots.arm.spec import MAX_WIDTH_M, ArmLimits, ArmReading, ArmScene, Command, Pose
from sandlot.robots.errors import RobotStoppedError, SensorError
from sandlot.robots.gate import Mode
from sandlot.robots.gate_fault import gate_fault
from sandlot.robots.observer import Ages, Sample
from sandlot.robots.protocol import Camera
from sandlot.robots.resets.arm import GoHome
from sandlot.robots.resets.plan import restore
from sandlot.robots.rhythm import Rhythm

if TYPE_CHECKING:
    from sandlot.robots.arm.ros_link import ArmLink
    from sandlot.robots.teleop.mapping import Intent

log = logging.getLogger(__name__)

CONTROL_HZ = 10.0
FOUND_S, READY_S = 5.0, 0.5
"""How long a reset waits for sources and gate: when the graph is new, and later."""
HELD_S = 0.3
OLD_S = 0.25
STOPPED_S = 1.0
PLACED_S, PLACE_EVERY_S, PLACED_WITHIN_M = 3.0, 0.3, 0.005
POLL_S = 0.005


class RosArm:
    """An arm whose driver and gate run elsewhere. Nothing is connected before the first reset.

    An action is published at once; `act` then waits for the end of the control period and takes the next
    observation as the last thing it does, so that it is as new as can be when the next action is decided.

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
        self.control_hz = CONTROL_HZ
        self.cameras: dict[str, Camera] = {name: (image_px, image_px, 3) for name in cameras}
        self._limits, self._namespace, self._teleop = limits, namespace, teleop
        self._tracked = tuple(o for o in objects if o not in known)
        self._known = {name: limits.middle() for name in known}
        self._observer = readings.observer(
            self._tracked, self.cameras, freshness or Freshness(), latency_s or {}
        )
        self._rhythm = Rhythm(1.0 / CONTROL_HZ)
        self._link: ArmLink | None = None
        self._paused = True
        self._command = Command(limits.middle(), False)
        self._samples: dict[str, Sample] = {}
        self._looked_s = 0.0
        self._reading: ArmReading | None = None
        self._stamp_ns = 0
        self._views: tuple[step_message.View | None, step_message.View | None] = (None, None)
        self._ages = Ages()
        self._faults = 0

    @property
    def link(self) -> "ArmLink":
        """The node, made on first use: who only asks what a robot observes needs no ROS."""
        if self._link is None:
            from sandlot.robots.arm.ros_link import ArmLink  # noqa: PLC0415  (rclpy)

            log.info("event=real_time_priority granted=%s", take_precedence())
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            observed = topics.observed(self._tracked, tuple(self.cameras))
            self._link = ArmLink(
                self._namespace, self._observer, observed, self._tracked, teleop=self._teleop
            )
        return self._link

    def reset(self, scene: ArmScene, rng: np.random.Generator) -> None:
        """Brings the arm to the scene's start, through the gate, and the objects to where it says."""
        self._known = {name: scene.objects[name] for name in self._known}
        self.settle()
        restore(self, (GoHome(self._limits),), scene, real_time=True)
        self.pause()
        for name in self._tracked:
            if name in scene.objects:
                self._bring(name, scene.objects[name])
        self._until_ready(READY_S)
        self._rebase(scene.gripper_open)

    def places(self) -> bool:
        """Whether a simulated device puts every tracked object where it is wanted."""
        return all(map(self.link.can_place, self._tracked))

    def settle(self) -> None:
        """Waits for gate and sources and takes the arm as it is: held, observed, its command where it is."""
        new = self._link is None
        self.pause()
        self._until_ready(FOUND_S if new else READY_S)
        self._look()
        self._rebase(self.observe().width_m > MAX_WIDTH_M / 2)

    def stop(self) -> None:
        """Holds the arm and has the gate stop it: it moves again when a person has armed it."""
        self.pause()
        self.link.stop()
        if not self._wait(lambda: self._mode() not in (Mode.ARMED, Mode.ACTIVE), STOPPED_S):
            log.error("event=not_stopped gate=%s", self._mode())

    def act(self, action: np.ndarray) -> np.ndarray:
        """Publishes the action's command and returns at the end of its control period, as executed."""
        done = executed(action, 7 if self._limits.gripper else 6)
        self._stamp_ns, self._views = time.time_ns(), (self._view(), None)
        self._require(Mode.ARMED, Mode.ACTIVE)
        if self._paused:
            self._resume()
        self._command = advance(self._command, done, self.observe().tool, self._limits)
        ends_s = self._rhythm.begin(time.monotonic())
        self._stamp_ns = self.link.command(self._command)
        self._ages.note(self._samples, time.monotonic())
        time.sleep(max(0.0, ends_s - time.monotonic()))
        self._look()
        self._require(Mode.ACTIVE)
        self._views = (self._views[0], self._view())
        return done

    def observe(self) -> ArmReading:
        """The reading that the last step or reset ended with."""
        if self._reading is None:
            raise SandlotError("the arm was not observed yet; call reset first")
        return self._reading

    def images(self) -> dict[str, np.ndarray]:
        """The frames of that reading."""
        return readings.images({t: s.value for t, s in self._samples.items()}, self.cameras)

    def pause(self) -> None:
        """No command will come for a while, on purpose: the gate holds the arm and stays armed."""
        if not self._paused:
            self.link.pause()
        self._paused = True
        self._rhythm.pause()

    def note(self, note: StepNote) -> None:
        """Publishes a recorded step on `actor/step`."""
        obs, following = self._views
        if obs is not None:
            numbers = step_message.to_numbers(note, self._stamp_ns, obs, following)
            self.link.tell_step(numbers, self._stamp_ns)

    def tell_p_success(self, task: str, p_success: float) -> None:
        """Publishes a reward classifier's word on `actor/p_success`."""
        self.link.tell_p_success(task, p_success)

    def intent(self, now_s: float) -> "Intent":
        """What the person wants now, when made with `teleop`."""
        return self.link.intent(now_s)

    def figures(self) -> dict[str, float]:
        """Age of observations when their action went out, and the rhythm of actions, ms."""
        return {**self._rhythm.jitter_ms(), **self._ages.figures(), "sensor_faults": float(self._faults)}

    def render(self) -> np.ndarray:
        """The newest frame of the first camera."""
        if not self.cameras:
            raise SandlotError("this robot has no camera that could film it; name one with --cameras")
        return next(iter(self.images().values()))

    def close(self) -> None:
        """Holds the arm and leaves the graph; may be called twice."""
        if self._link is not None:
            self.pause()
            self._link.close()
            self._link = None

    def _bring(self, name: str, pose: Pose) -> None:
        """Has an object put at a pose and sees that it is there; a person may put it anywhere in reach."""
        topic = topics.object_pose(name).name
        if not self.link.can_place(name):
            self._look()
            at = self.observe().objects[name].position_m
            if np.any(at[:2] < self._limits.low_m[:2]) or np.any(at[:2] > self._limits.high_m[:2]):
                raise RobotStoppedError(
                    f"{topic} is at {np.round(at, 3).tolist()} m, out of the arm's reach; put it near "
                    f"{_rounded(pose)} m"
                )
            return

        def there() -> bool:
            self._look()
            away = self.observe().objects[name].position_m - pose.position_m
            return float(np.linalg.norm(away)) < PLACED_WITHIN_M

        for _ in range(round(PLACED_S / PLACE_EVERY_S)):
            self.link.place(name, pose)
            if self._wait(there, PLACE_EVERY_S):
                return
        raise SandlotError(
            f"{topic} was not seen at {_rounded(pose)} m within {PLACED_S:g} s although "
            f"{topics.place(name).name} asked for it; see the driver's log"
        )

    def _view(self) -> step_message.View:
        """What the newest observation is made of."""
        extra = {f"object.{name}": readings.pose_numbers(pose) for name, pose in self._known.items()}
        extra["command"] = (*readings.pose_numbers(self._command.pose), float(self._command.gripper_open))
        return step_message.View({t: s.stamp_ns for t, s in self._samples.items()}, extra)

    def _look(self) -> None:
        """Takes an observation; holds the arm when none can be taken."""
        try:
            now_s = time.monotonic()
            self._samples = self._observer.take(now_s)
            values = {topic: s.value for topic, s in self._samples.items()}
            self._reading = readings.reading(values, self._command, self._known)
            self._looked_s = now_s
        except SensorError:
            self._faults += 1
            self.pause()
            raise

    def _rebase(self, gripper_open: bool) -> None:
        """Takes an observation and makes where the arm is its command."""
        self._look()
        self._command = Command(self.observe().tool, gripper_open)
        self._reading = replace(self.observe(), command=self._command)

    def _resume(self) -> None:
        """The first action after a pause: the gate must have heard of that pause before."""
        self._wait(lambda: self._mode() is not Mode.ACTIVE, HELD_S)
        if time.monotonic() - self._looked_s > OLD_S:
            self._rebase(self._command.gripper_open)
        self._paused = False

    def _mode(self) -> Mode | None:
        return self.link.gate.mode if self.link.gate else None

    def _gate_fault(self, *modes: Mode) -> str:
        silent_s = time.monotonic() - self.link.gate_s
        return gate_fault(self.link.gate, silent_s, modes, self._namespace)

    def _require(self, *modes: Mode) -> None:
        """Raises RobotStoppedError unless the gate is in one of these modes."""
        fault = self._gate_fault(*modes)
        if fault:
            self.pause()
            raise RobotStoppedError(fault)

    def _until_ready(self, within_s: float) -> None:
        """Waits for the gate and every source; raises what is missing."""
        armed = (Mode.ARMED, Mode.ACTIVE)
        self._wait(
            lambda: not self._gate_fault(*armed) and not self._observer.problem(time.monotonic()), within_s
        )
        self._require(*armed)

    @staticmethod
    def _wait(done: Callable[[], bool], within_s: float) -> bool:
        until_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > until_s:
                return False
            time.sleep(POLL_S)
        return True


def _rounded(pose: Pose) -> list[float]:
    """Where a pose is, m, for people."""
    return [round(float(x), 3) for x in pose.position_m]
