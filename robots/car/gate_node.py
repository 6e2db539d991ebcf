"""The car's gate: `python -m sandlot.robots.car.gate_node --ros-args -r __ns:=/car`.

Starts disarmed. It listens to `drive` and `teleop`; services `gate/arm` and `gate/stop`, state and causes on
`gate/state`. Unless `deadman_button` is -1 somebody must hold that button of a joystick all the time.
"""

import dataclasses
import math
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_node
from sandlot.robots.car import deadman, ros_messages, topics
from sandlot.robots.car.deadman import ANY, DeadmanConfig
from sandlot.robots.car.gate_limits import Allowance, Asks, Sent, fault_of, heeded, limited, offered, standing
from sandlot.robots.car.spec import CarCommand, CarLimits
from sandlot.robots.gate import Decision
from sandlot.robots.gate_node import GateNode, GateParams, commander_of
from sandlot.robots.ros_latest import Latest
from sandlot.robots.stamps import Clocks, is_fresh, read_clocks
from sandlot.robots.teleop.mapping import Button

PRECEDENCE = 10
"""Before actor and driver, which compute: the gate needs little time, but that at once."""
SILENT_S = 0.3
"""A driver that told nothing of its wheels for so long is dead."""
LET_GO_S = 0.04
"""A person silent for so long: a policy that is alive keeps their command in force until the deadline."""


@dataclass(frozen=True, kw_only=True)
class CarGateParams(GateParams):
    """A gate's settings.

    Attributes:
        task: what is practised; for the record.
        deadman_button: which button of the joystick must be held; -1: none, for simulated cars.
        fastest_mps: no command is faster; the policy's own limit by default.
        reverse_mps: nor faster backwards.
    """

    period_s: float = 0.02
    deadline_s: float = 0.09
    starved_s: float = 0.08
    fresh_s: float = 0.08
    task: str = "car_hall"
    deadman_button: int = int(Button.GO)
    fastest_mps: float = CarLimits.fastest_mps
    reverse_mps: float = CarLimits.reverse_mps

    def __post_init__(self) -> None:
        super().__post_init__()
        self.deadman, self.limits  # noqa: B018  (they check themselves)
        if self.deadman_button != ANY and not self.operator_timeout_s:
            raise ConfigError(
                f"gate setting 'operator_timeout_s' is 0: deadman_button {self.deadman_button} is watched "
                "with a time-out only; start it with --teleop gamepad, or set "
                "deadman_button to -1 for a simulated car"
            )

    @property
    def deadman(self) -> DeadmanConfig:
        """Which button must be held."""
        return DeadmanConfig(button=self.deadman_button)

    @property
    def limits(self) -> CarLimits:
        """What commands are kept in."""
        return CarLimits(fastest_mps=self.fastest_mps, reverse_mps=self.reverse_mps)


class CarGateNode(GateNode[Sent, CarGateParams]):
    """Speeds and steering angles through the gate."""

    def __init__(self) -> None:
        super().__init__(CarGateParams, topics.PAUSE, topics.HOLD)
        self._limits, self._allowance = self.params.limits, Allowance()
        self._asks, self._teleop_s = Asks.DRIVE, -math.inf
        self._wheels = Latest(self, topics.WHEELS)
        self._out = ros_node.publisher(self, topics.COMMAND)
        for topic, asks in ((topics.DRIVE, Asks.DRIVE), (topics.TELEOP, Asks.TELEOP)):
            ros_node.subscription(self, topic, _taking(self._on_wish, asks))

    def send(self, command: Sent) -> None:
        """With the stamp of what asked for it."""
        self._out.publish(ros_messages.command_message(command.command, command.stamp_ns))

    def robot_silent(self, clocks: Clocks) -> bool:
        """Whether the wheels were not heard of lately, though they once were."""
        message = self._wheels.get()
        age_s = 0.0 if message is None else self.stamps.age_s(ros_messages.stamp_s(message), clocks)
        return not is_fresh(age_s, SILENT_S)

    def robot_fault(self) -> str:
        """What the driver says of the drive: it is told for long enough to be found here."""
        message = self._wheels.get()
        faulty = message is not None and ros_messages.wheels_from(message).get("fault", 0.0) != 0.0
        return "drive fault" if faulty else ""

    def hear_person(self, message: Any, now_s: float) -> Decision[Sent]:
        """A person is there while they hold the deadman's button."""
        return deadman.hear(self.state, message.buttons, now_s, self.params, self.params.deadman)

    def _on_wish(self, asks: Asks, message: Any, info: Any) -> None:
        clocks = read_clocks()
        age_s = self.stamps.age_s(ros_messages.stamp_s(message), clocks)
        if asks is Asks.TELEOP and is_fresh(age_s, self.params.fresh_s):
            self._teleop_s = clocks.steady_s
        allowance = self._allowance if self.state.command is not None else standing(self._allowance)
        wanted = ros_messages.command_from(message)
        if not heeded(asks, clocks.steady_s, self._teleop_s):
            self.counts["overruled"] += 1
            silent_s = clocks.steady_s - self._teleop_s
            if silent_s < LET_GO_S:
                return
            wanted = allowance.command  # of a person whose joystick says so 20 times a second, or who let go
            if silent_s >= self.params.deadline_s:
                wanted = CarCommand(0.0, wanted.steering_rad)  # who did, and the policy has no turn yet
        if asks is not self._asks:  # a person takes over, or lets go: that is no second commander
            self._asks, self.state = asks, dataclasses.replace(self.state, commander=b"")
        command = CarCommand()
        if not fault_of(wanted):
            command, allowance = limited(wanted, allowance, clocks.steady_s, self._limits)
        stamp_ns, commander = ros_messages.stamp_ns(message), commander_of(info)
        accepted = self.counts["accepted"] + self.counts["clamped"]
        self.offer(offered(commander, wanted, stamp_ns, age_s, command), clocks, info)
        if self.counts["accepted"] + self.counts["clamped"] > accepted:
            self._allowance = allowance


def _taking(take: Any, asks: Asks) -> Any:
    """A callback with two arguments, which rclpy counts."""
    bound = partial(take, asks)

    def on_message(message: Any, info: Any) -> None:
        bound(message, info)

    return on_message


def main(argv: list[str] | None = None) -> int:
    """Runs the gate."""
    return ros_node.run_node("gate", CarGateNode, argv=argv, precedence=PRECEDENCE, control=True)


if __name__ == "__main__":
    sys.exit(main())
