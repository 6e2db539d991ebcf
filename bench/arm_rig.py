"""An arm in real time for stop tests: driver, gate, commander and operator as processes, and who watches."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from tests.ros_domain import environment

from bench.gate_rig import NAMESPACE, ROOT, Peer
from sandlot.learners import process
from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.gate import Mode
from sandlot.robots.gate_messages import GateReport, read_state
from sandlot.robots.stamps import StampClock, read_clocks
from sandlot.robots.topics import GATE_STATE, JOY

from std_srvs.srv import Trigger  # isort: skip

START_S = 90.0
STILL_RADPS, FAST_RADPS = 0.02, 0.3
OPERATOR_TIMEOUT_S = 0.12
KEPT_S = 5.0
LEVEL = 20
MODULES = {
    "driver": ("sandlot.robots.arm.arm_node",),
    "gate": (
        "sandlot.robots.arm.gate_node", "--ros-args", "-p", f"operator_timeout_s:={OPERATOR_TIMEOUT_S}",
    ),
    "operator": ("bench.arm_peers", "operator"),
    "commander": ("bench.arm_peers", "commander"),
}  # fmt: skip


class Speed(NamedTuple):
    """What the driver measured: when, by the steady clock, and the fastest joint's speed."""

    measured_s: float
    radps: float


class Heartbeat:
    """A thread that goes before all others and notes when even it could not run: the machine stood still."""

    PERIOD_S, STALL_S = 0.005, 0.05

    def __init__(self) -> None:
        self._stalled_s, self._stop = -np.inf, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        process.take_precedence(LEVEL)
        last_s = time.monotonic()
        while not self._stop.wait(self.PERIOD_S):
            now_s = time.monotonic()
            if now_s - last_s > self.STALL_S:
                self._stalled_s = now_s
            last_s = now_s

    def has_stalled_since(self, at_s: float) -> bool:
        """Whether it was held up after a moment."""
        return self._stalled_s > at_s

    def close(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join()


class ArmRig:
    """The processes, each started again when it is needed and gone, and what is heard of them.

    Attributes:
        speeds: of the last seconds.
        obeyed_s: when the newest action was stamped that came through the gate.
        joy_s: when the operator was last heard.
        holds: when the gate said hold, and why.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.env = {**environment(folder), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.speeds: deque[Speed] = deque(maxlen=round(KEPT_S * topics.STATE_HZ))
        self.holds: deque[tuple[float, str]] = deque(maxlen=100)
        self.obeyed_s = self.joy_s = 0.0
        self.report = GateReport(Mode.DISARMED, "not heard", {})
        self._stamps, self._heartbeat = StampClock(), Heartbeat()
        self.has_stalled_since = self._heartbeat.has_stalled_since
        self._peer = Peer("watcher", int(self.env["ROS_DOMAIN_ID"]))
        node = self._peer.node
        ros_node.subscription(node, topics.JOINT_STATES, self._on_joints)
        ros_node.subscription(node, topics.COMMAND_POSE, self._on_command)
        ros_node.subscription(node, topics.COMMAND_HOLD, self._on_hold)
        ros_node.subscription(node, GATE_STATE, self._on_gate)
        ros_node.subscription(node, JOY, self._on_joy)
        self._arm = node.create_client(Trigger, "gate/arm")
        self._peer.start()

    def _steady_s(self, message: Any) -> float:
        return self._stamps.steady_s(ros_messages.stamp_s(message), read_clocks())

    def _on_joints(self, message: Any) -> None:
        self.speeds.append(Speed(self._steady_s(message), max(map(abs, message.velocity))))

    def _on_command(self, message: Any) -> None:
        self.obeyed_s = self._steady_s(message)

    def _on_hold(self, message: Any) -> None:
        self.holds.append((time.monotonic(), message.data))

    def _on_gate(self, message: Any) -> None:
        self.report = read_state(message)

    def _on_joy(self, _: Any) -> None:
        self.joy_s = time.monotonic()

    def start(self, name: str) -> None:
        """Starts a process unless it lives."""
        old = self.processes.get(name)
        if old is not None and old.poll() is None:
            return
        module, *arguments = MODULES[name]
        if "--ros-args" not in arguments:
            arguments.append("--ros-args")
        argv = [sys.executable, "-m", module, *arguments, "-r", f"__ns:={NAMESPACE}"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(argv, env=self.env, stdout=log, stderr=log)

    def send(self, name: str, number: int) -> None:
        """A signal to one of the processes."""
        os.kill(self.processes[name].pid, number)

    def moving(self) -> None:
        """Everything runs, the gate is armed, the arm is fast."""
        for name in MODULES:
            self.start(name)
        until_s = time.monotonic() + START_S
        while not self.is_moving():
            if time.monotonic() > until_s:
                raise TimeoutError(
                    f"the arm did not move: {self.report}, {self.speeds[-1:]}; see {self.folder}"
                )
            if self.report.mode in (Mode.DISARMED, Mode.STOPPED) and self._arm.service_is_ready():
                self._arm.call_async(Trigger.Request())
            time.sleep(0.1)

    def is_moving(self) -> bool:
        """Whether commands pass, and the arm is fast."""
        newest, now_s = self.speeds[-1] if self.speeds else Speed(0.0, 0.0), time.monotonic()
        lively = now_s - newest.measured_s < 0.1 and now_s - self.obeyed_s < 0.13
        return lively and newest.radps > FAST_RADPS and self.report.mode is Mode.ACTIVE

    def rest_s(self, since_s: float) -> float:
        """When the arm came to rest for good: the first measurement after the last fast one since then."""
        seen = [s for s in list(self.speeds) if s.measured_s >= since_s]
        fast = np.flatnonzero([s.radps >= STILL_RADPS for s in seen])
        if not fast.size:
            return since_s
        return seen[fast[-1] + 1].measured_s if fast[-1] + 1 < len(seen) else np.inf

    def end(self, name: str) -> None:
        """SIGKILL, waited for; whatever it listened to is free again."""
        self.processes[name].kill()
        self.processes[name].wait()

    def __enter__(self) -> "ArmRig":
        return self

    def __exit__(self, *_: object) -> None:
        for child in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGCONT)
            child.terminate()
        for child in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(10.0)
            child.kill()
        self._heartbeat.close()
        self._peer.close()
