"""The gate's state as a `diagnostic_msgs/DiagnosticArray`, there and back; no rclpy import here."""

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from sandlot.robots.gate import Mode

NAME = "gate"
_LEVELS = {
    Mode.DISARMED: DiagnosticStatus.WARN,
    Mode.ARMED: DiagnosticStatus.OK,
    Mode.ACTIVE: DiagnosticStatus.OK,
    Mode.STOPPED: DiagnosticStatus.ERROR,
}


class GateReport(NamedTuple):
    """What the gate says of itself: its mode, why, and its counters and figures by name."""

    mode: Mode
    cause: str
    values: dict[str, str]


def state_message(mode: Mode, cause: str, values: Mapping[str, str]) -> DiagnosticArray:
    """One status: message "MODE: cause", and the values, mode and cause among them."""
    status = DiagnosticStatus(level=_LEVELS[mode], name=NAME, message=f"{mode.name}: {cause}")
    everything = {"mode": mode.name, "cause": cause, **values}
    status.values = [KeyValue(key=key, value=value) for key, value in everything.items()]
    message = DiagnosticArray(status=[status])
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    message.header.stamp = Time(sec=seconds, nanosec=nanoseconds)
    return message


def read_state(message: Any) -> GateReport:
    """The inverse of `state_message`; raises ValueError for another node's diagnostics."""
    values = {v.key: v.value for v in message.status[0].values} if message.status else {}
    if values.get("mode") not in Mode.__members__:
        raise ValueError("a diagnostic message without a status that holds the gate's 'mode'")
    return GateReport(Mode[values["mode"]], values.get("cause", ""), values)
