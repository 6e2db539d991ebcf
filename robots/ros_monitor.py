"""A node that hears every topic of a robot and decodes little: rates, ages, the gate, lifecycle states.

Messages are taken in batches, not one callback each: the middleware notes when each arrived, so watching
costs the robot's machine a few per cent of one core instead of a quarter.
"""

import contextlib
import logging
import struct
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402  after its environment
from lifecycle_msgs.srv import GetState  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.serialization import deserialize_message  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402

from sandlot.robots import gate_messages, ros_qos  # noqa: E402
from sandlot.robots.monitor import SILENT_S, Diagnosis, GateLog, TopicStats  # noqa: E402
from sandlot.robots.ros_latest import Polled  # noqa: E402
from sandlot.robots.topics import DIAGNOSTICS, ESTOP, GATE_STATE, Topic  # noqa: E402

log = logging.getLogger(__name__)

POLL_S, IDLE_S = 0.02, 0.1
LOOK_S = 0.5
"""How often the graph is asked for new topics, and lifecycle nodes for their state."""
DEPTH = 50
GLOBAL = (ESTOP.name, DIAGNOSTICS.name)


class _Heard:
    """One topic, its subscription and what came."""

    def __init__(self, node: Node, name: str, type_name: str, group: Polled) -> None:
        self.message = ros_qos.message_class(Topic(name, type_name, "sensor"))
        fields = self.message.get_fields_and_field_types()
        self.stamped = next(iter(fields.values()), "") == "std_msgs/Header"
        self.stats = TopicStats(type_name)
        self.total = 0
        self.subscription = node.create_subscription(
            self.message, name, lambda _: None, _profile(node, name), callback_group=group, raw=True
        )

    def take(self) -> list[bytes]:
        """Every message since the last call, undecoded."""
        found = []
        with self.subscription.handle:
            while (taken := self.subscription.handle.take_message(self.message, True)) is not None:
                raw, info = taken
                arrived_s = info["received_timestamp"] * 1e-9
                self.stats.add(arrived_s, arrived_s - stamp_s(raw) if self.stamped else None)
                found.append(raw)
        self.total += len(found)
        return found


class Monitor:
    """Watches one robot from a thread of its own until it is closed.

    Args:
        namespace: of the robot, `/arm`.
        lifecycle: full names of its lifecycle nodes.
        name: of its own node.
        without: message types that are not listened to.
    """

    def __init__(
        self,
        namespace: str,
        lifecycle: Sequence[str],
        *,
        name: str = "monitor",
        without: Collection[str] = (),
    ) -> None:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.namespace, self._without = namespace, without
        self.node = rclpy.create_node(name, namespace=namespace, start_parameter_services=False)
        self.gate = GateLog()
        self.diagnostics: dict[str, Diagnosis] = {}
        self.lifecycle = dict.fromkeys(lifecycle, "silent")
        self._clients = {n: self.node.create_client(GetState, f"{n}/get_state") for n in lifecycle}
        self._asked: dict[str, tuple[Any, float]] = {}
        self._heard: dict[str, _Heard] = {}
        self._decoded: dict[str, Callable[[Any], None]] = {
            GATE_STATE.full_name(namespace): self._hear_gate,
            DIAGNOSTICS.name: self._hear_diagnostics,
        }
        self._group = Polled()
        self._attentive = True
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="monitor", daemon=True)
        self._thread.start()

    def topics(self) -> dict[str, dict[str, Any]]:
        """The figures of every topic that was heard, by name."""
        now_s = time.time()
        with self._lock:
            return {n: h.stats.summary(now_s) for n, h in sorted(self._heard.items()) if h.stats.count}

    def count(self, topic: str) -> int:
        """How many messages ever came on a topic."""
        with self._lock:
            return self._heard[topic].total if topic in self._heard else 0

    def restart_counts(self) -> None:
        """Forgets rates and ages, which begin now; what was counted in all stays."""
        with self._lock:
            for heard in self._heard.values():
                heard.stats = TopicStats(heard.stats.type)

    def attend(self, attentive: bool) -> None:
        """Whether to hear every topic, or the gate and diagnostics alone, which costs next to nothing."""
        with self._lock:
            if attentive and not self._attentive:
                for name in self._heard.keys() - self._decoded.keys():
                    self._heard[name].take()  # what came meanwhile
                    self._heard[name].stats = TopicStats(self._heard[name].stats.type)
            self._attentive = attentive

    def close(self) -> None:
        """Ends the thread and the node."""
        self._stop.set()
        self._thread.join()
        rclpy.try_shutdown()

    def _watch(self) -> None:
        executor = SingleThreadedExecutor()
        executor.add_node(self.node)
        looked_s = 0.0
        while not self._stop.wait(POLL_S if self._attentive else IDLE_S):
            if time.monotonic() - looked_s > LOOK_S:
                looked_s = time.monotonic()
                self._look()
                self._ask()
            executor.spin_once(timeout_sec=0.0)
            self._poll()

    def _poll(self) -> None:
        with self._lock:
            for name, heard in self._heard.items():
                hear = self._decoded.get(name)
                if hear is None and not self._attentive:
                    continue
                for raw in heard.take():
                    if hear is not None:
                        hear(deserialize_message(raw, heard.message))

    def _hear_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {v.key: v.value for v in status.values}
            self.diagnostics[status.name] = Diagnosis(status.message, values)

    def _hear_gate(self, message: Any) -> None:
        with contextlib.suppress(ValueError):  # somebody else's diagnostics
            report = gate_messages.read_state(message)
            self.gate.hear(
                {**report.values, "mode": report.mode.name, "cause": report.cause}, time.monotonic()
            )

    def _look(self) -> None:
        """Subscribes to what is new in the robot's namespace."""
        for name, types in self.node.get_topic_names_and_types():
            ours = name.startswith(f"{self.namespace}/") or name in GLOBAL
            if name in self._heard or not ours or name.endswith(("/_service_event", "/transition_event")):
                continue
            if types[0] in self._without or not self.node.count_publishers(name):
                continue
            try:
                heard = _Heard(self.node, name, types[0], self._group)
            except (ImportError, AttributeError) as error:
                log.warning("event=topic_not_watched name=%s type=%s error=%r", name, types[0], str(error))
                continue
            with self._lock:
                self._heard[name] = heard

    def _ask(self) -> None:
        """Asks lifecycle nodes for their states and takes in earlier answers."""
        now_s = time.monotonic()
        for name, client in self._clients.items():
            asked, asked_s = self._asked.pop(name, (None, now_s))
            if asked is not None and asked.done() and asked.result() is not None:
                self.lifecycle[name] = asked.result().current_state.label
            elif asked is not None and now_s - asked_s < SILENT_S:
                self._asked[name] = asked, asked_s
                continue
            elif asked is not None:
                client.remove_pending_request(asked)
                self.lifecycle[name] = "silent"
            if client.service_is_ready():
                self._asked[name] = client.call_async(GetState.Request()), now_s
            else:
                self.lifecycle[name] = "silent"


def stamp_s(raw: bytes) -> float:
    """The stamp in a serialised message that begins with a header (CDR: 4 bytes, then sec and nanosec)."""
    seconds, nanoseconds = struct.unpack_from("<iI" if raw[1] & 1 else ">iI", raw, 4)
    return float(seconds + 1e-9 * nanoseconds)


def _profile(node: Node, name: str) -> QoSProfile:
    """As reliable as the topic's publishers, with room for what arrives between two polls."""
    offered = [info.qos_profile for info in node.get_publishers_info_by_topic(name)]
    reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offered)
    latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )
