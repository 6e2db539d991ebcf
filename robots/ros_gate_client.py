"""Calls a robot's gate from a command line: arm it, or stop it."""

import threading
import time

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402  after its environment
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from sandlot.robots.errors import RobotStoppedError  # noqa: E402

TRY_S = 1.0


def call(namespace: str, service: str, wait_s: float, stop: threading.Event) -> str:
    """Calls `arm` or `stop` of a gate until it obeys; returns what it answered.

    Raises:
        RobotStoppedError: there is no gate, or it refused for `wait_s`; the text says why.
    """
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node(f"gate_{service}", namespace=namespace, start_parameter_services=False)
        client = node.create_client(Trigger, f"gate/{service}")
        until_s = time.monotonic() + wait_s
        refusal = f"there is no gate in {namespace}; start it with: sandlot up, and compare ROS_DOMAIN_ID"
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
        rclpy.try_shutdown()
