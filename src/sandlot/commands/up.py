"""`sandlot up ROBOT`."""

import contextlib
import dataclasses
import importlib.util
import logging
import math
import os
import pathlib
import threading
import time
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.live import Live

from sandlot.cli import parse, print_result
from sandlot.learners import prepare
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.process import stop_on_signals
from sandlot.learners.progress import read_status
from sandlot.learners.real_time import complaint_in
from sandlot.robots import graph, monitor, ros_env, shared_memory, up_view
from sandlot.robots.graph_config import UpConfig
from sandlot.robots.graph_run import Runs, open_runs
from sandlot.robots.kinds import KINDS
from sandlot.robots.lock import InstanceLock
from sandlot.robots.monitor import Diagnosis
from sandlot.robots.supervise import ProcessState, Supervisor

log = logging.getLogger(__name__)

TICK_S = 0.5
START_WITHIN_S = 120.0
TOLD = ("state", "lifecycle", "mode", "cause", "restarts", "last_line", "waits")
FIGURES = (
    "state", "env_steps", "episodes", "updates", "policy_version", "success_50", "utilisation",
    "trials_per_hour", "resets", "calls",
)  # fmt: skip
"""Of a run's status, those that the summary repeats."""
FAILED_EXIT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpFlags(UpConfig):
    """A robot with everything that drives it: driver, gate, learner and actor, a person's hands, a recorder.

    Attributes:
        for_s: end after so many seconds with everything up, or two minutes later where something does not
            come up; 0 runs until Ctrl-C.
        json: end with one line of JSON.
    """

    for_s: Annotated[float, tyro.conf.arg(name="for")] = 0.0
    json: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.for_s < math.inf:
            raise ConfigError(f"--for is {self.for_s:g} s; use seconds, or 0 to run until Ctrl-C")


def main(argv: list[str]) -> int:
    """Runs the graph; exit code 1 when it ended with something down."""
    flags = parse(UpFlags, argv, prog="up")
    ros_env.require()
    if importlib.util.find_spec("supervisor") is None:
        raise ConfigError("package 'supervisor' is not installed; install it with: pip install 'sandlot[up]'")
    graph.check_parameters(flags)
    stop = stop_on_signals()
    with InstanceLock(f"{flags.namespace}/up"):
        summary = Up(flags, open_runs(flags)).run(stop)
    print_result(summary if flags.json else up_view.flat(summary), as_json=flags.json)
    return 0 if summary["ok"] else FAILED_EXIT


class Up:
    """One graph, from its start to its end."""

    def __init__(self, flags: UpFlags, runs: Runs) -> None:
        """Nothing is started yet."""
        from sandlot.robots.ros_monitor import Monitor  # noqa: PLC0415  (an extra)

        shared_memory.clean()
        self.flags, self.runs = flags, runs
        self.specs = graph.nodes(flags, *runs)
        logs = (runs.folder / prepare.LOGS).absolute()
        environment = {**os.environ, "ROS_LOG_DIR": str(logs / "ros")}
        self.supervisor = Supervisor(self.specs, logs, environment)
        self.monitor = Monitor(flags.namespace, [s.node for s in self.specs if s.lifecycle])
        self.began_s = time.monotonic()
        self.up_s: float | None = None
        self._told: dict[str, str] = {}

    def run(self, stop: threading.Event) -> dict[str, Any]:
        """Until stopped, or for as long as was asked for; raises why a process was refused."""
        console = Console(stderr=True)
        live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        try:
            with live or contextlib.nullcontext():
                while not stop.wait(TICK_S) and not self._over():
                    summary = self.summary()
                    if live:
                        live.update(up_view.render(summary), refresh=True)
                    else:
                        self._tell_changes(summary["nodes"])
            return self.summary()
        finally:
            self.supervisor.stop()
            self.monitor.close()
            shared_memory.clean()

    def _over(self) -> bool:
        now_s = time.monotonic()
        states = self.supervisor.states()
        for spec in self.specs:
            if states[spec.name].refused:
                raise SandlotError(self._refusal(spec))
        if self.up_s is None and (self._is_up(states) or now_s - self.began_s > START_WITHIN_S):
            self.up_s = now_s
            self.monitor.restart_counts()
        return self._learned(states) or bool(
            self.flags.for_s and self.up_s and now_s - self.up_s >= self.flags.for_s
        )

    def _learned(self, states: dict[str, ProcessState]) -> bool:
        """Whether nothing is left to learn; of two in turn each learner goes on until the other is done."""
        if self.runs.back is None:
            return "learner" in states and states["learner"].done
        folders = (self.runs.folder, self.runs.back.folder)
        return all(_status(folder).get("state") == "done" for folder in folders)

    def _refusal(self, spec: graph.NodeSpec) -> str:
        """Why a process was refused, in its own words, and where its parameters are."""
        where = (
            f"; its parameters are in {', '.join(map(str, spec.params_files))}" if spec.params_files else ""
        )
        return f"{spec.name} was refused: {self.supervisor.last_line(spec.name)}{where}"

    def _tell_changes(self, nodes: dict[str, dict[str, Any]]) -> None:
        """One line in the log for whatever is in another state than before."""
        for name, node in nodes.items():
            words = " ".join(f"{key}={node[key]!r}" for key in TOLD if key in node)
            if self._told.get(name) != words:
                self._told[name] = words
                log.info("event=node name=%s %s", name, words)

    def _is_up(self, states: dict[str, ProcessState]) -> bool:
        """Whether all that shall run does and, with an actor, the robot is commanded."""
        return not self._down(states) and (not self.flags.learner or self.monitor.gate.mode == "ACTIVE")

    def _down(self, states: dict[str, ProcessState]) -> list[str]:
        """What should be running and is not."""
        may_end = {"learner", "learner_back"}
        down = [n for n, s in states.items() if s.state != "running" and not (s.done and n in may_end)]
        down += [s.name for s in self.specs if s.lifecycle and self.monitor.lifecycle[s.node] != "active"]
        return down + (["gate"] if self.monitor.gate.state(time.monotonic()) == "silent" else [])

    def summary(self) -> dict[str, Any]:
        """What the graph is and does now."""
        now_s = time.monotonic()
        states, gate = self.supervisor.states(), self.monitor.gate
        sent = self.monitor.count(f"{self.flags.namespace}/{KINDS[self.flags.kind].action}")
        down = sorted(set(self._down(states)))
        driver = self.monitor.diagnostics.get(f"{self.flags.namespace}/driver", Diagnosis())
        return {
            "kind": self.flags.kind,
            "robot": self.flags.robot,
            "task": self.flags.task,
            "run": str(self.runs.folder),
            "seconds": round(now_s - (self.up_s or now_s), 2),
            "ok": not down,
            "down": down,
            "nodes": {spec.name: self._node(spec, states[spec.name], now_s) for spec in self.specs},
            "topics": self.monitor.topics(),
            "commands": monitor.commands(gate, sent) | driver.ages_ms(),
            "stops": {"count": gate.stops.total(), "causes": dict(gate.stops)},
            "holds": driver.holds(),
            "learner": figures(self.runs.folder),
            **({"back": self._back(self.runs.back)} if self.runs.back else {}),
        }

    def _back(self, back: graph.Back) -> dict[str, Any]:
        return {"task": back.task, "run": str(back.folder), "learner": figures(back.folder)}

    def _node(self, spec: graph.NodeSpec, state: ProcessState, now_s: float) -> dict[str, Any]:
        found: dict[str, Any] = {"state": state.state, "pid": state.pid, "restarts": state.restarts}
        if spec.lifecycle:
            found["lifecycle"] = self.monitor.lifecycle[spec.node]
        if spec.name == "gate":
            found["mode"] = self.monitor.gate.state(now_s) if state.pid else "down"
            found["cause"] = self.monitor.gate.cause
        if spec.node in self.monitor.diagnostics:
            found["says"] = self.monitor.diagnostics[spec.node].text
        waits = spec.name == "actor" and self.monitor.gate.mode == "STOPPED"
        if waits and state.pid:
            found["waits"] = complaint_in(self.supervisor.last_lines(spec.name))
        if state.exit_code:  # of its last end, if there was one
            found["last_line"] = self.supervisor.last_line(spec.name)
        return found


def figures(folder: pathlib.Path) -> dict[str, Any]:
    """How a run is doing, in few numbers; empty while its learner has not said anything."""
    status = _status(folder)
    return {name: status[name] for name in FIGURES if name in status}


def _status(folder: pathlib.Path) -> dict[str, Any]:
    return read_status(folder / prepare.STATUS_FILE)
