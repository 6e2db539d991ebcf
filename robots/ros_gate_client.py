"""Calls a robot's gate from a command line: arm it, stop it, or keep a simulated one armed."""

import logging
import threading
import time
from typing import Any

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402  after its environment
from rclpy.node import Node  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from sandlot.robots.errors import RobotStoppedError  # noqa: E402
from sandlot.robots.gate import NO_ACTION, ROBOT_SILENT, STARVED, Mode  # noqa: E402
from sandlot.robots.gate_messages import GateReport, read_state  # noqa: E402
from sandlot.robots.ros_qos import message_class, profile  # noqa: E402
from sandlot.robots.topics import GATE_STATE  # noqa: E402

log = logging.getLogger(__name__)

TRY_S = 1.0
KEEP_TRY_S = 10.0
LATE = (NO_ACTION, STARVED, ROBOT_SILENT)
"""Stops for want of time, or of a process. Nothing is wrong with a simulated robot after one of them."""


def call(namespace: str, service: str, wait_s: float, stop: threading.Event) -> str:
    """Calls `arm` or `stop` of a gate until it obeys; returns what it answered.

    Raises:
        RobotStoppedError: there is no gate, or it refused for `wait_s`; the text says why.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        return _call(_node(namespace, service), service, wait_s, stop)
    finally:
        rclpy.try_shutdown()


def keep_armed(namespace: str, stop: threading.Event) -> None:
    """Arms a gate, and again after every stop for want of time, until stopped. For simulated robots only.

    A stop for any other cause, and a gate that was started anew, wait for a person as everywhere.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = _node(namespace, "keep_armed")
        newest: list[GateReport] = []

        def hear(message: Any) -> None:
            newest[:] = [read_state(message)]

        node.create_subscription(message_class(GATE_STATE), GATE_STATE.name, hear, profile(GATE_STATE))
        due = True
        while not stop.is_set():
            if due:
                due = not _tried_to_arm(node, stop)
                newest.clear()
            rclpy.spin_once(node, timeout_sec=TRY_S)
            due = due or any(state.mode is Mode.STOPPED and state.cause in LATE for state in newest)
    finally:
        rclpy.try_shutdown()


def _tried_to_arm(node: Node, stop: threading.Event) -> bool:
    """Arms the gate; False, and a line in the log, when it could not be done."""
    try:
        log.warning("event=armed_by_itself answer=%r", _call(node, "arm", KEEP_TRY_S, stop))
    except RobotStoppedError as error:
        log.warning("event=not_armed error=%r", str(error))
        return False
    return True


def _node(namespace: str, what: str) -> Node:
    return rclpy.create_node(f"gate_{what}", namespace=namespace, start_parameter_services=False)


def _call(node: Node, service: str, wait_s: float, stop: threading.Event) -> str:
    namespace = node.get_namespace()
    client = node.create_client(Trigger, f"gate/{service}")
    until_s = time.monotonic() + wait_s
    refusal = f"there is no gate in {namespace}; start it with: sandlot up, and compare ROS_DOMAIN_ID"
    try:
        while not stop.is_set():
            if client.wait_for_service(TRY_S):
                answer = client.call_async(Trigger.Request())
                rclpy.spin_until_future_complete(node, answer, timeout_sec=TRY_S)
                result = answer.result() if answer.done() else None
                if result is not None and result.success:
                    return str(result.message)
                refusal = f"the gate in {namespace} refused: {result.message}" if result else refusal
            if time.monotonic() > until_s:
                raise RobotStoppedError(refusal)
            stop.wait(0.2)
        return "interrupted"
    finally:
        node.destroy_client(client)
