"""The gate as a node, for any robot: a subclass knows what a command is, `gate` decides.

The node converts messages, owns the timers and counts. It is a small process of its own, one per robot, the
last thing before the driver.
"""

import abc
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_srvs.srv import Trigger

from sandlot.robots import gate, ros_node, ros_params, ros_qos
from sandlot.robots.estop import Pressed, Source, wiring_fault
from sandlot.robots.gate import Command, Decision, GateConfig, GateState, Mode, Offer
from sandlot.robots.gate_messages import state_message
from sandlot.robots.stamps import AHEAD_S, Clocks, StampClock, read_clocks
from sandlot.robots.teleop.mapping import Operator
from sandlot.robots.topics import ESTOP, GATE_STATE, JOY, Topic

log = logging.getLogger(__name__)

STATE_PERIOD_S = 0.1
LOOK_PERIOD_S = 0.5
IDLE_S = 60.0
LAST_WORD_S = 0.3
"""How long a gate that ends waits until the driver has heard its hold."""
UNNAMED = "_NODE_NAME_UNKNOWN_"
HISTORY = 5000
"""Ages, delays and periods that the figures are taken over: 100 s of ticks."""

_ANY = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE)
"""Matches every publisher: a press counts even from one whose quality of service is wrong."""


@dataclass(frozen=True, kw_only=True)
class GateParams(GateConfig):
    """The settings of a gate node; ROS parameters have these names.

    Attributes:
        auto_arm: arms itself once after its start: for simulated robots only.
        require_estop: refuses to arm while nobody publishes the e-stop, and stops when that ends.
    """

    auto_arm: bool = False
    require_estop: bool = False


Params = TypeVar("Params", bound=GateParams)


class GateNode(Node, abc.ABC, Generic[Command, Params]):
    """Services `~/arm` and `~/stop`, e-stop, operator, repeats, deadline and the state topic.

    Args:
        params: the class of its settings.
        pause: the topic on which the commander pauses.
        hold: the topic on which the robot is told to hold.
    """

    def __init__(self, params: type[Params], pause: Topic, hold: Topic) -> None:
        super().__init__("gate")
        self.params = ros_params.declare(self, params)
        ros_params.refuse_unknown(self)
        self.stamps = StampClock(jump_s=0.8 * AHEAD_S)
        self.state: GateState[Command] = GateState(since_s=time.monotonic())
        self.counts = Counter({"accepted": 0, "clamped": 0, "stops": 0, "late_ticks": 0})
        self._samples = {name: deque[float](maxlen=HISTORY) for name in ("command_age", "delay", "period")}
        self._figures: dict[str, str] = {}
        self._pressed, self._operator = Pressed(), Operator()
        self._unnamed: set[bytes] = set()
        self._wiring, self._armed_since = "", ""
        self._ticked_s = self._tell_s = self._look_s = 0.0
        self._arms_itself = self.params.auto_arm
        self._hold, self._state_out = ros_node.publisher(self, hold), ros_node.publisher(self, GATE_STATE)
        ros_node.subscription(self, pause, self._on_pause)
        ros_node.subscription(self, ESTOP, self._on_estop)
        self.create_subscription(ros_qos.message_class(ESTOP), ESTOP.name, self._on_estop, _ANY)
        ros_node.subscription(self, JOY, self._on_joy)
        self.create_service(Trigger, "~/arm", self._on_arm)
        self.create_service(Trigger, "~/stop", self._on_stop)
        ros_node.timer(self, self.params.period_s, self._on_tick)
        self._deadline = ros_node.timer(self, self.params.deadline_s, self._on_deadline)
        self._away = ros_node.timer(self, self.params.operator_timeout_s or IDLE_S, self._on_deadline)

    @abc.abstractmethod
    def send(self, command: Command) -> None:
        """Publishes a command."""

    def robot_silent(self, clocks: Clocks) -> bool:
        """Whether the driver no longer tells where the robot is: one that comes back was restarted."""
        return False

    def robot_fault(self) -> str:
        """What is wrong with the robot although its driver lives; it stops, and cannot be armed."""
        return ""

    def forget(self) -> None:
        """Called at every stop: what was asked for before must not move the robot after it."""
        return

    def hear_person(self, message: Any, now_s: float) -> Decision[Command]:
        """A Joy message that makes sense: somebody is there."""
        return gate.hear_operator(self.state, now_s, self.params)

    def close(self) -> None:
        """Called at the end of the process: the driver need not find out by itself."""
        self._stop("gate ended")
        # A message that was lost is sent again, but only while its sender lives.
        self._hold.wait_for_all_acked(Duration(seconds=LAST_WORD_S))

    def heard_from(self, commander: bytes) -> None:
        """Something of an action arrived that is not yet an offer."""
        self._apply(gate.hear_commander(self.state, commander, time.monotonic(), self.params))

    def offer(self, action: Offer[Command], clocks: Clocks, info: Any) -> None:
        """An action arrived; `info` is what the middleware says of its message."""
        decision = gate.offer(self.state, action, clocks.steady_s, self.params)
        self.counts[decision.note] += 1
        self._apply(decision)
        if decision.command is not None:
            self._deadline.reset()
            after = read_clocks()
            self._samples["command_age"].append(action.age_s + after.steady_s - clocks.steady_s)
            self._samples["delay"].append(after.wall_s - info["received_timestamp"] * 1e-9)

    def _apply(self, decision: Decision[Command]) -> None:
        """Sends what leaves the gate, first of all; then tells of a change."""
        before, self.state = self.state, decision.state
        if decision.hold:
            self._hold.publish(self._hold.msg_type(data=decision.hold))
        elif decision.command is not None:
            self.send(decision.command)
        if self.state.mode is before.mode and self.state.cause == before.cause:
            return
        if self.state.mode is Mode.STOPPED:
            self.counts["stops"] += 1
            self.forget()
        level = logging.WARNING if self.state.mode is Mode.STOPPED else logging.INFO
        log.log(level, "event=gate mode=%s cause=%r", self.state.mode.name, self.state.cause)
        self._publish_state()

    def _on_tick(self) -> None:
        clocks = read_clocks()
        self.stamps.look(clocks)
        now_s = clocks.steady_s
        if self._ticked_s:
            period_s = now_s - self._ticked_s
            self._samples["period"].append(period_s)
            self.counts["late_ticks"] += period_s > 1.5 * self.params.period_s
        self._ticked_s = now_s
        self._apply(gate.tick(self.state, now_s, self.params))
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_PERIOD_S
            self._look_around(clocks)
        if now_s >= self._tell_s:
            self._publish_state()

    def _on_deadline(self) -> None:
        """Set again by every action, and by every sign of the operator: a stop waits for no tick."""
        self._apply(gate.pass_time(self.state, time.monotonic(), self.params))
        if self.state.mode is not Mode.ACTIVE:
            self._deadline.cancel()
            self._away.cancel()

    def _on_pause(self, _: Any) -> None:
        self._apply(gate.pause(self.state, time.monotonic(), self.params))

    def _stop(self, cause: str) -> None:
        self._apply(gate.stop(self.state, cause, time.monotonic()))

    def _arm(self) -> str:
        """Arms; returns why not, or an empty string."""
        self._look_at_wiring()
        decision = gate.arm(
            self.state, time.monotonic(), self.params, forbidden=self._wiring or self.robot_fault()
        )
        self._apply(decision)
        if decision.refusal:
            log.warning("event=arming_refused cause=%r", decision.refusal)
        else:
            self._arms_itself = False
            self._armed_since = f"{time.time():.3f}"
        return decision.refusal

    def _on_arm(self, _: Any, response: Any) -> Any:
        refusal = self._arm()
        response.success, response.message = not refusal, refusal or "armed"
        return response

    def _on_stop(self, _: Any, response: Any) -> Any:
        self._stop("stop service")
        response.success, response.message = True, "stopped; call arm to let it move again"
        return response

    def _on_estop(self, message: Any, info: Any) -> None:
        """Pressed: stop first, all else later."""
        gid = info["publisher_gid"]["data"]
        publishing = frozenset() if message.data else frozenset(s.gid for s in self._estop_sources())
        self._pressed = self._pressed.hear(gid, message.data, publishing)
        self._apply(gate.set_estop(self.state, bool(self._pressed), time.monotonic()))

    def _on_joy(self, message: Any) -> None:
        now_s = time.monotonic()
        if not self._operator.offer(message.axes, message.buttons, now_s):
            self.counts["rejected_joy"] += 1
            if self.counts["rejected_joy"] == 1:
                log.warning("event=joy_refused cause=%r", self._operator.refusal)
            return
        self._apply(self.hear_person(message, now_s))
        self._away.reset()
        intent = self._operator.take(now_s)
        if intent.stop and self.state.mode is not Mode.STOPPED:
            self._stop("stop button")
        elif intent.arm and not intent.stop:
            self._arm()

    def _estop_sources(self) -> list[Source]:
        return [
            Source(
                node=f"{info.node_namespace.rstrip('/')}/{info.node_name}",
                type=info.topic_type,
                latched=info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                and info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
                gid=bytes(info.endpoint_gid),
            )
            for info in self.get_publishers_info_by_topic(ESTOP.name)
        ]

    def _look_at_wiring(self) -> None:
        sources = self._estop_sources()
        unnamed = {
            s.gid for s in sources if UNNAMED in s.node
        }  # just discovered: the name comes a little later
        named = [s for s in sources if s.gid not in unnamed - self._unnamed]
        self._unnamed = unnamed
        self._wiring = wiring_fault(named, self.params.require_estop)
        if self._wiring and self.state.mode in (Mode.ARMED, Mode.ACTIVE):
            self._stop(self._wiring)

    def _look_around(self, clocks: Clocks) -> None:
        """What need not be known at once: wiring, a dead driver, figures, arming by itself."""
        self._look_at_wiring()
        if self.state.mode in (Mode.ARMED, Mode.ACTIVE) and self.robot_silent(clocks):
            self._stop(gate.ROBOT_SILENT)
        fault = self.robot_fault()
        if fault and self.state.mode in (Mode.ARMED, Mode.ACTIVE):
            self._stop(fault)
        if self._arms_itself and self.state.mode is Mode.DISARMED:
            self._arm()
        for name, share in (("command_age", 50), ("command_age", 99), ("delay", 99), ("period", 99.9)):
            if self._samples[name]:
                value_ms = 1e3 * float(np.percentile(self._samples[name], share))
                self._figures[f"{name}_p{share:g}_ms".replace(".", "")] = f"{value_ms:.3f}"

    def _publish_state(self) -> None:
        self._tell_s = time.monotonic() + STATE_PERIOD_S - 0.5 * self.params.period_s
        values = {"armed_since": self._armed_since, "wiring": self._wiring, **self._figures}
        counts = {name: str(count) for name, count in self.counts.items()}
        self._state_out.publish(state_message(self.state.mode, self.state.cause, counts | values))


def commander_of(info: Any) -> bytes:
    """Who sent a message: the process's part of the publisher's DDS id, equal for all its topics."""
    return bytes(info["publisher_gid"]["data"][:12])
