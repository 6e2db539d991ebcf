"""A real driver process and a node beside it that commands and watches, as the gate and an actor would."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import SingleThreadedExecutor
from std_srvs.srv import Trigger

from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.topics import DIAGNOSTICS, ESTOP

MODULE = "sandlot.robots.arm.arm_node"
START_S = 60.0  # a first start may compile the control loop
STILL_RADPS = 0.02


@contextlib.contextmanager
def running(folder: pathlib.Path, *words: str, module: str = MODULE) -> Iterator[subprocess.Popen[bytes]]:
    """A driver process; its output goes to driver.log. It is ended at the end."""
    argv = [
        sys.executable,
        "-m",
        module,
        "--ros-args",
        "-r",
        "__ns:=/arm",
        *(w for p in words for w in ("-p", p)),
    ]
    with (folder / "driver.log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(15.0)


class Beside:
    """A node in this process: the newest message of every topic, commands, e-stop."""

    def __init__(self) -> None:
        rclpy.init(args=[])
        self.node = rclpy.create_node("beside", namespace="/arm", start_parameter_services=False)
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.newest: dict[str, Any] = {}
        self.heard_s: dict[str, float] = {}
        for topic in (*topics.observed(["cube"], ["side"]), DIAGNOSTICS):
            ros_node.subscription(self.node, topic, self._taker(topic.name))
        self.pose = ros_node.publisher(self.node, topics.COMMAND_POSE)
        self.gripper = ros_node.publisher(self.node, topics.COMMAND_GRIPPER)
        self.hold = ros_node.publisher(self.node, topics.COMMAND_HOLD)
        self.estop = ros_node.publisher(self.node, ESTOP)
        self.place = ros_node.publisher(self.node, topics.place("cube"))
        self._sent = 0

    def _taker(self, name: str) -> Callable[[Any], None]:
        def take(message: Any) -> None:
            self.newest[name], self.heard_s[name] = message, time.monotonic()

        return take

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 10.0) -> float:
        """Spins until a condition holds; how long that took."""
        began_s = time.monotonic()
        while not condition():
            if time.monotonic() - began_s > timeout_s:
                raise TimeoutError(f"'{what}' did not hold within {timeout_s:g} s")
            self.executor.spin_once(timeout_sec=0.01)
        return time.monotonic() - began_s

    def sees_state(self) -> None:
        """Waits for fresh joint states."""
        now_s = time.monotonic()
        self.until(lambda: self.heard_s.get("joint_states", 0.0) > now_s, "joint states", START_S)

    def speed(self) -> float:
        """Of the fastest joint, rad/s."""
        joints = self.newest.get("joint_states")
        return max(map(abs, joints.velocity)) if joints else 0.0

    def figures(self) -> dict[str, str]:
        """The driver's next diagnostics by name."""
        now_s = time.monotonic()
        self.until(lambda: self.heard_s.get("/diagnostics", 0.0) > now_s, "diagnostics")
        return {v.key: v.value for v in self.newest["/diagnostics"].status[0].values}

    def send(self, **changes: float) -> None:
        """One command on a fast circle, stamped now; `changes` spoil it: age_s, x."""
        self._sent += 1
        angle = 0.6 * self._sent
        x = changes.get("x", 0.5 + 0.1 * np.sin(angle))
        pose = Pose(np.array([x, 0.12 * np.cos(angle), 0.2]), DOWN)
        stamp_ns = time.time_ns() - round(1e9 * changes.get("age_s", 0.0))
        self.gripper.publish(ros_messages.gripper_message(0.08, stamp_ns))
        self.pose.publish(ros_messages.pose_message(pose, stamp_ns))

    def drive(self, condition: Callable[[], bool], what: str) -> None:
        """Commands at 20 Hz until a condition holds."""
        next_s = time.monotonic()

        def step() -> bool:
            nonlocal next_s
            if time.monotonic() > next_s:
                self.send()
                next_s = time.monotonic() + 0.05
            return condition()

        self.until(step, what)

    def call(self, service: str) -> Any:
        """The answer of a Trigger service of the driver."""
        return self._ask(Trigger, service, Trigger.Request())

    def change_state(self, transition: int) -> bool:
        """Asks for a lifecycle transition; whether it was made."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self._ask(ChangeState, "change_state", request).success)

    def _ask(self, kind: Any, service: str, request: Any) -> Any:
        client = self.node.create_client(kind, f"driver/{service}")
        assert client.wait_for_service(START_S)
        future = client.call_async(request)
        self.until(future.done, service, START_S)
        return future.result()

    def close(self) -> None:
        """Leaves the graph."""
        self.node.destroy_node()
        rclpy.try_shutdown()


def output(folder: pathlib.Path) -> str:
    """What the driver wrote."""
    return (folder / "driver.log").read_text(errors="replace")


def freeze(process: subprocess.Popen[bytes]) -> None:
    """SIGSTOP."""
    os.kill(process.pid, signal.SIGSTOP)
