"""Fault 12: a disk whose fsync takes 5 s. Commits wait and say so, nothing else does."""

import contextlib
import pathlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.faults_processes import blocked
from bench.slow_learner import DELAY_S
from bench.system_rig import Rig, damage, drain, tiny
from bench.transport_rig import SPEC, batch, row, wait
from bench.transport_rig import damage as damage_of
from sandlot.learners.schema import Stream
from sandlot.learners.store import RunStore, Stored
from sandlot.learners.transport import StepClient, StepServer
from sandlot.learners.wire import Batch

Row = dict[str, Any]
ALARM_S = 10.0
CALL_MS = 100.0
"""A call that waited for the disk would take 5,000."""
AT_ONCE = 20
WINDOW_S = 6.0
CHANGE = 2.0
"""So many percent the update rate may change, as the median of `ENOUGH` pairs of windows or more."""
ENOUGH = 10
GAP_S = 1.0
"""An update that waited for the disk would take 5 s; on a busy machine one may take long."""


class SlowStore(RunStore):
    """A run store whose commits take `delay_s` longer, as with a slow fsync."""

    delay_s = 0.0

    def _insert(self, batches: Sequence[Batch]) -> list[Stored]:
        """The caller holds the store's lock, as during an fsync."""
        time.sleep(self.delay_s)
        return super()._insert(batches)


class Ends:
    """A learner's end on a slow disk, and an actor's."""

    def __init__(self, folder: str, stack: contextlib.ExitStack) -> None:
        self.store = stack.enter_context(SlowStore(f"{folder}/run", SPEC))
        self.server = stack.enter_context(StepServer(self.store, "tcp://127.0.0.1:0"))
        self.client = stack.enter_context(StepClient(SPEC, "a", self.server.address, spool=f"{folder}/spool"))
        self.client.wait_ready()
        self.sent = self.version = 0

    def slow_down(self, delay_s: float) -> float:
        """The disk is slow from now on; the longest call of learner and actor, ms."""
        self.store.delay_s = delay_s
        self.version += 1
        made = batch(self.sent, 5)
        self.sent += 5
        calls: list[Callable[[], object]] = [
            lambda: self.client.send(made.steps, made.finals),
            lambda: wait(lambda: self.server.status()["pending_bytes"] > 0),
            self.server.drain,
            lambda: self.server.publish_weights(b"w", version=self.version, step=0),
            self.client.latest_weights,
            self.client.status,
            lambda: self.store.add_metrics(0, {"x": 1.0}),
        ]
        return max(_ms(call) for call in calls)


def _ms(call: Callable[[], object]) -> float:
    begin_s = time.perf_counter()
    call()
    return (time.perf_counter() - begin_s) * 1e3


def fault_12(injections: int = 100, seed: int = 0) -> Row:
    """Commits that take 5 s: the alarm comes, no call of learner or actor waits, nothing is acknowledged."""
    rng = random.Random(seed)  # noqa: S311
    violations, alarm_ms, slowest_ms = 0, list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.ExitStack() as stack:
            ends = [Ends(f"{folder}/{i}", stack) for i in range(min(AT_ONCE, injections))]
            while len(alarm_ms) < injections:
                begun_s = list[float]()
                for each in ends:
                    begun_s.append(time.perf_counter())
                    slowest_ms.append(each.slow_down(DELAY_S + rng.uniform(0.0, 0.5)))
                for each, began_s in zip(ends, begun_s, strict=True):
                    wait(lambda each=each: bool(each.server.alarm), ALARM_S)
                    alarm_ms.append((time.perf_counter() - began_s) * 1e3)
                    violations += alarm_ms[-1] > 1e3 * ALARM_S
                    violations += each.client.acked_steps == each.sent  # not before its commit
                    each.store.delay_s = 0.0
                violations += sum(not each.client.wait_acked(each.sent, 3 * DELAY_S) for each in ends)
        for i, each in enumerate(ends):
            violations += damage_of(
                pathlib.Path(f"{folder}/{i}/run"), {Stream("a", each.client.run): each.sent}
            )
    violations += float(np.median(slowest_ms)) > CALL_MS
    return row("12 slow disk", len(alarm_ms), violations, alarm_ms, "ms to alarm")


def fault_12_learner(injections: int = 20, seed: int = 0) -> Row:
    """A whole run whose fsyncs take 5 s: it trains at the same rate, its actor plays on, it alarms."""
    rng, violations, windows = random.Random(seed), 0, list[tuple[float, float, float]]()  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        folder, flag = pathlib.Path(name), pathlib.Path(name) / "slow"
        with Rig(folder / "run", tiny(update_ratio=1000.0), probe=True) as rig:
            python, dash_m, _, _, *flags = rig.learner.argv
            rig.learner.argv = [python, dash_m, "bench.slow_learner", f"{folder}/done.npy", str(flag), *flags]
            rig.start()
            for _ in range(injections):
                rig.until(lambda: not rig.status().get("alarms", ["?"]), "has no alarm")
                began_s = time.monotonic()
                time.sleep(WINDOW_S + rng.uniform(0.0, 0.5))
                flag.touch()
                slow_s = time.monotonic()
                violations += rig.until(lambda: bool(rig.status().get("alarms")), "alarms") > ALARM_S
                time.sleep(max(0.0, slow_s + WINDOW_S - time.monotonic()))
                windows.append((began_s, slow_s, time.monotonic()))
                flag.unlink()
        done_s = np.load(folder / "done.npy")
        change = rate_changes(done_s, windows)
        violations += sum(longest_gap_s(done_s, slow_s, end_s) > GAP_S for _, slow_s, end_s in windows)
        violations += len(change) >= ENOUGH and abs(float(np.median(change))) > CHANGE
        drain(rig.folder)
        violations += damage(rig.folder) + blocked(rig.probed())
    return row("12 slow disk, whole run", injections, int(violations), change, "% change of the update rate")


def longest_gap_s(done_s: np.ndarray, begin_s: float, end_s: float) -> float:
    """The longest time without an update."""
    moments = np.concatenate([[begin_s], done_s[(begin_s <= done_s) & (done_s < end_s)], [end_s]])
    return float(np.diff(moments).max())


def rate_changes(done_s: np.ndarray, windows: list[tuple[float, float, float]]) -> list[float]:
    """Percent by which updates were faster while the disk was slow than just before, for each window."""
    changes = list[float]()
    for began_s, slow_s, end_s in windows:
        before = np.sum((began_s <= done_s) & (done_s < slow_s)) / (slow_s - began_s)
        slow = np.sum((slow_s <= done_s) & (done_s < end_s)) / (end_s - slow_s)
        changes.append(100.0 * (float(slow / before) - 1.0))
    return changes
