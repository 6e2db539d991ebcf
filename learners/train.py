"""`sandlot train`: one learner and N actors as processes, watched and restarted; then a report.

Two tasks that undo each other are two runs with a learner each, and share the actor.
"""

import contextlib
import logging
import os
import pathlib
import threading
import time
from collections import deque
from typing import Any

from sandlot.learners.command_lines import actor_argv, free_port, learner_argv
from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import SandlotError
from sandlot.learners.evaluate import EvalConfig, evaluate_task
from sandlot.learners.pair import Run, back_run, with_partner
from sandlot.learners.prepare import LOGS, POLICY_FILE, STATUS_FILE, prepare, prepare_demos
from sandlot.learners.process import Child, last_lines
from sandlot.learners.progress import read_status, write_status
from sandlot.learners.real_time import complaint_in
from sandlot.learners.report import write_report
from sandlot.learners.store_file import FILE as STORE_FILE
from sandlot.learners.store_file import lock_folder
from sandlot.learners.view import View

log = logging.getLogger(__name__)

TICK_S = 0.1
LEARNER_NICE = 5
"""On a shared machine the actors' loops go before the updates."""
FINAL_EPISODES = 20
FINAL_SEED = 500_000
PRACTICE = (
    "utilisation",
    "utilisation_10min",
    "trials_per_hour",
    "interventions_per_hour",
    "human_share",
    "interventions_per_100_episodes",
    "correction_steps_50",
    "unaided_50",
    "calls",
    "resets",
    "reset_s",
)
"""Figures of practice that the summary repeats."""
LAPS = ("driven_s", "laps", "clean_laps", "first_lap_s", "first_clean_lap_s", "best_lap_s", "median_lap_s")
"""Figures of the first actor's env that the summary repeats."""


class Supervisor:
    """The processes of one run, or of two that are practised in turn."""

    def __init__(self, folder: pathlib.Path, config: TrainConfig, back: Run | None = None) -> None:
        """Nothing is started yet; `back` is the run of the reverse task."""
        self.folder, self.config, self.back = folder, config, back
        self.events: deque[str] = deque(maxlen=20)
        port = config.port or free_port(config.host)
        logs, nice = folder / LOGS, LEARNER_NICE
        argv = learner_argv(folder, config, port)
        self.learner = Child("learner", argv, logs / "learner.log", nice=nice)
        self.back_learner: Child | None = None
        more: list[str] = []
        if back:
            back_port = free_port(config.host)
            argv = learner_argv(back.folder, back.config, back_port)
            self.back_learner = Child("learner_back", argv, back.folder / LOGS / "learner.log", nice=nice)
            more = ["--back-learner", f"{config.host}:{back_port}"]
            more += ["--back-classifier", config.back_classifier] if config.back_classifier else []
        self.actors = [
            Child(name, actor_argv(folder, config, port, i) + more, logs / f"{name}.log", forever=True)
            for i, name in enumerate(f"actor-{i}" for i in range(config.actors))
        ]

    @property
    def learners(self) -> list[Child]:
        """One for each run."""
        return [self.learner, *([self.back_learner] if self.back_learner else [])]

    def run(self, stop: threading.Event) -> bool:
        """Runs until the learners have finished (True) or `stop` is set; raises why a process was refused."""
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
        """Stops the actors first, so that the learners commit their last steps."""
        for child in [*self.actors, *self.learners]:
            child.stop()

    def _tick(self, now_s: float) -> bool:
        codes = [learner.tick(now_s, self._note) for learner in self.learners]
        for learner, code in zip(self.learners, codes, strict=True):
            if code:
                raise SandlotError(f"the {learner.name} was refused: {learner.last_line()}")
        if self.back is None and codes == [0]:
            return True
        for actor in self.actors:
            if actor.tick(now_s, self._note) is not None:
                raise SandlotError(f"{actor.name} ended: {actor.last_line()}")
        return self.back is not None and self._both_done(self.back)

    def _both_done(self, back: Run) -> bool:
        """Whether both directions are learned; each learner goes on until the other one's is."""
        folders = (self.folder, back.folder)
        return all(read_status(folder / STATUS_FILE).get("state") == "done" for folder in folders)

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
        calls = [
            f"{a.name} waits for a person: {complaint_in(last_lines(a.log_file)) or f'see {a.log_file}'}"
            for a in self.actors
            if actors[a.name].get("waits_for_person")
        ]
        return {
            "run": self.config.run,
            "task": self.config.task,
            "state": "starting",
            "total_steps": self.config.steps,
            "elapsed_s": now_s - began_s,
            **status,
            "actors": actors,
            "alarms": [*status.get("alarms", ()), *calls],
            "policy_age_s": max(ages, default=0.0),
            "spool_steps": int(sum(spool)),
            "spool_bytes": int(sum(float(a.get("spool_bytes", 0)) for a in actors.values())),
            "spool_full": any(a.get("spool_full", 0) for a in actors.values()),
            "events": list(self.events),
            **({"back": read_status(self.back.folder / STATUS_FILE)} if self.back else {}),
        }


def train(config: TrainConfig, stored: TrainConfig | None, stop: threading.Event) -> dict[str, Any]:
    """Trains, evaluates, writes the report; returns the summary that `--json` prints.

    Args:
        config: what was asked for.
        stored: the config of the run that this resumes, None for a new one.
        stop: set to end early; the run can be resumed.
    """
    began_s = time.monotonic()
    config, reverse = with_partner(config, stored)
    folder, config = prepare(config, stored)
    back = back_run(folder, config, reverse) if reverse else None
    runs = [Run(folder, config), *([back] if back else [])]
    with contextlib.ExitStack() as held:
        for run in runs:  # from now on, though the learner is not up yet
            held.callback(os.close, lock_folder(run.folder / LOGS, "run's log folder"))
        demo_steps = [prepare_demos(*run, stop) for run in runs]
        for run in runs:
            (run.folder / STATUS_FILE).unlink(missing_ok=True)
        finished = not stop.is_set() and Supervisor(folder, config, back).run(stop)
    seconds = round(time.monotonic() - began_s, 1)
    summaries = [
        {**_summary(run, finished, steps), "train_seconds": seconds}
        for run, steps in zip(runs, demo_steps, strict=True)
    ]
    for run, summary in zip(runs, summaries, strict=True):
        if (run.folder / STORE_FILE).is_file():  # none where it was stopped before the learner was up
            summary["report"] = str(write_report(run.folder))
    if back:
        summaries[0]["back"] = summaries[1]
    return {**summaries[0], "seconds": round(time.monotonic() - began_s, 1)}


def _summary(run: Run, finished: bool, demo_steps: int) -> dict[str, Any]:
    """How a run is after a life of its processes; a finished one is evaluated."""
    folder, config = run
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
        **{name: round(status[name], 4) for name in PRACTICE if name in status},
        **_laps(status),
    }
    if finished:
        asked = EvalConfig(task=config.task, episodes=FINAL_EPISODES, seed=FINAL_SEED, env=config.env.alone())
        played = evaluate_task(folder / POLICY_FILE, asked).summary()
        summary |= {name: played[name] for name in ("success", "interval", "mean_return")}
        write_status(folder / STATUS_FILE, {**status, "final": played})
    return summary


def _laps(status: dict[str, Any]) -> dict[str, float]:
    """The laps that the first actor's env counted, where it counts any."""
    figures: dict[str, float] = next(iter(status.get("actors", {}).values()), {})
    return {name: round(figures[name], 2) for name in LAPS if name in figures}


def _actor_status(values: dict[str, Any], child: Child) -> dict[str, Any]:
    state = "down" if child.process is None else "silent" if not values else "running"
    if values.get("heard_s", 0.0) > 2.0:
        state = "silent"
    return {**values, "state": state, "restarts": child.restarts}


def summary_table(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The summary for people, one line a figure."""
    return [(name.replace("_", " "), str(value)) for name, value in summary.items() if value is not None]
