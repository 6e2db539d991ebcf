"""The thread that commits what arrived: many batches in one transaction, acknowledged only after it."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from sandlot.learners.errors import StoreError
from sandlot.learners.schema import Stream
from sandlot.learners.store import Stored
from sandlot.learners.transport.options import Options
from sandlot.learners.wire import Batch, Cursor, Layout

log = logging.getLogger(__name__)
_RETRY_S = 0.2
_FLUSH_S = 1.0


class Sink(Protocol):
    """Where steps are kept: a RunStore, or a MemoryStore when nothing needs to last."""

    layout: Layout
    run_id: str

    def begin_life(self) -> int:
        """Counts the learners that have written here, from 1."""

    def next_step(self, stream: Stream) -> int:
        """The first step that is not committed yet."""

    def append(self, batches: Sequence[Batch]) -> list[Stored]:
        """Commits and returns what was new."""

    def flush(self) -> None:
        """Commits what else was noted."""


class Committer:
    """Owns all writing of steps. `put` and `drain` never wait for the disk."""

    def __init__(self, sink: Sink, options: Options, on_commit: Callable[[list[Cursor]], None]) -> None:
        self._sink, self._options, self._on_commit = sink, options, on_commit
        self._cond = threading.Condition()
        self._pending: deque[Batch] = deque()
        self._done: deque[Stored] = deque()
        self._done_bytes = 0
        self._stopping = False
        self._since_s = self._flushed_s = 0.0
        self._trouble = ""
        self.error: BaseException | None = None
        self._steps = self._commits = self._retries = 0
        self._pending_bytes = Counter[str]()
        self._commit_ms = 0.0
        self._thread = threading.Thread(target=self._guarded, name="commit", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Hands over a batch to be committed."""
        with self._cond:
            self._pending.append(batch)
            self._pending_bytes[batch.stream.actor] += batch.nbytes
            self._cond.notify_all()

    def drain(self) -> list[Stored]:
        """Everything committed since the last call, in commit order."""
        with self._cond:
            done = list(self._done)
            self._done.clear()
            self._done_bytes = 0
            self._cond.notify_all()
            return done

    def alarm(self, now_s: float) -> str:
        """Why commits wait, one line, or ''."""
        if self._trouble:
            return self._trouble
        if self._full():
            return f"{self._done_bytes >> 20} MB of steps wait for the training loop to take them"
        if self._since_s and now_s - self._since_s > self._options.alarm_s:
            return f"a commit takes {now_s - self._since_s:.0f} s: the learner's disk is slow"
        return ""

    def pending_bytes(self, actor: str) -> int:
        """What arrived from an actor and is not committed."""
        return self._pending_bytes[actor]

    def counters(self) -> dict[str, float]:
        """What was committed, how long the last commit took, what waits."""
        return {
            "steps": self._steps,
            "commits": self._commits,
            "commit_retries": self._retries,
            "commit_ms": self._commit_ms,
            "pending_bytes": sum(list(self._pending_bytes.values())),
        }

    def close(self) -> None:
        """Commits what is pending, if the disk lets it, and ends the thread."""
        with self._cond:
            self._stopping = True
            self._cond.notify_all()
        self._thread.join()

    def _guarded(self) -> None:
        try:
            while group := self._next_group():
                if not self._commit(group):
                    return
            self._flush()
        except BaseException as error:  # kept, and raised in the learner's own thread
            log.exception("event=commit_thread_died")
            self.error = error

    def _next_group(self) -> list[Batch]:
        """Waits for batches; [] at the end. They stay pending until they are committed."""
        while True:
            if time.monotonic() - self._flushed_s > _FLUSH_S:
                self._flush()
            with self._cond:
                if self._pending and (self._stopping or not self._full()):
                    return self._first_group()
                if self._stopping:
                    return []
                self._cond.wait(_FLUSH_S)

    def _full(self) -> bool:
        """Whether the training loop has to take over what is committed before there may be more."""
        return self._done_bytes > self._options.undrained_bytes

    def _first_group(self) -> list[Batch]:
        group, size = list[Batch](), 0
        for batch in self._pending:
            size += batch.nbytes
            if group and size > self._options.group_bytes:
                break
            group.append(batch)
        return group

    def _commit(self, group: list[Batch]) -> bool:
        """Commits a group, trying until the disk takes it; False when told to stop meanwhile."""
        self._since_s = time.monotonic()
        while True:
            try:
                stored = self._sink.append(group)
                break
            except StoreError as error:
                self._retries += 1
                if not self._trouble:
                    log.error("event=commits_wait error=%s", error)
                self._trouble = str(error)
            with self._cond:
                if self._stopping:
                    return False
                self._cond.wait(_RETRY_S)
        if self._trouble:
            log.warning("event=commits_go_on after_s=%.1f", time.monotonic() - self._since_s)
        self._committed(group, stored)
        return True

    def _committed(self, group: list[Batch], stored: list[Stored]) -> None:
        self._commit_ms = (time.monotonic() - self._since_s) * 1e3
        self._since_s, self._trouble = 0.0, ""
        self._commits += 1
        self._steps += sum(len(s.steps) for s in stored)
        with self._cond:
            for batch in group:
                self._pending.popleft()
                self._pending_bytes[batch.stream.actor] -= batch.nbytes
            self._done.extend(stored)
            self._done_bytes += sum(s.steps.nbytes + s.finals.nbytes for s in stored)
        streams = dict.fromkeys(b.stream for b in group)
        self._on_commit([Cursor(stream, self._sink.next_step(stream)) for stream in streams])

    def _flush(self) -> None:
        self._flushed_s = time.monotonic()
        try:
            self._sink.flush()
            self._trouble = ""
        except StoreError as error:
            self._trouble = str(error)
