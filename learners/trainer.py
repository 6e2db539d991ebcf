"""What a learner does between its sockets: fill the replay, update as often as the contract says, save.

A `Trainer` reads no clock and opens no socket: the same steps in the same order give the same weights, bit
for bit, whether or not it was stopped and resumed in between.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from sandlot.learners import agents, checkpoint, guard, learned_reward
from sandlot.learners.config import TrainConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.policy import Policy, policy_from_state
from sandlot.learners.prefetch import Draws, Prefetch
from sandlot.learners.prepare import CHECKPOINTS
from sandlot.learners.ratio import RatioConfig, UpdateRatio
from sandlot.learners.replay import Replay
from sandlot.learners.store import RunStore
from sandlot.learners.store_read import Stored

log = logging.getLogger(__name__)

OFFLINE_ALGOS = ("wsrl", "bc", "hg_dagger")
"""Agents that learn from what is pinned (demonstrations, an earlier run) before they practise."""


REWARD_FIGURES = ("reward_loss", "reward_mean", "reward_best")
"""What is known of a learned reward: its loss, and what practice and the best of a batch were paid."""

SPARE_ROWS = 10_000
"""For what actors send beyond the run's steps. Every step takes a row, and one more where a segment ends."""


class Snapshot(NamedTuple):
    """What a checkpoint holds: the update count, named arrays, and JSON-able facts."""

    updates: int
    arrays: dict[str, np.ndarray]
    meta: dict[str, Any]


class Trainer:
    """Agent, replay and update ratio of one run.

    The first `pinned_seq` steps of the store (demonstrations, an earlier run's data) stay in the replay
    for good and make up the demonstration half of every batch.
    """

    def __init__(
        self, folder: pathlib.Path, config: TrainConfig, store: RunStore, *, pinned_seq: int
    ) -> None:
        """Starts anew, or from the newest intact checkpoint; fills the replay from the store."""
        cfg = config.agent
        self.folder, self.config, self.store, self.pinned_seq = folder, config, store, pinned_seq
        saved = checkpoint.load_latest(folder / CHECKPOINTS)
        # a checkpoint holds all weights: the file that the first ones came from may be gone
        first = dataclasses.replace(cfg, encoder_init="") if saved else cfg
        self.state = agents.init(store.spec, first, config.seed)
        self.capacity = rows_needed(config, pinned_seq)
        self.replay = Replay(
            store.spec, self.capacity, gamma=cfg.gamma, n=cfg.n_step, frame_stack=cfg.frame_stack
        )
        self.ratio = UpdateRatio(ratio_config(config))
        self.updates = self.offline_updates = 0
        self.version = -1
        self.skipped = guard.SkipCounter()
        self.reward = learned_reward.make(folder, config, store.spec)
        self._rng = np.random.default_rng(config.seed)
        self._info: dict[str, jax.Array] = {}
        self._fill(store.read(0, pinned_seq))
        if pinned_seq:
            self.replay.pin()
        elif self.offline_left or cfg.algo in agents.CLONES:
            raise ConfigError(
                f"agent '{cfg.algo}' learns from data first: give --demos, --demos-file or --init-data"
            )
        if saved:
            self._restore(saved)
        else:
            self._prefetch = self._make_prefetch()
        self._fill(store.read(self.replay.cursor))

    # ---- data --------------------------------------------------------------------------------------------

    def ingest(self, batches: Iterable[Stored]) -> None:
        """Adds newly committed steps to the replay, in commit order."""
        self._fill(batches)

    def _fill(self, batches: Iterable[Stored]) -> None:
        for batch in batches:
            self.replay.insert(batch.stream, batch.steps, batch.finals, cursor=batch.last_seq)

    @property
    def env_steps(self) -> int:
        """Steps of practice in the replay's past, pinned ones not counted."""
        return self.replay.cursor - self.pinned_seq

    # ---- updates -----------------------------------------------------------------------------------------

    @property
    def offline_left(self) -> int:
        """Updates from pinned data that come before practice."""
        cfg = self.config.agent
        return cfg.offline_steps - self.offline_updates if cfg.algo in OFFLINE_ALGOS else 0

    @property
    def steps_wanted(self) -> int:
        """Env steps of the run; none for a clone, which does not practise."""
        return 0 if self.config.agent.algo == "bc" else self.config.steps

    @property
    def due(self) -> bool:
        """Whether an update is owed: data is there and the contract asks for it."""
        if self.replay.valid == 0:
            return False
        if self.offline_left > 0:
            return True
        mine = min(self.env_steps, self.steps_wanted)  # what actors send beyond is kept, not paid for
        self.ratio.allow(max(mine, self.ratio.env_steps))
        return self.ratio.granted > self.updates

    def update(self) -> None:
        """One compiled call of `agent.utd` gradient steps. Call it when `due`."""
        offline = self.offline_left > 0
        batch, told = self._prefetch.next(), None
        if self.reward:
            batch, told = self.reward.update(batch, self._prefetch.draws.demos, self.updates)
        self.state, self._info = agents.update(self.state, batch, self.config.agent, offline)
        if told:
            self._info |= told | {"skipped": self._info["skipped"] + told["skipped"]}
        done = self.config.agent.utd
        if offline:
            self.offline_updates += done
            if self.offline_left <= 0:
                self._prefetch.close()
                self._prefetch = self._make_prefetch()
        else:
            self.updates += done
        self._watch(batch)

    def info(self) -> dict[str, float]:
        """Losses and means of the last update."""
        return {name: float(value) for name, value in self._info.items()}

    def reward_info(self) -> dict[str, float]:
        """Those of a reward that is learned; nothing without one."""
        return {name: float(self._info[name]) for name in REWARD_FIGURES if name in self._info}

    def policy(self) -> Policy:
        """The next version of the policy; raises WeightsError, and counts nothing, when it is not finite."""
        policy = policy_from_state(self.state, self.store.spec, self.config.agent, self.version + 1)
        self.version += 1
        return policy

    def _watch(self, batch: Any) -> None:
        """Counts refused updates; after too many in a row goes back to the last good weights."""
        if self.skipped.note(int(self._info["skipped"])) is not guard.Verdict.ROLL_BACK:
            return
        guard.dump_batch(self.folder, self.updates, batch)
        saved = checkpoint.load_latest(self.folder / CHECKPOINTS)
        if saved is not None:
            self._take(saved)
        log.error("event=rolled_back updates=%d to_step=%d", self.updates, saved.step if saved else -1)

    def _make_prefetch(self) -> Prefetch:
        cfg = self.config.agent
        fraction = {"sac": 0.0, "wsrl": cfg.demo_fraction if cfg.retain else 0.0}.get(
            cfg.algo, 1.0 if cfg.algo in agents.CLONES else cfg.demo_fraction
        )
        if self.offline_left > 0:
            fraction = 1.0
        return Prefetch(self.replay, Draws(cfg.utd, cfg.batch_size, fraction), self._rng)

    # ---- checkpoints -------------------------------------------------------------------------------------

    def snapshot(self) -> "Snapshot":
        """All that a new Trainer needs to continue bit for bit, copied out."""
        meta = {
            "updates": self.updates,
            "offline_updates": self.offline_updates,
            "version": self.version,
            "ratio": self.ratio.state(),
            "prefetch": self._prefetch.state(),
        }
        arrays = learned_reward.joined(agents.state_to_arrays(self.state), self.reward)
        return Snapshot(self.updates, arrays, meta)

    def save(self) -> None:
        """Writes a checkpoint, and waits for the disk."""
        updates, arrays, meta = self.snapshot()
        checkpoint.save(self.folder / CHECKPOINTS, updates, arrays, meta, keep=self.config.keep_checkpoints)

    def close(self) -> None:
        """Ends the prefetching thread."""
        self._prefetch.close()

    def _restore(self, saved: checkpoint.Checkpoint) -> None:
        meta = saved.meta
        self._take(saved)
        self.updates, self.offline_updates = int(meta["updates"]), int(meta["offline_updates"])
        self.version = int(meta["version"])
        self.ratio.restore({**meta["ratio"], "granted": self.updates})
        cursor = int(meta["prefetch"]["cursor"])
        # every step takes a row, so these fill the ring as all steps would: what came before was overwritten
        first = max(self.pinned_seq, cursor - (self.capacity - self.replay.pinned))
        self._fill(self.store.read(first, cursor - first))
        self._prefetch = self._make_prefetch()
        self._prefetch.restore(meta["prefetch"])
        log.info(
            "event=resumed updates=%d env_steps=%d from=%s", self.updates, self.env_steps, saved.path.name
        )

    def _take(self, saved: checkpoint.Checkpoint) -> None:
        """Everything that is learned, as it was saved."""
        agent, reward = learned_reward.parted(saved.arrays)
        self.state = agents.arrays_to_state(self.state, agent)
        if self.reward:
            self.reward.restore(reward)

    def start_from(self, saved: checkpoint.Checkpoint) -> None:
        """Takes the weights of another run's checkpoint (`--init`); its counters are not taken over."""
        fresh = self.state
        arrays, _ = learned_reward.parted(saved.arrays)
        self.state = agents.arrays_to_state(fresh, arrays)._replace(rng=fresh.rng, step=fresh.step)


def rows_needed(config: TrainConfig, pinned_seq: int) -> int:
    """The replay's rows: `capacity`, but no more than a run of so many steps can fill; frames are large."""
    return min(config.capacity, 2 * (pinned_seq + config.steps) + SPARE_ROWS)


def ratio_config(config: TrainConfig) -> RatioConfig:
    """The update ratio of a run; WSRL's warm-up counts as steps before the first update."""
    cfg = config.agent
    start = max(config.start_after, cfg.warmup_env_steps if cfg.algo == "wsrl" else 0)
    return RatioConfig(ratio=config.update_ratio, chunk=cfg.utd, start_after=start)
