"""The actor's node, of any robot: topics in and out, in a thread of its own. It decides nothing."""

import atexit
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402  after its environment
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from sandlot.learners.errors import BusyError  # noqa: E402
from sandlot.robots import ros_messages, ros_node  # noqa: E402
from sandlot.robots.gate_messages import GateReport, read_state  # noqa: E402
from sandlot.robots.observer import Observer  # noqa: E402
from sandlot.robots.stamps import StampClock, read_clocks  # noqa: E402
from sandlot.robots.teleop.mapping import Intent, Operator  # noqa: E402
from sandlot.robots.topics import GATE_STATE, JOY, P_SUCCESS, STEP, Topic  # noqa: E402

log = logging.getLogger(__name__)

NODE = "actor"
SPIN_S = 0.1
NO_FRAME = "base"
"""What numbers that are nowhere are said to be in: bags had it from the start."""


class RobotLink:
    """One robot's topics, as its commander sees them.

    Args:
        namespace: of the robot, `arm`.
        observer: takes in what `observed` publish.
        observed: what an observation is made of.
        out: what is published, besides steps.
        pause: of those, the topic on which nobody commands for a while.
        content: what a message says, without its stamp.
        teleop: listen to a person's hands too.

    Attributes:
        gate: what the gate said last, None before it spoke.
        gate_s: when, steady clock.

    Raises:
        BusyError: another actor commands this robot.
    """

    def __init__(
        self,
        namespace: str,
        observer: Observer,
        observed: Iterable[Topic],
        out: Iterable[Topic],
        *,
        pause: Topic,
        content: Callable[[Any], Any],
        teleop: bool = False,
    ) -> None:
        self.gate: GateReport | None = None
        self.gate_s = 0.0
        self._observer, self._clock = observer, StampClock()
        self._operator, self._operator_lock = Operator(), threading.Lock()
        self._closing = threading.Event()
        name = f"/{namespace.strip('/')}"
        if rclpy.ok():
            raise BusyError(f"this process is in a ROS graph already; leave it before driving robot {name}")
        rclpy.init(
            args=[NODE, "--ros-args", "-r", f"__ns:={name}"], signal_handler_options=SignalHandlerOptions.NO
        )
        try:
            self._lock = ros_node.only_instance(NODE)
        except BaseException:
            rclpy.try_shutdown()
            raise
        self._node = rclpy.create_node(NODE)
        self._pause, self._content = pause, content
        self._out = {t.name: ros_node.publisher(self._node, t) for t in (*out, STEP, P_SUCCESS)}
        for topic in observed:
            ros_node.subscription(self._node, topic, self._taker(topic.name))
        ros_node.subscription(self._node, GATE_STATE, self._on_gate)
        self._stop = self._node.create_client(Trigger, "gate/stop")
        if teleop:
            ros_node.subscription(self._node, JOY, self._on_joy)
        self.listen()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a thread inside ROS must not outlive the interpreter

    def listen(self) -> None:
        """Called once: whatever else this robot's node hears."""
        return

    def pause(self) -> None:
        """Says that no command will come for a while."""
        out = self._out[self._pause.name]
        out.publish(out.msg_type())

    def stop(self) -> None:
        """Asks the gate to stop the robot; does not wait for it."""
        self._stop.call_async(Trigger.Request())

    def tell_step(self, numbers: Mapping[str, float], stamp_ns: int) -> None:
        """Publishes a step for whoever records."""
        self._tell(STEP, numbers, stamp_ns)

    def tell_p_success(self, task: str, p_success: float) -> None:
        """Publishes a classifier's word for whoever watches or records."""
        self._tell(P_SUCCESS, {task: p_success}, time.time_ns())

    def intent(self, now_s: float) -> Intent:
        """What the person wants now."""
        with self._operator_lock:
            return self._operator.take(now_s)

    def close(self) -> None:
        """Says that no command will come any more and leaves the graph; may be called twice."""
        if self._closing.is_set():
            return
        self.pause()
        self._closing.set()
        atexit.unregister(self.close)
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()
        self._lock.close()
        rclpy.try_shutdown()

    def _taker(self, topic: str) -> Callable[[Any], None]:
        """The callback of an observed topic."""
        watched = self._observer.watches_content(topic)

        def take(message: Any) -> None:
            clocks = read_clocks()
            stamp_s = self._clock.steady_s(ros_messages.stamp_s(message), clocks)
            said = self._content(message) if watched else None
            stamp_ns = ros_messages.stamp_ns(message)
            self._observer.offer(topic, message, stamp_ns, stamp_s, clocks.steady_s, content=said)

        return take

    def _tell(self, topic: Topic, numbers: Mapping[str, float], stamp_ns: int) -> None:
        """Publishes named numbers."""
        out, header = self._out[topic.name], ros_messages.header(stamp_ns, NO_FRAME)
        out.publish(out.msg_type(header=header, name=list(numbers), position=list(numbers.values())))

    def _on_gate(self, message: Any) -> None:
        try:
            self.gate, self.gate_s = read_state(message), time.monotonic()
        except ValueError as error:
            log.error("event=gate_state_refused error=%r", str(error))

    def _on_joy(self, message: Any) -> None:
        with self._operator_lock:
            if not self._operator.offer(message.axes, message.buttons, time.monotonic()):
                log.warning("event=joy_refused cause=%r", self._operator.refusal)

    def _spin(self) -> None:
        """The thread; when it fails, every source goes silent and the robot stops."""
        try:
            while not self._closing.is_set():
                self._executor.spin_once(SPIN_S)
        except Exception:
            log.exception("event=ros_thread_failed")
            raise
