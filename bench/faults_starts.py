"""Faults 22 and 23 at the command line: somebody starts a second one, or two ends that do not agree."""

import pathlib
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, NamedTuple

from bench.system_rig import TASK, Rig, damage, drain, tiny
from bench.transport_rig import row
from sandlot.learners.errors import SandlotError
from sandlot.learners.process import USAGE_EXIT, Child
from sandlot.learners.train import Supervisor

Row = dict[str, Any]
OTHER_TASK = "gymnasium:MountainCarContinuous-v0"
REFUSE_S = 2.0


class Said(NamedTuple):
    """How a command ended."""

    code: int
    stderr: str
    seconds: float

    @property
    def line(self) -> str:
        """What it had to say to a person: stderr without the log."""
        return "\n".join(x for x in self.stderr.splitlines() if x.startswith("sandlot "))


def sandlot(*words: str, timeout_s: float = 120.0) -> Said:
    """Runs `sandlot WORDS`; what does not end in time is killed and has code -9."""
    began_s = time.monotonic()
    command = [sys.executable, "-m", "sandlot", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            _, errors = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
    return Said(process.returncode, errors, time.monotonic() - began_s)


def bare_start_s() -> float:
    """Seconds that `sandlot` takes to start and to refuse a wrong flag: what the machine needs anyway."""
    return sandlot("train", "arm_pick", "--steps", "0").seconds


def refused(said: Said, *names: str) -> bool:
    """Whether a command was refused with exactly one line, which names these."""
    return said.code == USAGE_EXIT and said.line.count("\n") == 0 and all(n in said.line for n in names)


def fault_22_processes(injections: int = 100, seed: int = 0) -> Row:
    """`sandlot train`, `learner` and `actor` are started a second time on what a running one holds."""
    del seed  # every kind in turn
    violations, refuse_ms = 0, list[float]()
    with tempfile.TemporaryDirectory() as folder:
        with Rig(pathlib.Path(folder) / "run", tiny()) as rig:
            rig.start()
            host, spool = rig.address, str(rig.folder / "spool" / "actor-0")
            other = str(pathlib.Path(folder) / "elsewhere")
            actor = ["actor", TASK, "--learner", host, "--name", "actor-0", "--spool"]
            seconds: list[tuple[list[str], str]] = [
                (["train", TASK, "--run", str(rig.folder)], "is in use by process"),
                (["learner", TASK, "--run", str(rig.folder)], "is in use by process"),
                ([*actor, spool], "is in use by process"),
                ([*actor, other], "already connected"),
            ]
            config = (rig.folder / "config.yaml").read_bytes()
            pids, floor_s = (rig.learner.pid, rig.actor.pid), bare_start_s()
            for i in range(injections):
                words, why = seconds[i % len(seconds)]
                said = sandlot(*words)
                refuse_ms.append(said.seconds * 1e3)
                if said.seconds > REFUSE_S + floor_s:  # the machine may be busier than it was
                    floor_s = bare_start_s()
                violations += not refused(said, why) or said.seconds > REFUSE_S + floor_s
                before = rig.updates
                rig.until(lambda before=before: rig.updates > before, "trains on")
            violations += (rig.learner.pid, rig.actor.pid) != pids
            violations += (rig.folder / "config.yaml").read_bytes() != config
        drain(rig.folder)
        violations += damage(rig.folder)
    return row("22 second start at the command line", injections, violations, refuse_ms, "ms to refuse")


def fault_23_processes(injections: int = 100, seed: int = 0) -> Row:
    """An actor of another task comes to a learner, by hand and under a supervisor: refused by name."""
    del seed
    violations, refuse_ms = 0, list[float]()
    with tempfile.TemporaryDirectory() as folder:
        with Rig(pathlib.Path(folder) / "run", tiny()) as rig:
            rig.start()
            for i in range(injections):
                flags = ["--learner", rig.address, "--name", f"other-{i}", "--spool", f"{folder}/{i}"]
                if i % 4 == 3:
                    violations += not supervisor_reports(rig, flags)
                    continue
                said = sandlot("actor", OTHER_TASK, *flags)
                refuse_ms.append(said.seconds * 1e3)
                violations += not refused(said, "spec.task", TASK, OTHER_TASK)
            before = rig.updates
            rig.until(lambda: rig.updates > before, "trains on")
    return row("23 another task at the command line", injections, violations, refuse_ms, "ms to refuse")


def supervisor_reports(rig: Rig, flags: list[str]) -> bool:
    """Whether a supervisor whose actor is of another task ends with the reason."""
    supervisor = Supervisor(rig.folder, rig.config)
    supervisor.learner = rig.learner  # it must not be ended by this supervisor
    argv = [sys.executable, "-m", "sandlot", "actor", OTHER_TASK, *flags]
    supervisor.actors = [Child("actor-x", argv, rig.folder / "logs" / f"other-{flags[3]}.log", forever=True)]
    supervisor.end = supervisor.actors[0].stop  # type: ignore[method-assign]
    try:
        supervisor.run(threading.Event())
    except SandlotError as error:
        return "spec.task" in str(error)
    return False
