"""The page's process in the ROS graph: what it hears of the robot, and stop, arm and presses.

A stop goes two ways: the gate's service, which answers, and a latched press on the e-stop topic, which gate
and driver hear without each other, and which a gate that comes back hears too. The publisher of that press
exists only from the press to its release, so that an open page never counts as the emergency stop that a real
arm must have.
"""

import concurrent.futures
import logging
import os
import threading
import time
from typing import Any

from sandlot.robots.console.pipe import Pipe
from sandlot.robots.console.presses import Press
from sandlot.robots.errors import RobotStoppedError
from sandlot.robots.ros_monitor import Monitor

import rclpy  # isort: skip  after the ROS environment is set
from rclpy.duration import Duration  # isort: skip
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # isort: skip
from std_srvs.srv import Trigger  # isort: skip

from sandlot.robots import ros_node, ros_qos
from sandlot.robots.ros_latest import Latest
from sandlot.robots.teleop.mapping import Button
from sandlot.robots.topics import ESTOP, JOY, P_SUCCESS

log = logging.getLogger(__name__)

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
"""Not watched: they are heard only while somebody looks, by a process of their own."""
GATE_S, TOPICS_S, POLL_S, WAKE_S = 0.1, 1.0, 0.005, 1.0
OURS = {"console", "console_cameras", "console_monitor", "monitor"}
ANSWER_S, ACKED_S, TAKEN_S = 1.0, 1.0, 0.2
HEARD_S = 0.3
"""What is heard of the gate this long after a press was said after it."""

OLD_S = 3.0
"""A classifier's word is shown for so long."""
AGAIN = "somebody pressed stop meanwhile"


class Bridge:
    """One robot, as its operator sees and commands it."""

    def __init__(self, robot: str, pipe: Pipe) -> None:
        self.pipe, self.namespace = pipe, f"/{robot}"
        self.driver = f"{self.namespace}/driver"
        self.monitor = Monitor(self.namespace, [self.driver], name="console_monitor", without=IMAGES)
        self.node = rclpy.create_node("console", namespace=self.namespace, start_parameter_services=False)
        self._calls = {what: self.node.create_client(Trigger, f"gate/{what}") for what in ("stop", "arm")}
        self._joy_out, self._joy_in = ros_node.publisher(self.node, JOY), Latest(self.node, JOY)
        self._joy, self._p_success = ros_qos.message_class(JOY), Latest(self.node, P_SUCCESS)
        self._attentive = False  # whether anybody looks
        self.monitor.attend(False)
        self._estop: Any = None
        self._estop_lock = threading.Lock()  # held for moments only: a stop takes it
        self._stops = 0
        self._seen: set[str] = set()  # nodes that were ever there
        self._arming, self._pressing = threading.Lock(), threading.Lock()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        threading.Thread(target=self._spin, name="ros", daemon=True).start()

    def stop(self) -> str:
        """Stops the robot, whatever else is going on; returns what answered."""
        client = self._calls["stop"]
        answer = client.call_async(Trigger.Request())  # first: a service that is not there costs nothing
        with self._estop_lock:
            self._stops += 1
            estop = self._estop = self._estop or ros_node.publisher(self.node, ESTOP)
            estop.publish(estop.msg_type(data=True))
        pressed_s, gate = time.monotonic(), self.monitor.gate
        while time.monotonic() < pressed_s + ANSWER_S:
            if answer.done() and answer.result() is not None:
                return "the gate stopped the robot"
            if gate.mode == "STOPPED" and gate.heard_s > pressed_s + HEARD_S:
                return "the gate has stopped the robot"
            time.sleep(POLL_S)
        client.remove_pending_request(answer)
        others = {i.node_name for i in self.node.get_subscriptions_info_by_topic(ESTOP.name)} - OURS
        raise RobotStoppedError(
            f"no gate in {self.namespace} answered; {ESTOP.name} is pressed, for "
            f"{', '.join(sorted(others)) or 'nobody'} to hear"
        )

    def arm(self) -> str:
        """Releases the page's own press and arms the gate; RobotStoppedError says why not."""
        with self._arming:
            stops = self._stops
            if self._estop is not None:
                self._release(stops)
            refusal = self._call_arm(stops)
            if refusal:  # perhaps a press of this process's earlier life: a False releases only the dead
                self._release(stops)
                refusal = self._call_arm(stops)
            if refusal:
                raise RobotStoppedError(refusal)
            return "armed: the next action moves the robot"

    def _call_arm(self, stops: int) -> str:
        """Calls the gate's service unless somebody stopped since; returns why it refuses."""
        client = self._calls["arm"]
        if not client.wait_for_service(ANSWER_S):
            raise RobotStoppedError(f"there is no gate in {self.namespace}; is the robot up?")
        if self._stops > stops:
            raise RobotStoppedError(AGAIN)
        answer = client.call_async(Trigger.Request())
        until_s = time.monotonic() + ANSWER_S
        while not answer.done() and time.monotonic() < until_s:
            time.sleep(POLL_S)
        if not answer.done() or answer.result() is None:
            client.remove_pending_request(answer)
            raise RobotStoppedError(f"the gate in {self.namespace} did not answer")
        return "" if answer.result().success else str(answer.result().message)

    def press(self, button: str) -> str:
        """Presses a button of the operator's for a moment, beside whatever a gamepad does meanwhile."""
        listeners = self.node.get_subscriptions_info_by_topic(JOY.full_name(self.namespace))
        if not any(info.node_name == "actor" for info in listeners):
            raise RobotStoppedError(
                "no actor listens to a person: start the robot with --teleop page, or with a gamepad's"
            )
        with self._pressing:
            press = Press(Button[button.upper()])
            while (hands := press.hands(self._others(), time.monotonic())) is not None:
                message = self._joy(axes=hands.axes, buttons=hands.buttons())
                message.header.stamp = self.node.get_clock().now().to_msg()
                message.header.frame_id = Press.FRAME
                self._joy_out.publish(message)
                time.sleep(1.0 / JOY.hz)
        return f"{button}: the actor was told"

    def tell(self) -> None:
        """Sends what is heard of the robot, for as long as the server is there."""
        told_s = 0.0
        while True:
            now_s = time.monotonic()
            gate = self.monitor.gate
            message = {
                "event": "robot",
                "gate": {"mode": gate.state(now_s), "cause": gate.cause, "stops": gate.stops.total()},
                "pressed": self._estop is not None,
            }
            if now_s - told_s > TOPICS_S:
                told_s = now_s
                topics = self.monitor.topics() if self._attentive else {}
                message |= {"nodes": self._nodes(now_s), "topics": topics}
            self.pipe.write(message)
            time.sleep(GATE_S)

    def _nodes(self, now_s: float) -> list[dict[str, str]]:
        """Driver, gate, and every other node of the robot with what it said of itself."""
        nodes = self.node.get_node_names_and_namespaces()
        here = {f"{space.rstrip('/')}/{name}".removeprefix(f"{self.namespace}/") for name, space in nodes}
        here = {name for name in here if "/" not in name} - OURS
        self._seen |= here
        states = {"driver": self.monitor.lifecycle[self.driver], "gate": self.monitor.gate.state(now_s)}
        rows = []
        for name in sorted(here | self._seen | states.keys(), key=lambda n: (n not in states, n)):
            state = states.get(name, "running")
            if name not in here and state in {"silent", "running"}:
                state = "gone" if name in self._seen else "not up"
            said = self.monitor.diagnostics.get(f"{self.namespace}/{name}")
            text = self.monitor.gate.cause if name == "gate" else said.text if said else ""
            text = self._chance() if name == "actor" else text
            rows.append({"name": name, "state": state, "says": text if name in here else ""})
        return rows

    def _chance(self) -> str:
        """What the actor's reward classifier said last, "" when that is old."""
        message = self._p_success.get()
        if message is None or _age_s(message) > OLD_S:
            return ""
        return ", ".join(
            f"{task}: p(success) {p:.2f}" for task, p in zip(message.name, message.position, strict=False)
        )

    def _others(self) -> tuple[Any, float]:
        """The newest message of another device, None when it is the page's own; and how old it is, s."""
        message = self._joy_in.get()
        if message is None or message.header.frame_id == Press.FRAME:
            return None, 0.0
        return message, _age_s(message)

    def _release(self, stops: int) -> None:
        """Says False on the e-stop topic and leaves it: the page is no e-stop for anybody to rely on.

        Args:
            stops: how many there were when the arming began: a later one is not released by it.
        """
        with self._estop_lock:  # a stop from now on is a press of its own
            if self._stops > stops:
                raise RobotStoppedError(AGAIN)
            estop, self._estop = self._estop, None
        if estop is None:
            estop = ros_node.publisher(self.node, ESTOP)
            until_s = time.monotonic() + ACKED_S
            while not estop.get_subscription_count() and time.monotonic() < until_s:
                time.sleep(0.01)
        estop.publish(estop.msg_type(data=False))
        estop.wait_for_all_acked(Duration(seconds=ACKED_S))
        time.sleep(TAKEN_S)
        self.node.destroy_publisher(estop)
        time.sleep(TAKEN_S)  # an armed gate must not rely on it

    def _spin(self) -> None:
        while rclpy.ok():
            try:
                self._executor.spin_once(timeout_sec=WAKE_S)
            except ExternalShutdownException:
                return

    def listen(self) -> None:
        """Does what the server asks for, and ends the process when it is gone."""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            while (message := self.pipe.read()) is not None:
                if message["what"] == "attend":
                    self._attentive = message["args"]["yes"]
                    self.monitor.attend(self._attentive)
                elif message["what"] == "stop":  # behind nothing
                    threading.Thread(target=self.pipe.answer, args=(message, self.stop), daemon=True).start()
                elif message["what"] in {"arm", "press"}:
                    pool.submit(self.pipe.answer, message, getattr(self, message["what"]))
            os._exit(0)


def _age_s(message: Any) -> float:
    """How old a stamped message is, by the wall clock."""
    stamp = message.header.stamp
    return float(time.time() - stamp.sec - 1e-9 * stamp.nanosec)


def main(pipe: Pipe, argv: list[str]) -> int:
    """Answers until the server is gone."""
    bridge = Bridge(argv[0], pipe)
    pipe.write({"event": "ready"})
    threading.Thread(target=bridge.listen, name="listen", daemon=True).start()
    bridge.tell()
    return 1
