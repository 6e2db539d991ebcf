"""`sandlot gate arm|stop`."""

import dataclasses
import sys
from typing import Literal

import tyro

from sandlot.cli import parse
from sandlot.learners.process import die_with_parent, stop_on_signals
from sandlot.robots import ros_env
from sandlot.robots.graph import Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateCall:
    """Arm the gate of a robot that is up, or stop the robot.

    Attributes:
        what: `arm`: let the next valid action move it; `stop`: hold until it is armed again.
        robot: whose gate.
        wait: keep trying for so many seconds.
    """

    what: tyro.conf.Positional[Literal["arm", "stop"]]
    robot: Kind = "arm"
    wait: float = 5.0


def main(argv: list[str]) -> int:
    """Calls the gate once."""
    die_with_parent()
    asked = parse(GateCall, argv, prog="gate")
    stop = stop_on_signals()
    ros_env.require()
    from sandlot.robots import ros_gate_client  # noqa: PLC0415  (an extra)

    sys.stdout.write(ros_gate_client.call(f"/{asked.robot}", asked.what, asked.wait, stop) + "\n")
    return 0
