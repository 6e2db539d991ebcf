"""The learner process: stores what actors send, trains, publishes weights, and writes down how it goes."""

import logging
import pathlib
import sys
import threading
import time
from typing import Any

from sandlot.learners import checkpoint, compile_cache
from sandlot.learners.config import TrainConfig, existing_run
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.ledger import PREFIX, USE_KEY, Recent, Totals, practice_figures, reset_table
from sandlot.learners.prepare import CHECKPOINTS, DEMOS_FOLDER, STATUS_FILE, TENSORBOARD_FOLDER
from sandlot.learners.process import SWITCH_INTERVAL_S
from sandlot.learners.progress import EpisodeTracker, Rate, write_status
from sandlot.learners.ratio import lead_allowance
from sandlot.learners.saver import ELAPSED_KEY, Saver
from sandlot.learners.store import RunStore
from sandlot.learners.store_read import RunReader
from sandlot.learners.tensorboard import ScalarWriter
from sandlot.learners.trainer import Trainer
from sandlot.learners.transport import StepServer

log = logging.getLogger(__name__)

DEFAULT_PORT = 5567
IDLE_S = 0.002
STATUS_S = 0.25
METRICS_S = 2.0
PINNED_KEY = "pinned_seq"


class Learner:
    """One run's learner; `run` returns when the run has its env steps, or when stopped."""

    def __init__(self, folder: pathlib.Path, config: TrainConfig, stop: threading.Event) -> None:
        """Opens the run's store (one learner a folder), resumes from its newest checkpoint, and listens."""
        self.folder, self.config, self.stop = folder, config, stop
        self.store = RunStore.open(folder, RunReader(folder / DEMOS_FOLDER).spec)
        pinned = _import_data(self.store, folder, config)
        self.trainer = Trainer(folder, config, self.store, pinned_seq=pinned)
        if config.init and self.trainer.updates == 0:
            self.trainer.start_from(_init_checkpoint(config.init))
        self.tracker = EpisodeTracker()
        past = self.store.episodes(pinned)
        self.tracker.resume(past)
        self.policy = self.trainer.policy()
        address = f"tcp://{config.host}:{config.port}"
        self.server = StepServer(
            self.store, address, architecture=self.policy.fingerprint, keys=config.keys or None
        )
        self._tensorboard = ScalarWriter(folder / TENSORBOARD_FOLDER)
        self._before_s = float(self.store.get_meta(ELAPSED_KEY, 0.0))
        self._started_s = self._now_s = time.monotonic()
        self._due_s: dict[str, float] = {}
        self._totals, self._recent = Totals(self.store.get_meta(USE_KEY)), Recent()
        self._rates = {"updates_per_s": Rate(), "env_steps_per_s": Rate()}
        self._update_ms = 0.0
        self._told: dict[str, float] = {}
        self._actors: set[str] = set()
        # actor -> its run, and how many of its steps are in; an actor that lives on must not wait for steps
        # that the learner before this one had committed and not told it of
        self._known = {e.stream.actor: (e.stream.run, self.store.next_step(e.stream)) for e in past}
        self._alarms: dict[str, str] = {}
        self._saver = Saver(folder, self.store, keep=config.keep_checkpoints)
        at = f"env step {self.trainer.env_steps}, update {self.trainer.updates}"
        self.store.add_event("learner started", at)
        self._publish()

    @property
    def elapsed_s(self) -> float:
        """Seconds this run has been learning, over all lives of its learner."""
        return self._before_s + time.monotonic() - self._started_s

    @property
    def finished(self) -> bool:
        """All env steps are in, and all updates they earned are done."""
        return self.trainer.env_steps >= self.trainer.steps_wanted and not self.trainer.due

    def run(self) -> None:
        """Learns until finished or stopped; leaves a checkpoint and the policy file.

        One with a partner only ends when stopped: its actor goes on until the partner has finished as well.
        """
        try:
            while not self.stop.is_set() and not (self.finished and not self.config.partner):
                self.round()
            self._write_status("done" if self.finished else "stopped")
        finally:
            self.close()

    def round(self) -> None:
        """Takes what was committed, does one compiled update if one is due, and whatever else is due."""
        batches = self.server.drain()
        if batches:
            self.trainer.ingest(batches)
            self.tracker.add(batches)
            self._known |= {b.stream.actor: (b.stream.run, int(b.steps["step"][-1]) + 1) for b in batches}
        if self.trainer.due:
            began_s = time.monotonic()
            self.trainer.update()
            self._update_ms += 0.1 * (1e3 * (time.monotonic() - began_s) - self._update_ms)
        else:
            self.stop.wait(IDLE_S)
        if self._every(
            "publish", self.config.publish_s
        ):  # without updates too: an actor must not take us for dead
            self._publish()
        self._tell_actors()
        if self._every("status", STATUS_S):
            self._write_status(
                "done" if self.finished else "learning" if self.trainer.updates else "collecting"
            )
        if self._every("metrics", METRICS_S):
            self._write_metrics()
        if self._every("checkpoint", self.config.checkpoint_s):
            self._save()

    def close(self) -> None:
        """Saves the last weights and gives everything back."""
        self.store.add_event("learner stopped", f"env step {self.trainer.env_steps}")
        self._write_metrics()
        self._publish()
        self._saver.finish()
        self._save()
        self._saver.close()
        self.server.close()
        self.trainer.close()
        self._tensorboard.close()
        self.store.close()

    def _save(self) -> None:
        """Has a checkpoint written, with what a later learner goes on from."""
        kept = {ELAPSED_KEY: self.elapsed_s, USE_KEY: self._totals.state()}
        self._saver.offer(self.trainer.snapshot(), self.policy, kept)

    # ---- what actors get ---------------------------------------------------------------------------------

    def _publish(self) -> None:
        """Makes the newest weights public, unless they are not finite: then the last good ones stay."""
        try:
            self.policy = self.trainer.policy()
        except SandlotError as error:
            self._alarms["weights"] = str(error)
            log.error("event=weights_not_published error=%r", str(error))
            return
        self._alarms.pop("weights", None)
        payload = self.policy.to_bytes()
        self.server.publish_weights(payload, version=self.policy.version, step=self.trainer.updates)

    def _tell_actors(self) -> None:
        """Figures that pace simulated actors; see `pace.allowance`."""
        trainer = self.trainer
        done = trainer.updates + int(trainer.ratio.forfeited)
        left = lead_allowance(trainer.env_steps, done, self.config.max_lead_steps, trainer.ratio.cfg)
        actors = max(1, len(self.server.status()["actors"]))
        missing = trainer.steps_wanted - trainer.env_steps
        wanted = max(missing, actors) if missing > 0 else 0  # one each, or nobody takes the last
        if self.config.partner and self.finished:  # its turns go on until the other direction is learned too
            left = wanted = self.config.max_lead_steps
        known = {f"known.{run}": float(steps) for run, steps in self._known.values()}
        info = {
            "env_steps": float(trainer.env_steps),
            "actors": float(actors),
            **known,
            "may_take": 0.0 if trainer.offline_left > 0 else float(min(left, wanted)),
        }
        if info != self._told:
            self._told = info
            self.server.set_info(info)

    # ---- what is written down ----------------------------------------------------------------------------

    def _figures(self) -> dict[str, float]:
        now_s, trainer = time.monotonic(), self.trainer
        paid = min(trainer.env_steps, trainer.steps_wanted)  # what comes beyond earns no updates
        sums, episodes, taken_over = self._totals.sums(), self.tracker.episodes, self.tracker.interventions
        return {
            **self.tracker.figures(),
            **practice_figures(sums, self._recent.update(now_s, sums), episodes, taken_over),
            "ratio_wanted": float(trainer.ratio.wanted),
            "ratio_reached": float(trainer.updates / max(1, paid - trainer.ratio.cfg.start_after)),
            "updates": float(trainer.updates + trainer.offline_updates),
            "updates_per_s": self._rates["updates_per_s"].update(
                now_s, trainer.updates + trainer.offline_updates
            ),
            "env_steps_per_s": self._rates["env_steps_per_s"].update(now_s, trainer.env_steps),
            "update_ms": self._update_ms,
        }

    def _hear_actors(self) -> None:
        """Adds what they reported of their time to what the run has used."""
        for name, reported in self.server.status()["actors"].items():
            self._totals.hear(name, reported)

    def _write_metrics(self) -> None:
        self._hear_actors()
        ages = [a.get("policy_age_s", 0.0) for a in self.server.status()["actors"].values()]
        figures = {**self._figures(), **self.trainer.info(), "elapsed_s": self.elapsed_s}
        figures |= {"policy_age_s": max(ages)} if ages else {}
        self.store.add_metrics(self.trainer.env_steps, figures)
        self._tensorboard.add(self.trainer.env_steps, figures)

    def _write_status(self, state: str) -> None:
        server, steps = self.server.status(), self.trainer.env_steps
        self._note_actors(set(server["actors"]))
        self._hear_actors()
        figures = self._figures()
        alarms = [a for a in (*self._alarms.values(), self._saver.alarm, server["alarm"]) if a]
        left = max(0, self.config.steps - steps)
        rate = figures["env_steps_per_s"]
        status: dict[str, Any] = {
            **figures,
            **self.trainer.reward_info(),
            "run": self.config.run,
            "task": self.config.task,
            "state": state,
            "env_steps": steps,
            "total_steps": self.config.steps,
            "episodes": self.tracker.episodes,
            "policy_version": self.policy.version,
            "eta_s": left / rate if rate > 0 else None,
            "elapsed_s": self.elapsed_s,
            "reset_controllers": reset_table(self._totals.sums()),
            "actors": {name: _shown(values) for name, values in server["actors"].items()},
            "alarms": alarms,
            "address": self.server.address,
        }
        try:
            write_status(self.folder / STATUS_FILE, status)
        except OSError as error:  # a full disk must not end a run over what is only looked at
            if "status" not in self._alarms:
                log.error("event=status_not_written error=%r", str(error))
            self._alarms["status"] = f"{STATUS_FILE} cannot be written: {error.strerror}"
        else:
            self._alarms.pop("status", None)

    def _note_actors(self, names: set[str]) -> None:
        """Keeps with the run who came and who went."""
        for name in sorted(names ^ self._actors):
            self.store.add_event("actor joined" if name in names else "actor left", name)
        self._actors = names

    def _every(self, what: str, period_s: float) -> bool:
        """Whether `period_s` has passed since this was last true."""
        now_s = time.monotonic()
        if now_s < self._due_s.setdefault(what, now_s + period_s):
            return False
        self._due_s[what] = now_s + period_s
        return True


def _import_data(store: RunStore, folder: pathlib.Path, config: TrainConfig) -> int:
    """Puts demonstrations, and with `--init-data` another run's steps, before all practice; says how many."""
    pinned = store.get_meta(PINNED_KEY)
    if pinned is None:
        store.import_from(RunReader(folder / DEMOS_FOLDER))
        if config.init and config.init_data:
            store.import_from(RunReader(existing_run(config.init)))
        pinned = store.last_seq
        store.set_meta(PINNED_KEY, pinned)
    return int(pinned)


def _shown(reported: dict[str, float]) -> dict[str, float]:
    """An actor's figures without those that are only there to be summed up."""
    return {name: value for name, value in reported.items() if not name.startswith(PREFIX)}


def _init_checkpoint(run: str) -> checkpoint.Checkpoint:
    saved = checkpoint.load_latest(existing_run(run) / CHECKPOINTS)
    if saved is None:
        raise ConfigError(f"run '{run}' has no checkpoint to start from; train it first")
    return saved


def run_learner(folder: pathlib.Path, config: TrainConfig, stop: threading.Event) -> bool:
    """Runs a learner until its run is finished (True) or stopped."""
    compile_cache.enable()
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # the network's threads wait no longer for each other
    learner = Learner(folder, config, stop)
    learner.run()
    return learner.finished
