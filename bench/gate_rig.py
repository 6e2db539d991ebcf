"""A real gate process, and around it, in this process, everybody it talks to: driver, commander, person.

with gate_rig(task="arm_pick") as rig:
    rig.go()  # armed, commanded, moving
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from tests.ros_domain import environment

from sandlot.learners import process
from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.gate import NO_ACTION, Mode
from sandlot.robots.gate_messages import GateReport, read_state
from sandlot.robots.teleop.mapping import AXES, Button
from sandlot.robots.topics import GATE_STATE, JOY

import rclpy  # isort: skip  after ros_node has set its environment
from rclpy.executors import SingleThreadedExecutor  # isort: skip
from sensor_msgs.msg import Joy  # isort: skip
from std_msgs.msg import Empty  # isort: skip
from std_srvs.srv import Trigger  # isort: skip

ROOT = pathlib.Path(__file__).parents[1]
NAMESPACE = "/arm"
GATE = ("-m", "sandlot.robots.arm.gate_node")
START_S = 90.0
LATE_S = 0.13
"""A commander that was this late may have been stopped with good reason: the machine was too busy."""
TOOL = Pose(np.array([0.5, 0.0, 0.2]), DOWN.copy())


class Command(NamedTuple):
    """A pose command as the driver would get it."""

    heard_s: float
    stamp_ns: int
    position_m: tuple[float, float, float]


class Peer:
    """One more DDS participant: a node in a thread of its own."""

    def __init__(self, name: str, domain: int) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=["--ros-args", "-r", f"__ns:={NAMESPACE}"], context=self._context, domain_id=domain)
        self.node = rclpy.create_node(name, context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._spin, daemon=True)

    def start(self) -> None:
        """Begins to hear; call it when everything is subscribed."""
        self._thread.start()

    def _spin(self) -> None:
        process.take_precedence()  # where it may: a late action would be this rig's fault, not the gate's
        while not self._closing.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Leaves the graph."""
        self._closing.set()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def __enter__(self) -> "Peer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GateRig:
    """A gate process in a domain of its own and its surroundings.

    Attributes:
        commanding: whether actions are sent, 10 a second.
        measuring: whether the tool's pose is sent, 100 a second.
        present: whether Joy is sent, 50 a second.
        wall_ahead_s: how far this side's wall clock is ahead of the true one.
        commands: every command that left the gate.
        holds: when and why the gate said hold.
        report: the gate's last state.
    """

    def __init__(self, folder: pathlib.Path, *, script: tuple[str, ...] = GATE, **params: Any) -> None:
        self.env = {**environment(folder), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        flags = [part for name, value in params.items() for part in ("-p", f"{name}:={_yaml(value)}")]
        self.argv = [sys.executable, *script, "--ros-args", "-r", f"__ns:={NAMESPACE}", *flags]
        self.commanding = self.measuring = self.present = False
        self.down: frozenset[Button] = frozenset()
        self.wall_ahead_s = 0.0
        self.commands: list[Command] = []
        self.holds: list[tuple[float, str]] = []
        self.report = GateReport(Mode.DISARMED, "not heard", {})
        self.acted_s = self.joy_s = 0.0
        self.actions_s: list[float] = []
        self.log = (folder / "gate.log").open("ab")
        self.peer = Peer("surroundings", self.domain)
        self._make_topics()
        self.process = self.start_gate()
        self.peer.start()

    @property
    def domain(self) -> int:
        """The ROS domain of all this."""
        return int(self.env["ROS_DOMAIN_ID"])

    def _make_topics(self) -> None:
        node = self.peer.node
        self.poses = ros_node.publisher(node, topics.ACTION_POSE)
        self.grippers = ros_node.publisher(node, topics.ACTION_GRIPPER)
        self.pauses = ros_node.publisher(node, topics.ACTION_PAUSE)
        self.tools = ros_node.publisher(node, topics.TOOL_POSE)
        self.joys = ros_node.publisher(node, JOY)
        ros_node.subscription(node, topics.COMMAND_POSE, self._on_command)
        ros_node.subscription(node, topics.COMMAND_HOLD, self._on_hold)
        ros_node.subscription(node, GATE_STATE, self._on_state)
        ros_node.timer(node, 1.0 / topics.STATE_HZ, self._send_tool)
        ros_node.timer(node, 0.1, self._send_action)
        ros_node.timer(node, 0.02, self._send_joy)
        self._services = {s: node.create_client(Trigger, f"gate/{s}") for s in ("arm", "stop")}

    def start_gate(self) -> "subprocess.Popen[bytes]":
        """One more gate process."""
        return subprocess.Popen(self.argv, env=self.env, stdout=self.log, stderr=self.log)

    # What the others say

    def wall_ns(self) -> int:
        """This side's wall clock."""
        return time.time_ns() + int(self.wall_ahead_s * 1e9)

    def _send_tool(self) -> None:
        if self.measuring:
            self.tools.publish(ros_messages.pose_message(TOOL, self.wall_ns()))

    def _send_action(self) -> None:
        if self.commanding:
            self.act()

    def act(self, *, by: Any = None, **changes: float) -> None:
        """One action near the tool; `changes` spoil its pose (x=nan, qw=0.0); `by` another publisher."""
        stamp_ns = self.wall_ns()
        if by is None:
            self.grippers.publish(ros_messages.gripper_message(0.04, stamp_ns))
        message = ros_messages.pose_message(TOOL, stamp_ns)
        message.pose.position.z += 0.01 * np.sin(time.monotonic())
        for name, value in changes.items():
            part = message.pose.orientation if name.startswith("q") else message.pose.position
            setattr(part, name[-1], value)
        self.acted_s = time.monotonic()
        if by is None:
            self.actions_s.append(self.acted_s)
        (by or self.poses).publish(message)

    def gap_s(self, since_s: float) -> float:
        """The longest time between two actions: a machine that is too busy for this rig proves nothing."""
        return float(np.diff([a for a in self.actions_s if a >= since_s - 0.2]).max(initial=0.0))

    def pause(self) -> None:
        """The commander rests."""
        self.commanding = False
        self.pauses.publish(Empty())

    def _send_joy(self) -> None:
        if self.present:
            self.send_joy()

    def send_joy(self) -> None:
        """What the hands do now."""
        self.joy_s = time.monotonic()
        self.joys.publish(Joy(axes=[0.0] * AXES, buttons=[int(b in self.down) for b in Button]))

    def call(self, service: str) -> tuple[bool, str]:
        """Calls `arm` or `stop`; again when a gate that has just ended or begun does not answer."""
        client, began_s = self._services[service], time.monotonic()
        while time.monotonic() < began_s + START_S:
            if client.wait_for_service(1.0):
                answer = client.call_async(Trigger.Request())
                with contextlib.suppress(TimeoutError):
                    self.until(answer.done, f"{service} is answered", 2.0)
                    return bool(answer.result().success), str(answer.result().message)
        raise TimeoutError(f"gate/{service} does not answer: {self.logged()}")

    # What the gate says

    def _on_command(self, message: Any) -> None:
        p = message.pose.position
        self.commands.append(Command(time.monotonic(), ros_messages.stamp_ns(message), (p.x, p.y, p.z)))

    def _on_hold(self, message: Any) -> None:
        self.holds.append((time.monotonic(), message.data))

    def _on_state(self, message: Any) -> None:
        self.report = read_state(message)

    def go(self) -> None:
        """Armed, commanded and moving."""
        self.measuring = self.commanding = True
        self.until(lambda: self.tools.get_subscription_count() and self.report.cause != "not heard", "is up")
        self.until(lambda: self.poses.get_subscription_count() > 0, "hears actions")
        before = len(self.commands)
        self.until(lambda: self._moves(before), "moves")

    def _moves(self, before: int) -> bool:
        """Whether commands come again; arms it, also when this machine made the commander late meanwhile."""
        if self.report.mode in (Mode.DISARMED, Mode.STOPPED):
            self.call("arm")
            time.sleep(0.01)
        return self.report.mode is Mode.ACTIVE and len(self.commands) > before

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = START_S) -> float:
        """Seconds until a condition held."""
        began_s = time.monotonic()
        while not condition():
            if time.monotonic() - began_s > timeout_s:
                raise TimeoutError(f"'{what}' not within {timeout_s:g} s; {self.report}; {self.logged()}")
            time.sleep(0.001)
        return time.monotonic() - began_s

    def hold_after(self, since_s: float, timeout_s: float = 2.0) -> tuple[float, str]:
        """When and why the gate first said hold after a moment."""
        self.until(lambda: any(at_s >= since_s for at_s, _ in self.holds), "holds", timeout_s)
        return next(hold for hold in self.holds if hold[0] >= since_s)

    def logged(self) -> str:
        """The end of what the gate wrote."""
        return pathlib.Path(self.log.name).read_text()[-600:]

    def stopped_itself(self, cause: str) -> bool:
        """Whether the last stop is only this rig's: its commander came too late just before."""
        return cause == NO_ACTION and self.gap_s(time.monotonic() - 3.0) >= LATE_S

    @contextlib.contextmanager
    def stranger(self, name: str) -> Iterator[Peer]:
        """Another participant; the robot is moving, also when that took long."""
        with Peer(name, self.domain) as peer:
            self.go()
            yield peer

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The gate stands still meanwhile."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def kill(self) -> None:
        """`kill -9` of the gate."""
        self.process.kill()
        self.process.wait()
        self.report = GateReport(Mode.DISARMED, "not heard", {})

    def close(self) -> None:
        """Ends the gate and leaves the graph."""
        self.commanding = self.measuring = self.present = False
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10.0)
        self.peer.close()
        self.log.close()

    def __enter__(self) -> "GateRig":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def gate_rig(**settings: Any) -> Iterator[GateRig]:
    """A rig whose files are removed at the end."""
    with tempfile.TemporaryDirectory() as folder, GateRig(pathlib.Path(folder), **settings) as rig:
        yield rig


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
