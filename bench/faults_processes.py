"""Faults of whole processes: `kill -9` and SIGSTOP of the learner and of the actor while a run learns.

One kill of a learner costs the start of a process that compiles its update, some 6 s on a free core; an actor
some 3 s; a freeze as long as it lasts.
"""

import contextlib
import dataclasses
import logging
import pathlib
import random
import tempfile
import time
from typing import Any

import numpy as np

from bench.system_rig import CHECKPOINT_S, Rig, damage, drain, tiny
from bench.transport_rig import row
from sandlot.learners import agents
from sandlot.learners.policy import Policy, policy_from_state
from sandlot.learners.prepare import SPOOL
from sandlot.learners.schema import Stream
from sandlot.learners.spool import Spool
from sandlot.learners.store import RunReader
from sandlot.learners.transport import StepServer
from sandlot.learners.transport.memory import MemoryStore
from sandlot.learners.wire import Batch, Layout

log = logging.getLogger(__name__)

Row = dict[str, Any]
RESUME_S = 30.0
SAVE_S = 2.0
"""A checkpoint may be this much late: it is saved between two updates, and saving takes time."""
BLOCKED_MS = 50.0
"""A step that waited for the learner takes as long as its fault; the bar of 1 ms is for `bench/actor.py`."""


def blocked(probe: np.ndarray) -> int:
    """Steps during which the loop was busy for long and had given the processor up by itself."""
    return int(((probe[:, 1] > BLOCKED_MS) & (probe[:, 2] > 0)).sum())


def too_old(age_s: float) -> bool:
    """Whether more would be done again than one checkpoint's interval."""
    late = age_s > CHECKPOINT_S + SAVE_S
    if late:
        log.error("event=promise_broken checkpoint_age_s=%.1f", age_s)
    return late


def fault_1(injections: int = 100, seed: int = 0) -> Row:
    """The learner is killed at a random moment, again and again in the same run; the actor plays on."""
    rng, violations, resumed_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        with Rig(pathlib.Path(folder) / "run", tiny(), probe=True) as rig:
            rig.start()
            for _ in range(injections):
                time.sleep(rng.uniform(0.0, 1.5))
                rig.kill(rig.learner)
                violations += too_old(rig.checkpoint_age_s())
                saved = rig.saved_updates
                rig.learner.start(time.monotonic())
                took_s = rig.until(lambda saved=saved: rig.updates > saved, "trains again")
                violations += took_s > RESUME_S
                resumed_ms.append(took_s * 1e3)
                rig.until(lambda saved=saved: rig.saved_updates > saved, "saves again")
        violations += ended_well(rig)
    return row("1 learner killed", injections, violations, resumed_ms, "ms to train again")


def fault_2(injections: int = 100, seed: int = 0) -> Row:
    """The learner is frozen for up to 4 s, its connections open: longer than anybody waits for a peer."""
    rng, violations, resumed_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        with Rig(pathlib.Path(folder) / "run", tiny(), probe=True) as rig:
            rig.start()
            for _ in range(injections):
                time.sleep(rng.uniform(0.0, 0.5))
                with rig.frozen(rig.learner):
                    before = rig.updates
                    time.sleep(rng.uniform(0.1, 4.0))
                took_s = rig.until(lambda before=before: rig.updates > before, "trains again")
                violations += took_s > RESUME_S
                resumed_ms.append(took_s * 1e3)
        violations += ended_well(rig)
    return row("2 learner frozen", injections, violations, resumed_ms, "ms to train again")


def ended_well(rig: Rig) -> int:
    """Promises broken over a run: steps lost or doubled, steps for which the actor waited."""
    drain(rig.folder)
    wrong, waited = damage(rig.folder), blocked(rig.probed())
    if wrong or waited:
        log.error("event=promise_broken steps_lost_or_doubled=%d steps_that_waited=%d", wrong, waited)
    return wrong + waited


def fault_3(injections: int = 100, seed: int = 0) -> Row:
    """The actor is killed, some frozen first: what it had recorded is in its spool, and arrives."""
    rng, violations, again_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    recorded: list[Batch] = []
    with tempfile.TemporaryDirectory() as folder:
        with Rig(pathlib.Path(folder) / "run", tiny(publish_s=0.1)) as rig:
            rig.start()
            reader = RunReader(rig.folder)
            for i in range(injections):
                with contextlib.ExitStack() as stack:
                    if i % 3 == 0:  # nothing is acknowledged: the spool holds it all
                        stack.enter_context(rig.frozen(rig.learner))
                    time.sleep(rng.uniform(0.0, 0.6))
                    if i % 3 == 1:
                        with rig.frozen(rig.actor):
                            time.sleep(rng.uniform(0.0, 1.5))
                    said = rig.status()["actors"].get("actor-0", {}).get("steps", 0.0)
                    runs = {e.stream.run for e in reader.episodes()}
                    rig.kill(rig.actor)
                    recorded += in_spool(rig)
                violations += said > newest_steps(reader, recorded) + 2  # one is held back, one handed over
                rig.actor.start(time.monotonic())
                again = rig.until(lambda runs=runs: playing(reader, runs), "acts again")
                again_ms.append(again * 1e3)
                known_s = rig.elapsed_s  # what the learner says from now on is of this life
                rig.until(lambda known_s=known_s: rig.elapsed_s > known_s, "says so")
        drain(rig.folder)
        violations += damage(rig.folder) + missing(rig.folder, recorded)
    return row("3 actor killed or frozen", injections, violations, again_ms, "ms to act again")


def in_spool(rig: Rig) -> list[Batch]:
    """What a dead actor left, read as its next life reads it."""
    layout = Layout.of(RunReader(rig.folder).spec)
    with contextlib.closing(Spool(rig.folder / SPOOL / rig.actor.name, layout)) as spool:
        return [spool.read(record) for record in spool.after(0)]


def playing(reader: RunReader, runs: set[str]) -> bool:
    """Whether steps of a run that is not among `runs` are stored."""
    return bool({e.stream.run for e in reader.episodes(max(0, reader.last_seq - 5))} - runs)


def newest_steps(reader: RunReader, recorded: list[Batch]) -> int:
    """Steps of the newest life that are stored or spooled."""
    past = reader.episodes()
    if not past:
        return 0
    stream = past[-1].stream
    stored = sum(e.steps for e in past if e.stream == stream)
    return max([stored, *(b.first + len(b.steps) for b in recorded if b.stream == stream)])


def missing(folder: pathlib.Path, recorded: list[Batch]) -> int:
    """Steps that were in a spool and are not, to the last byte, in the drained store."""
    stored: dict[Stream, list[np.ndarray]] = {}
    for batch in RunReader(folder).read():
        stored.setdefault(batch.stream, []).append(batch.steps)
    whole = {stream: np.concatenate(pieces) for stream, pieces in stored.items()}
    lost = 0
    for batch in recorded:
        have = whole.get(batch.stream, batch.steps[:0])[batch.first : batch.first + len(batch.steps)]
        lost += have.tobytes() != batch.steps.tobytes()
    return lost


def fault_21(injections: int = 100, seed: int = 0) -> Row:
    """200 versions are published while the actor does not look: it acts on the newest, soon and for good."""
    rng, violations, newest_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(pathlib.Path(folder) / "run", tiny())
        store = MemoryStore(RunReader(rig.folder / "demos").spec)
        with rig, StepServer(store, f"tcp://{rig.address}") as server:
            policy, seen = fresh_policy(store.layout), list[int]()
            version = publish(server, policy, 0, 1)
            rig.actor.start(time.monotonic())
            rig.until(lambda: acted_on(server, seen) >= version, "acts")
            for _ in range(injections):
                with rig.frozen(rig.actor):
                    version = publish(server, policy, version + 1, 200)
                    time.sleep(rng.uniform(0.0, 0.1))
                newest_ms.append(1e3 * rig.until(lambda v=version: acted_on(server, seen) >= v, "is newest"))
                violations += newest_ms[-1] > 1e3 * 2 * rig.config.publish_s + 1000 / 20
            violations += int((np.diff(seen) < 0).sum())
    return row("21 stale policy", injections, violations, newest_ms, "ms to the newest")


def fresh_policy(layout: Layout) -> Policy:
    """A policy with random weights."""
    config = tiny().agent
    return policy_from_state(agents.init(layout.spec, config, 0), layout.spec, config)


def publish(server: StepServer, policy: Policy, first: int, count: int) -> int:
    """Publishes versions as fast as possible; the last one."""
    for version in range(first, first + count):
        payload = dataclasses.replace(policy, version=version).to_bytes()
        server.publish_weights(payload, version=version, step=version)
    return first + count - 1


def acted_on(server: StepServer, seen: list[int]) -> int:
    """The version of the newest step; all of them are added to `seen`."""
    for stored in server.drain():
        seen += stored.steps["policy_version"].tolist()
    return seen[-1] if seen else -1
