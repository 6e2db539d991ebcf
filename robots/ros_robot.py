"""A robot behind ROS 2 topics: what commanding one through its gate is, whatever it is.

A command is published at once; then the end of the control period is waited for, and the next observation
taken as the last thing, so that it is as new as can be when the next action is decided.
"""

import abc
import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from sandlot.learners.errors import SandlotError
from sandlot.learners.process import SWITCH_INTERVAL_S, take_precedence
from sandlot.learners.real_time import StepNote
from sandlot.robots import step_message
from sandlot.robots.errors import RobotStoppedError, SensorError
from sandlot.robots.gate import Mode
from sandlot.robots.gate_fault import gate_fault
from sandlot.robots.observer import Ages, Observer, Sample
from sandlot.robots.rhythm import Rhythm

if TYPE_CHECKING:
    from sandlot.robots.ros_link import RobotLink
    from sandlot.robots.teleop.mapping import Intent

log = logging.getLogger(__name__)

FOUND_S, READY_S = 5.0, 0.5
"""How long a reset waits for sources and gate: when the graph is new, and later."""
HELD_S = 0.3
OLD_S = 0.25
STOPPED_S = 1.0
POLL_S = 0.005

Reading = TypeVar("Reading")
Link = TypeVar("Link", bound="RobotLink")


class RosRobot(abc.ABC, Generic[Reading, Link]):
    """A robot whose driver and gate run elsewhere. Nothing is connected before the first reset.

    Args:
        control_hz: commands a second.
        namespace: of the robot's topics.
        observer: what observations are made of.
    """

    def __init__(self, control_hz: float, namespace: str, observer: Observer) -> None:
        self.control_hz = control_hz
        self._namespace, self._observer = namespace, observer
        self._rhythm = Rhythm(1.0 / control_hz)
        self._link: Link | None = None
        self._paused = True
        self._samples: dict[str, Sample] = {}
        self._looked_s = 0.0
        self._reading: Reading | None = None
        self._stamp_ns = 0
        self._views: tuple[step_message.View | None, step_message.View | None] = (None, None)
        self._ages = Ages()
        self._faults = 0

    @abc.abstractmethod
    def connect(self) -> Link:
        """Makes the node."""

    @abc.abstractmethod
    def take(self, samples: dict[str, Sample]) -> Reading:
        """The reading that these samples make; SensorError when they make none."""

    @abc.abstractmethod
    def view(self) -> step_message.View:
        """What the newest observation is made of, for whoever records."""

    @abc.abstractmethod
    def rebase(self) -> None:
        """The robot moved since it was observed: what is commanded next begins where it is."""

    @property
    def link(self) -> Link:
        """The node, made on first use: who only asks what a robot observes needs no ROS."""
        if self._link is None:
            log.info("event=real_time_priority granted=%s", take_precedence())
            sys.setswitchinterval(SWITCH_INTERVAL_S)
            self._link = self.connect()
        return self._link

    def observe(self) -> Reading:
        """The reading that the last step or reset ended with."""
        if self._reading is None:
            raise SandlotError(f"the {self._namespace} was not observed yet; call reset first")
        return self._reading

    def stop(self) -> None:
        """Holds the robot and has the gate stop it: it moves again when a person has armed it."""
        self.pause()
        self.link.stop()
        if not self.wait(lambda: self._mode() not in (Mode.ARMED, Mode.ACTIVE), STOPPED_S):
            log.error("event=not_stopped gate=%s", self._mode())

    def pause(self) -> None:
        """No command will come for a while, on purpose: the gate holds the robot and stays armed."""
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

    def close(self) -> None:
        """Holds the robot and leaves the graph; may be called twice."""
        if self._link is not None:
            self.pause()
            self._link.close()
            self._link = None

    def play(self, publish: Callable[[], int]) -> None:
        """One control period of a command: `publish` sends it and says its stamp, wall time in ns."""
        ends_s = self._rhythm.begin(time.monotonic())
        self._stamp_ns = publish()
        self._ages.note(self._samples, time.monotonic())
        time.sleep(max(0.0, ends_s - time.monotonic()))
        self.look()
        self.require(Mode.ACTIVE)
        self._views = (self._views[0], self.view())

    def ready_to_play(self) -> None:
        """Before a command: the gate lets it through; RobotStoppedError when it does not."""
        self._stamp_ns, self._views = time.time_ns(), (self.view(), None)
        self.require(Mode.ARMED, Mode.ACTIVE)
        if self._paused:  # the gate must have heard of that pause before
            self.wait(lambda: self._mode() is not Mode.ACTIVE, HELD_S)
            if time.monotonic() - self._looked_s > OLD_S:
                self.rebase()
            self._paused = False

    def look(self) -> None:
        """Takes an observation; holds the robot when none can be taken."""
        try:
            now_s = time.monotonic()
            self._samples = self._observer.take(now_s)
            self._reading = self.take(self._samples)
            self._looked_s = now_s
        except SensorError:
            self._faults += 1
            self.pause()
            raise

    def require(self, *modes: Mode) -> None:
        """Raises RobotStoppedError unless the gate is in one of these modes."""
        fault = self._gate_fault(*modes)
        if fault:
            self.pause()
            raise RobotStoppedError(fault)

    def until_ready(self, within_s: float | None = None) -> None:
        """Waits for the gate and every source; raises what is missing."""
        within_s = within_s or (FOUND_S if self._link is None else READY_S)
        _ = self.link
        armed = (Mode.ARMED, Mode.ACTIVE)
        self.wait(
            lambda: not self._gate_fault(*armed) and not self._observer.problem(time.monotonic()), within_s
        )
        self.require(*armed)

    def _mode(self) -> Mode | None:
        return self.link.gate.mode if self.link.gate else None

    def _gate_fault(self, *modes: Mode) -> str:
        silent_s = time.monotonic() - self.link.gate_s
        return gate_fault(self.link.gate, silent_s, modes, self._namespace)

    @staticmethod
    def wait(done: Callable[[], bool], within_s: float) -> bool:
        """Whether it was done in time."""
        until_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > until_s:
                return False
            time.sleep(POLL_S)
        return True
