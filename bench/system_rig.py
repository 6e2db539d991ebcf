"""A whole run for system faults and benchmarks: its learner and actor as real processes."""

import contextlib
import os
import pathlib
import re
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil

from sandlot.learners import checkpoint
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.config import TrainConfig
from sandlot.learners.prepare import CHECKPOINTS, SPOOL, STATUS_FILE, prepare, prepare_demos
from sandlot.learners.process import Child
from sandlot.learners.progress import read_status
from sandlot.learners.store import RunReader, RunStore
from sandlot.learners.train import Supervisor
from sandlot.learners.transport import StepClient, StepServer

TASK = "gymnasium:Pendulum-v1"
"""A real env that costs nothing; at 20 Hz."""
TINY = AgentConfig(
    algo="sac", actor_hidden=(16, 16), critic_hidden=(16, 16), n_critics=2, batch_size=16, utd=4
)
CHECKPOINT_S = 4.0
FOREVER = 10**9
START_S = 180.0
_STOPPED = re.compile(r"event=actor_stopped run=(\w+) steps=(\d+)")


def tiny(**changes: Any) -> TrainConfig:
    """A run that is learning within seconds and saves often."""
    settings: dict[str, Any] = {
        "task": TASK, "steps": FOREVER, "demos": 0, "agent": TINY, "start_after": 20, "pace": "realtime",
        "checkpoint_s": CHECKPOINT_S, "publish_s": 0.2, "capacity": 100_000,
    }  # fmt: skip
    return TrainConfig(**settings | changes)


class Rig:
    """The processes of one run; `probe` puts the actor under a stopwatch."""

    def __init__(self, folder: pathlib.Path, config: TrainConfig, *, probe: bool = False) -> None:
        stored = TrainConfig(**{**vars(config), "run": str(folder)})
        self.folder, self.config = prepare(stored, None)
        prepare_demos(self.folder, self.config)
        supervisor = Supervisor(self.folder, self.config)
        self.learner, self.actor = supervisor.learner, supervisor.actors[0]
        self.probe_file = self.folder / "probe.npy"
        if probe:
            python, dash_m, _, _, *flags = self.actor.argv
            self.actor.argv = [python, dash_m, "bench.probed_actor", str(self.probe_file), *flags]

    @property
    def address(self) -> str:
        """HOST:PORT of the learner."""
        return self.actor.argv[self.actor.argv.index("--learner") + 1]

    def start(self) -> None:
        """Starts both and waits until there is something to resume from."""
        for child in (self.learner, self.actor):
            child.start(time.monotonic())
        self.until(lambda: self.updates > 0 and self.saved_updates > 0, "trains and saves")

    def status(self) -> dict[str, Any]:
        """The learner's newest status."""
        return read_status(self.folder / STATUS_FILE)

    @property
    def updates(self) -> int:
        """Updates done, as the learner says."""
        return int(self.status().get("updates", 0))

    @property
    def elapsed_s(self) -> float:
        """When the learner wrote its status, on its own clock."""
        return float(self.status().get("elapsed_s", 0.0))

    @property
    def saved_updates(self) -> int:
        """Updates of the newest checkpoint, -1 without one."""
        found = checkpoint.listing(self.folder / CHECKPOINTS)
        return found[0][1] if found else -1

    def checkpoint_age_s(self) -> float:
        """How long ago the newest checkpoint was written."""
        return time.time() - checkpoint.listing(self.folder / CHECKPOINTS)[0][2].stat().st_mtime

    def kill(self, child: Child) -> None:
        """`kill -9`, and its last status goes too: what is read next is of its successor."""
        os.kill(child.pid, signal.SIGKILL)
        if child.process:
            child.process.wait()
        if child is self.learner:
            (self.folder / STATUS_FILE).unlink(missing_ok=True)

    @contextlib.contextmanager
    def frozen(self, child: Child) -> Iterator[None]:
        """SIGSTOP meanwhile: its connections stay open."""
        os.kill(child.pid, signal.SIGSTOP)
        self.until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED, "stands still")
        try:
            yield
        finally:
            os.kill(child.pid, signal.SIGCONT)

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = START_S) -> float:
        """Seconds until a condition held; raises when a process ended or it did not hold in time."""
        began_s = time.monotonic()
        while not condition():
            for child in (self.learner, self.actor):
                if child.process and child.process.poll() is not None:
                    raise RuntimeError(f"{child.name} ended: {child.last_line()}")
            if time.monotonic() - began_s > timeout_s:
                raise TimeoutError(f"'{what}' did not hold within {timeout_s:.0f} s; see {self.folder}/logs")
            time.sleep(0.005)
        return time.monotonic() - began_s

    def close(self) -> None:
        """Ends the actor, then the learner."""
        self.actor.stop()
        self.learner.stop()

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def probed(self) -> np.ndarray:
        """What the stopwatch noted, [n, 5]; after the actor ended."""
        return np.asarray(np.load(self.probe_file))


def drain(folder: pathlib.Path) -> None:
    """Brings what still waits in the actors' spools into the run store, as their next lives would."""
    with RunStore.open(folder) as store, StepServer(store, "tcp://127.0.0.1:0") as server:
        for spool in sorted((folder / SPOOL).iterdir()):
            with StepClient(store.spec, spool.name, server.address, spool=spool) as client:
                if not client.flush(30.0):
                    raise TimeoutError(f"spool {spool} was not drained in 30 s: {client.status()}")


def damage(folder: pathlib.Path) -> int:
    """Steps lost, doubled or unlinked in a drained run store, each stream against what its actor said.

    Every stream must count 0, 1, 2, ...; an actor that ended in peace logged how many steps it handed over.
    """
    numbers: dict[str, list[np.ndarray]] = {}
    for stored in RunReader(folder).read():
        if stored.stream.actor != "demos":
            numbers.setdefault(stored.stream.run, []).append(stored.steps["step"])
    found = {run: np.concatenate(pieces).astype(np.int64) for run, pieces in numbers.items()}
    wrong = sum(int((steps != np.arange(len(steps))).sum()) for steps in found.values())
    for log_file in (folder / "logs").glob("actor-*.log"):
        for run, count in _STOPPED.findall(log_file.read_text()):
            wrong += abs(int(count) - len(found.get(run, ())))
    return wrong
