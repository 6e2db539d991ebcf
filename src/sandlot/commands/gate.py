"""`sandlot gate arm|stop`."""

import dataclasses
import sys
from typing import Literal

import tyro

from sandlot.cli import parse
from sandlot.learners.errors import ConfigError
from sandlot.learners.process import die_with_parent, stop_on_signals
from sandlot.robots import ros_env
from sandlot.robots.graph_config import Kind


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateCall:
    """Arm the gate of a robot that is up, or stop the robot.

    Attributes:
        what: `arm`: let the next valid action move it; `stop`: hold until it is armed again.
        robot: whose gate.
        wait: keep trying for so many seconds.
        keep: stay, and arm a simulated robot again whenever it was stopped for want of time; on hardware a
            person looks first.
    """

    what: tyro.conf.Positional[Literal["arm", "stop"]]
    robot: Kind = "arm"
    wait: float = 5.0
    keep: bool = False

    def __post_init__(self) -> None:
        if self.keep and self.what != "arm":
            raise ConfigError("--keep goes with `arm`: sandlot gate arm --keep")


def main(argv: list[str]) -> int:
    """Calls the gate once, or keeps it armed."""
    die_with_parent()
    asked = parse(GateCall, argv, prog="gate")
    stop = stop_on_signals()
    ros_env.require()
    from sandlot.robots import ros_gate_client  # noqa: PLC0415  (an extra)

    namespace = f"/{asked.robot}"
    if asked.keep:
        ros_gate_client.keep_armed(namespace, stop)
    else:
        sys.stdout.write(ros_gate_client.call(namespace, asked.what, asked.wait, stop) + "\n")
    return 0
