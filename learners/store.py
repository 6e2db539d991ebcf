"""The run store: every step of a run in one SQLite file, `run.sqlite`, in the order of commit.

A step is stored once: the key is (stream, step), and a resend is harmless. `append` returns after the commit
is on the disk (WAL, synchronous=FULL), so what it returned survives a power cut. One process may write; any
number may read meanwhile. What a person may want to query is in `steps`, the raw records are in `batches`.
"""

import json
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sandlot.learners.errors import GapError, SpecError, StoreError
from sandlot.learners.schema import EnvSpec, Source, Stream
from sandlot.learners.store_file import (
    FILE,
    Checkpointer,
    empty_log,
    lock_folder,
    no_run,
    open_for_writing,
    transaction,
)
from sandlot.learners.store_read import Episode, RunReader, Stored
from sandlot.learners.wire import Batch, raw

__all__ = ["Episode", "RunReader", "RunStore", "Stored"]
COLUMNS = ("step", "episode", "segment", "policy_version", "source", "flags", "reward", "wall_s")


class RunStore(RunReader):
    """One run folder, held for writing by this process. All methods may be called by any thread."""

    def __init__(self, folder: Path | str, spec: EnvSpec | None = None, *, create: bool = True) -> None:
        """Opens a run folder.

        Args:
            folder: the run folder, such as `runs/demo`.
            spec: what must be stored there; None takes what the folder says.
            create: make the run when there is none (needs `spec`).

        Raises:
            BusyError: another process writes to this folder.
            SpecError: the folder holds another task.
            StoreError: there is no run, or it cannot be read or made.
        """
        path = Path(folder) / FILE
        if create and spec is not None:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"folder '{folder}' cannot be made: {error.strerror}; name another"
                ) from error
        elif not path.exists():
            raise no_run(folder)
        self._lock_fd = lock_folder(Path(folder), "run folder")
        self._db: sqlite3.Connection | None = None
        try:
            self._db = open_for_writing(path, spec)
            super().__init__(folder)
            if spec is not None and self.spec != spec:
                raise SpecError(
                    f"run folder '{folder}' holds task '{self.spec.task}', not '{spec.task}' "
                    f"({'; '.join(spec.differences(self.spec))[:500]}); name another run"
                )
        except BaseException:
            self._release()
            raise
        self._mutex = threading.Lock()
        self._notes: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._checkpointer = Checkpointer(self.path)
        newest = (
            "SELECT actor, run, env, agent, (SELECT MAX(step) + 1 FROM steps WHERE stream = id) FROM streams"
        )
        self._next = {Stream(*row[:4]): int(row[4] or 0) for row in self._db.execute(newest)}
        self._seq = super().last_seq

    @classmethod
    def open(cls, folder: Path | str, spec: EnvSpec | None = None, *, create: bool = True) -> "RunStore":
        """The same as the constructor."""
        return cls(folder, spec, create=create)

    @property
    def last_seq(self) -> int:
        """How many steps have been committed."""
        return self._seq

    def begin_life(self) -> int:
        """Counts the learners that have written here, this one included; durable."""
        life = int(self.get_meta("life", 0)) + 1
        self.set_meta("life", life)
        return life

    def close(self) -> None:
        """Writes what is noted, folds the log into the file and gives the folder free. Idempotent."""
        if self._db is None:
            return
        self._checkpointer.close()
        try:
            self.flush()
            empty_log(self._db)
        finally:
            self._release()

    def _release(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        os.close(self._lock_fd)

    def __enter__(self) -> "RunStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- steps ---------------------------------------------------------------------------------------------

    def next_step(self, stream: Stream) -> int:
        """The first step of `stream` that is not committed yet."""
        return self._next.get(stream, 0)

    def append(self, batches: Sequence[Batch]) -> list[Stored]:
        """Commits batches in one transaction and returns what was new, in order.

        Steps that are stored already are left out; a batch that begins behind a gap raises GapError, a full
        disk DiskFullError. After an error nothing of the call is stored, and it may be repeated.
        """
        with self._mutex:
            cursors = dict[Stream, int]()
            new = list[Batch]()
            for batch in batches:
                fresh = self._fresh(batch, cursors)
                if len(fresh.steps):
                    cursors[batch.stream] = fresh.first + len(fresh.steps)
                    new.append(fresh)
            stored = self._insert(new)
            self._next.update(cursors)
            return stored

    def _fresh(self, batch: Batch, cursors: dict[Stream, int]) -> Batch:
        """The part of a batch that is not stored and not in this call yet."""
        expected = cursors.get(batch.stream, self._next.get(batch.stream, 0))
        if batch.first > expected:
            raise GapError(
                f"stream {batch.stream}: the batch begins at step {batch.first}, but {expected} is next; "
                f"{batch.first - expected} steps are missing, send them first"
            )
        if batch.first == expected:
            return batch
        return Batch(
            batch.stream,
            batch.steps[expected - batch.first :],
            batch.finals[batch.finals["step"] >= expected],
        )

    def _insert(self, batches: Sequence[Batch]) -> list[Stored]:
        """One transaction; the caller holds the mutex."""
        seq, stored = self._seq, list[Stored]()
        for batch in batches:
            seq += len(batch.steps)
            stored.append(Stored(seq, batch.stream, batch.steps, batch.finals))
        if stored:
            with transaction(self._writer, self.path):
                for row, batch in zip(stored, batches, strict=True):
                    self._insert_batch(row, batch.checksum())
            self._seq = seq
            if self._checkpointer.committed(sum(b.nbytes for b in batches)):
                empty_log(self._writer)
        return stored

    def _insert_batch(self, stored: Stored, crc: int) -> None:
        last_seq, stream, steps, finals = stored
        number = self._stream_number(stream)
        columns = [range(last_seq - len(steps) + 1, last_seq + 1), [number] * len(steps)]
        columns += [steps[name].tolist() for name in COLUMNS]
        self._writer.executemany("INSERT INTO steps VALUES (?,?,?,?,?,?,?,?,?,?)", zip(*columns, strict=True))
        blobs = raw(np.ascontiguousarray(finals)), raw(np.ascontiguousarray(steps))
        self._writer.execute(
            "INSERT INTO batches VALUES (?,?,?,?,?,?)", (last_seq, number, len(steps), crc, *blobs)
        )

    def _stream_number(self, stream: Stream) -> int:
        key = (stream.actor, stream.run, stream.env, stream.agent)
        self._writer.execute("INSERT OR IGNORE INTO streams(actor, run, env, agent) VALUES (?,?,?,?)", key)
        query = "SELECT id FROM streams WHERE actor=? AND run=? AND env=? AND agent=?"
        return int(self._writer.execute(query, key).fetchone()[0])

    @property
    def _writer(self) -> sqlite3.Connection:
        if self._db is None:
            raise StoreError(f"run folder '{self.folder}' is closed; open it again")
        return self._db

    def import_from(self, other: RunReader, sources: Collection[Source] = tuple(Source)) -> int:
        """Copies the steps of another run that came from `sources`; returns how many were new.

        What is here already is left out, so this may be repeated. Where steps of other sources are left out,
        a stream has gaps: its step numbers tell, and no transition may be made across them.

        Raises:
            SpecError: the other run is of another task.
        """
        if other.spec != self.spec:
            what = "; ".join(self.spec.differences(other.spec))[:500]
            raise SpecError(f"run '{other.folder}' cannot be imported into '{self.folder}': {what}")
        imported = 0
        for stored in other.read():
            with self._mutex:
                have = self._steps_between(stored)
                wanted = np.isin(stored.steps["source"], list(sources)) & ~np.isin(stored.steps["step"], have)
                pieces = list(_pieces(stored, wanted))
                imported += sum(len(s.steps) for s in self._insert(pieces))
                for piece in pieces:
                    end = piece.first + len(piece.steps)
                    self._next[piece.stream] = max(end, self._next.get(piece.stream, 0))
        return imported

    def _steps_between(self, stored: Stored) -> list[int]:
        """The steps of a batch that are here already."""
        s, numbers = stored.stream, stored.steps["step"]
        query = (
            "SELECT step FROM steps WHERE stream = (SELECT id FROM streams WHERE actor=? AND run=? AND env=? "
            "AND agent=?) AND step BETWEEN ? AND ?"
        )
        values = (s.actor, s.run, s.env, s.agent, int(numbers[0]), int(numbers[-1]))
        return [row[0] for row in self._writer.execute(query, values)]

    # ---- figures, events, meta -----------------------------------------------------------------------------

    def add_metrics(self, env_step: int, values: dict[str, float]) -> None:
        """Notes figures for the next flush; never waits for the disk."""
        now_s = time.time()
        for name, value in values.items():
            self._notes.append(
                ("INSERT INTO metrics VALUES (?,?,?,?)", (now_s, env_step, name, float(value)))
            )

    def add_event(self, name: str, text: str = "") -> None:
        """Notes that something happened, for the next flush; never waits for the disk."""
        self._notes.append(("INSERT INTO events VALUES (?,?,?)", (time.time(), name, text)))

    def flush(self) -> None:
        """Commits the noted metrics and events; what cannot be written stays noted."""
        with self._mutex:
            notes = [self._notes.popleft() for _ in range(len(self._notes))]
            if not notes:
                return
            try:
                with transaction(self._writer, self.path):
                    for statement, values in notes:
                        self._writer.execute(statement, values)
            except StoreError:
                self._notes.extendleft(reversed(notes))
                raise

    def set_meta(self, key: str, value: Any) -> None:
        """Keeps a value with the run, durably."""
        with self._mutex, transaction(self._writer, self.path):
            self._writer.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, json.dumps(value)))


def _pieces(stored: Stored, wanted: np.ndarray) -> Iterator[Batch]:
    """The unbroken stretches of a batch where `wanted` [n] is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wanted, [False]])))
    for begin, end in edges.reshape(-1, 2):
        steps = stored.steps[begin:end]
        yield Batch(stored.stream, steps, stored.finals[np.isin(stored.finals["step"], steps["step"])])
