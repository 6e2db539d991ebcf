"""What a gate's state means for whoever commands the robot. Pure."""

from collections.abc import Container
from typing import Protocol

from sandlot.robots.gate import Mode

SILENT_S = 0.5
"""A gate says its state ten times a second."""


class Report(Protocol):
    """What the gate says of itself (`gate_messages.GateReport`)."""

    @property
    def mode(self) -> Mode:
        """Its mode."""

    @property
    def cause(self) -> str:
        """Why it is in that mode."""


def gate_fault(report: Report | None, silent_s: float, modes: Container[Mode], namespace: str) -> str:
    """Why the robot does not move, and what helps; "" when the gate is in one of `modes`.

    Args:
        report: what the gate said last, None before it spoke.
        silent_s: how long ago that was.
        modes: what is fine.
        namespace: of the robot.
    """
    if report is None or silent_s > SILENT_S:
        return f"the gate is silent and nothing moves without it; start it with `sandlot up {namespace}`"
    if report.mode in modes:
        return ""
    if report.mode is Mode.ARMED:
        return "the gate took no action; its counters on gate/state say why"
    return (
        f"the gate is {report.mode.name}: {report.cause}; see that the robot may move, then arm it (the arm "
        f"button, or service /{namespace}/gate/arm)"
    )
