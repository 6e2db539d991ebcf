"""`sandlot train`: one learner and N actors as processes, watched and restarted; then a report."""

import contextlib
import logging
import os
import pathlib
import socket
import threading
import time
from collections import deque
from typing import Any

from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import BusyError, SandlotError
from sandlot.learners.evaluate import EvalConfig, evaluate
from sandlot.learners.prepare import LOGS, POLICY_FILE, SPOOL, STATUS_FILE, prepare, prepare_demos
from sandlot.learners.process import Child, sandlot_argv
from sandlot.learners.progress import read_status, write_status
from sandlot.learners.report import write_report
from sandlot.learners.store_file import lock_folder
from sandlot.learners.view import View

log = logging.getLogger(__name__)

TICK_S = 0.1
LEARNER_NICE = 5
"""On a shared machine the actors' loops go before the updates."""
FINAL_EPISODES = 20
FINAL_SEED = 500_000


class Supervisor:
    """The processes of one run."""

    def __init__(self, folder: pathlib.Path, config: TrainConfig) -> None:
        """Nothing is started yet."""
        self.folder, self.config = folder, config
        self.events: deque[str] = deque(maxlen=20)
        port = config.port or free_port(config.host)
        logs = folder / LOGS
        self.learner = Child(
            "learner", learner_argv(folder, config, port), logs / "learner.log", nice=LEARNER_NICE
        )
        self.actors = [
            Child(name, actor_argv(folder, config, port, i), logs / f"{name}.log", forever=True)
            for i, name in enumerate(f"actor-{i}" for i in range(config.actors))
        ]

    def run(self, stop: threading.Event) -> bool:
        """Runs until the learner has finished (True) or `stop` is set; raises why a process was refused."""
        began_s = time.monotonic()
        with View() as view:
            try:
                while not stop.wait(TICK_S):
                    now_s = time.monotonic()
                    if self._tick(now_s):
                        return True
                    view.update(self.status(began_s, now_s), now_s)
                return False
            finally:
                self.end()
                view.update(self.status(began_s, time.monotonic()), time.monotonic())

    def end(self) -> None:
        """Stops the actors first, so that the learner commits their last steps."""
        for child in [*self.actors, self.learner]:
            child.stop()

    def _tick(self, now_s: float) -> bool:
        code = self.learner.tick(now_s, self._note)
        if code == 0:
            return True
        if code is not None:
            raise SandlotError(f"the learner was refused: {self.learner.last_line()}")
        for actor in self.actors:
            if actor.tick(now_s, self._note) is not None:
                raise SandlotError(f"{actor.name} ended: {actor.last_line()}")
        return False

    def _note(self, event: str) -> None:
        self.events.append(f"{time.strftime('%H:%M:%S')} {event}")
        log.warning("event=%r", event)

    def status(self, began_s: float, now_s: float) -> dict[str, Any]:
        """The learner's last status, plus what only the supervisor sees."""
        status = read_status(self.folder / STATUS_FILE)
        known = status.get("actors", {})
        actors = {a.name: _actor_status(known.get(a.name, {}), a) for a in self.actors}
        spool = [float(a.get("spool_steps", 0)) for a in actors.values()]
        ages = [float(a.get("policy_age_s", 0)) for a in actors.values()]
        return {
            "run": self.config.run,
            "task": self.config.task,
            "state": "starting",
            "total_steps": self.config.steps,
            "elapsed_s": now_s - began_s,
            **status,
            "actors": actors,
            "policy_age_s": max(ages, default=0.0),
            "spool_steps": int(sum(spool)),
            "spool_bytes": int(sum(float(a.get("spool_bytes", 0)) for a in actors.values())),
            "spool_full": any(a.get("spool_full", 0) for a in actors.values()),
            "events": list(self.events),
        }


def train(config: TrainConfig, stored: TrainConfig | None, stop: threading.Event) -> dict[str, Any]:
    """Trains, evaluates, writes the report; returns the summary that `--json` prints.

    Args:
        config: what was asked for.
        stored: the config of the run that this resumes, None for a new one.
        stop: set to end early; the run can be resumed.
    """
    began_s = time.monotonic()
    folder, config = prepare(config, stored)
    held = lock_folder(folder / LOGS, "run's log folder")  # from now on, though the learner is not up yet
    try:
        demo_steps = prepare_demos(folder, config)
        (folder / STATUS_FILE).unlink(missing_ok=True)
        finished = Supervisor(folder, config).run(stop)
    finally:
        os.close(held)
    status = read_status(folder / STATUS_FILE)
    summary: dict[str, Any] = {
        "task": config.task,
        "run": str(folder),
        "finished": finished,
        "env_steps": status.get("env_steps", 0),
        "updates": int(status.get("updates", 0)),
        "demo_steps": demo_steps,
        "ratio_wanted": config.update_ratio,
        "ratio_reached": round(status.get("ratio_reached", 0.0), 3),
        "success_50": status.get("success_50"),
        "train_seconds": round(time.monotonic() - began_s, 1),
    }
    if finished:
        played = evaluate(
            folder / POLICY_FILE,
            EvalConfig(task=config.task, episodes=FINAL_EPISODES, seed=FINAL_SEED, env=config.env),
        ).summary()
        summary |= {
            "success": played["success"],
            "interval": played["interval"],
            "mean_return": played["mean_return"],
        }
        write_status(folder / STATUS_FILE, {**status, "final": played})
    summary["report"] = str(write_report(folder))
    return {**summary, "seconds": round(time.monotonic() - began_s, 1)}


def learner_argv(folder: pathlib.Path, config: TrainConfig, port: int) -> list[str]:
    """The learner's command line: everything else is in the run's config."""
    return sandlot_argv("learner", config.task, "--run", _path(folder), "--port", str(port))


def actor_argv(folder: pathlib.Path, config: TrainConfig, port: int, index: int) -> list[str]:
    """The command line of the run's actor number `index`."""
    flags = {
        "learner": f"{config.host}:{port}",
        "name": f"actor-{index}",
        "seed": str(config.seed + index),
        "pace": config.pace,
        "random-steps": str(config.random_steps),
        "stale-policy-s": str(config.stale_policy_s),
        "on-stale": config.on_stale,
        "spool": str(folder / SPOOL / f"actor-{index}"),
        **({"keys": config.keys} if config.keys else {}),
        **({"mjcf": config.env.mjcf} if config.env.mjcf else {}),
    }
    argv = sandlot_argv("actor", config.task, *(word for k, v in flags.items() for word in (f"--{k}", v)))
    argv += ["--cameras", *config.env.cameras] if config.env.cameras else []
    argv += ["--randomize"] if config.env.randomize else []
    argv += ["--robot", config.env.robot] + ["--teleop"] * config.env.teleop
    return argv + (["--rerun"] if config.rerun and index == 0 else [])


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with contextlib.closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise BusyError(f"cannot listen on '{host}': {error.strerror}; choose another --host") from error
        return int(probe.getsockname()[1])


def _path(folder: pathlib.Path) -> str:
    """A folder as `--run` takes it: always with a slash."""
    return str(folder) if "/" in str(folder) else f"./{folder}"  # pathlib would drop the "./"


def _actor_status(values: dict[str, Any], child: Child) -> dict[str, Any]:
    state = "down" if child.process is None else "silent" if not values else "running"
    if values.get("heard_s", 0.0) > 2.0:
        state = "silent"
    return {**values, "state": state, "restarts": child.restarts}


def summary_table(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary for people, one line a figure."""
    return [(name.replace("_", " "), str(value)) for name, value in summary.items() if value is not None]
