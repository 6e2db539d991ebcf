"""The run store: every step of a run in one SQLite file, `run.sqlite`, in the order of commit.

A step is stored once: the key is (stream, step), and a resend is harmless. `append` returns after the commit is
on the disk (WAL, synchronous=FULL), so what it returned survives a power cut. One process may write; any number
may read meanwhile. Small columns a person may want to query are in `steps`, the raw records in `batches`.
"""

import json
import os
import sqlite3
import threading
import time
import uuid
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from sandlot.learners.errors import GapError, SpecError, StoreError
from sandlot.learners.schema import EnvSpec, Flag, Source, Stream
from sandlot.learners.store_file import FILE, Checkpointer, connect, lock_folder, page_bytes, transaction
from sandlot.learners.wire import Batch, Layout, raw

FORMAT = "1"
COLUMNS = ("step", "episode", "segment", "policy_version", "source", "flags", "reward", "wall_s")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS streams(id INTEGER PRIMARY KEY, actor TEXT NOT NULL, run TEXT NOT NULL,
  env INTEGER NOT NULL, agent INTEGER NOT NULL, UNIQUE(actor, run, env, agent)) STRICT;
CREATE TABLE IF NOT EXISTS steps(seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams(id),
  step INTEGER NOT NULL, episode INTEGER NOT NULL, segment INTEGER NOT NULL, policy_version INTEGER NOT NULL,
  source INTEGER NOT NULL, flags INTEGER NOT NULL, reward REAL NOT NULL, wall_s REAL, UNIQUE(stream, step)) STRICT;
CREATE TABLE IF NOT EXISTS batches(last_seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL, count INTEGER NOT NULL,
  crc INTEGER NOT NULL, finals BLOB NOT NULL, steps BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS metrics(wall_s REAL NOT NULL, env_step INTEGER NOT NULL, name TEXT NOT NULL,
  value REAL) STRICT;
CREATE TABLE IF NOT EXISTS events(wall_s REAL NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL) STRICT;
"""

_EPISODES = """
SELECT actor, run, env, agent, episode, COUNT(*), SUM(reward), MAX(flags & ? != 0), MAX(flags & ? != 0),
  MAX(flags & ? != 0), MIN(seq), MAX(seq), MAX(policy_version)
FROM steps JOIN streams ON stream = id GROUP BY stream, episode HAVING MAX(seq) > ? ORDER BY MIN(seq)
"""


class Stored(NamedTuple):
    """A batch as it was committed: `last_seq` counts all steps of the run in commit order, from 1."""

    last_seq: int
    stream: Stream
    steps: np.ndarray
    finals: np.ndarray


class Episode(NamedTuple):
    """What an episode came to. `ended`: it terminated, was truncated or was aborted."""

    stream: Stream
    episode: int
    steps: int
    total_reward: float
    success: bool
    ended: bool
    aborted: bool
    first_seq: int
    last_seq: int
    policy_version: int


class RunStore:
    """One run folder's `run.sqlite`. Make it with `RunStore.open`; all methods may be called by any thread."""

    def __init__(
        self, folder: Path, layout: Layout, connection: sqlite3.Connection, lock: int | None
    ) -> None:
        self.folder, self.layout, self.path = folder, layout, folder / FILE
        self._db, self._lock_fd = connection, lock
        self._mutex = threading.Lock()
        self._notes: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._checkpointer = Checkpointer(self.path) if lock is not None else None
        newest = (
            "SELECT actor, run, env, agent, (SELECT MAX(step) + 1 FROM steps WHERE stream = id) FROM streams"
        )
        self._next = {Stream(*row[:4]): int(row[4] or 0) for row in self._db.execute(newest)}
        self._seq = int(self._db.execute("SELECT COALESCE(MAX(seq), 0) FROM steps").fetchone()[0])

    @classmethod
    def open(
        cls, folder: Path | str, spec: EnvSpec | None = None, *, create: bool = True, write: bool = True
    ) -> "RunStore":
        """Opens a run folder.

        Args:
            folder: the run folder, such as `runs/demo`.
            spec: what must be stored there; None takes what the folder says.
            create: make the folder when it does not exist (needs `spec`).
            write: take the folder for this process; False only reads, whoever writes meanwhile.

        Raises:
            BusyError: another process writes to this folder.
            SpecError: the folder holds another task.
            StoreError: there is no run, or it cannot be read.
        """
        folder = Path(folder)
        path = folder / FILE
        if not path.exists() and not (create and write and spec):
            raise StoreError(
                f"'{folder}' holds no run ({FILE} is missing); name a folder that `sandlot train` made"
            )
        lock = None
        if write:
            folder.mkdir(parents=True, exist_ok=True)
            lock = lock_folder(folder, "run folder")
        try:
            return cls._open(folder, path, spec, lock)
        except BaseException:
            if lock is not None:
                os.close(lock)
            raise

    @classmethod
    def _open(cls, folder: Path, path: Path, spec: EnvSpec | None, lock: int | None) -> "RunStore":
        try:
            db = connect(path, read_only=lock is None)
            if lock is not None:
                _prepare(db, spec)
            stored = _stored_spec(db, folder)
        except sqlite3.Error as error:
            raise StoreError(f"'{path}': {error}; it is not a run store, or it is damaged") from error
        if spec is not None and stored != spec:
            what = "; ".join(spec.differences(stored))
            raise SpecError(
                f"run folder '{folder}' holds task '{stored.task}', not '{spec.task}' ({what[:500]}); name another run"
            )
        return cls(folder, Layout.of(stored), db, lock)

    @property
    def spec(self) -> EnvSpec:
        """What is stored here."""
        return self.layout.spec

    @property
    def last_seq(self) -> int:
        """How many steps have been committed."""
        return self._seq

    @property
    def run_id(self) -> str:
        """Sixteen random hex digits made with the folder."""
        return str(self.get_meta("run_id"))

    def begin_life(self) -> int:
        """Counts the learners that have written here, this one included; durable."""
        life = int(self.get_meta("life", 0)) + 1
        self.set_meta("life", life)
        return life

    def close(self) -> None:
        """Writes what is noted, folds the log into the file and gives the folder free. Idempotent."""
        if self._lock_fd is not None and self._checkpointer is not None:
            self._checkpointer.close()
            try:
                self.flush()
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                self._db.close()
                os.close(self._lock_fd)
                self._lock_fd = None
        self._db.close()

    def __enter__(self) -> "RunStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- steps -------------------------------------------------------------------------------------------

    def next_step(self, stream: Stream) -> int:
        """The first step of `stream` that is not committed yet."""
        return self._next.get(stream, 0)

    def append(self, batches: Sequence[Batch]) -> list[Stored]:
        """Commits batches in one transaction and returns what was new, in order.

        Steps that are stored already are left out; a batch that begins behind a gap raises GapError, a full disk
        DiskFullError. After an error nothing of the call is stored, and it may be repeated.
        """
        with self._mutex:
            seq, cursors = self._seq, dict[Stream, int]()
            new: list[Stored] = []
            for batch in batches:
                fresh = self._fresh(batch, cursors)
                if len(fresh.steps):
                    seq += len(fresh.steps)
                    cursors[batch.stream] = fresh.first + len(fresh.steps)
                    new.append(Stored(seq, *fresh))
            if new:
                with transaction(self._db, self.path):
                    self._insert(new)
                self._after_commit(sum(s.steps.nbytes for s in new))
            self._seq = seq
            self._next.update(cursors)
            return new

    def _fresh(self, batch: Batch, cursors: dict[Stream, int]) -> Batch:
        """The part of a batch that is not stored and not in this call yet."""
        expected = cursors.get(batch.stream, self._next.get(batch.stream, 0))
        if batch.first > expected:
            raise GapError(
                f"stream {batch.stream}: the batch begins at step {batch.first}, but {expected} is next; "
                f"{batch.first - expected} steps are missing, send them first"
            )
        steps = batch.steps[expected - batch.first :]
        return Batch(batch.stream, steps, batch.finals[batch.finals["step"] >= expected])

    def _insert(self, new: Sequence[Stored]) -> None:
        for last_seq, stream, steps, finals in new:
            number = self._stream_number(stream)
            columns = [range(last_seq - len(steps) + 1, last_seq + 1), [number] * len(steps)]
            columns += [steps[name].tolist() for name in COLUMNS]
            self._db.executemany("INSERT INTO steps VALUES (?,?,?,?,?,?,?,?,?,?)", zip(*columns, strict=True))
            blobs = raw(np.ascontiguousarray(finals)), raw(np.ascontiguousarray(steps))
            crc = zlib.crc32(blobs[1], zlib.crc32(blobs[0]))
            self._db.execute(
                "INSERT INTO batches VALUES (?,?,?,?,?,?)", (last_seq, number, len(steps), crc, *blobs)
            )

    def _stream_number(self, stream: Stream) -> int:
        key = (stream.actor, stream.run, stream.env, stream.agent)
        self._db.execute("INSERT OR IGNORE INTO streams(actor, run, env, agent) VALUES (?,?,?,?)", key)
        query = "SELECT id FROM streams WHERE actor=? AND run=? AND env=? AND agent=?"
        return int(self._db.execute(query, key).fetchone()[0])

    def _after_commit(self, new_bytes: int) -> None:
        """Keeps the log short: in the background, or here when the background does not keep up."""
        if self._checkpointer and self._checkpointer.committed(new_bytes):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def read(self, after_seq: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """Yields what was committed after `after_seq`, in commit order, at most `limit` steps; checks every CRC."""
        end = self._seq if limit is None else min(self._seq, after_seq + limit)
        db = connect(self.path, read_only=True)
        try:
            names = {row[0]: Stream(*row[1:]) for row in db.execute("SELECT * FROM streams")}
            query = "SELECT * FROM batches WHERE last_seq > ? ORDER BY last_seq LIMIT 1"
            while after_seq < end and (row := db.execute(query, (after_seq,)).fetchone()):
                stored = self._decode(row, names)
                first = stored.last_seq - len(stored.steps)
                steps = stored.steps[max(0, after_seq - first) : end - first]
                finals = stored.finals[np.isin(stored.finals["step"], steps["step"])]
                after_seq = stored.last_seq
                yield Stored(min(after_seq, end), stored.stream, steps, finals)
        finally:
            db.close()

    def _decode(self, row: tuple[Any, ...], names: dict[int, Stream]) -> Stored:
        last_seq, number, count, crc, finals, steps = row
        if zlib.crc32(steps, zlib.crc32(finals)) != crc or len(steps) != count * self.layout.step.itemsize:
            raise StoreError(
                f"'{self.path}': the {count} steps up to seq {last_seq} are damaged; restore a backup"
            )
        return Stored(
            last_seq,
            names[number],
            np.frombuffer(steps, self.layout.step),
            np.frombuffer(finals, self.layout.final),
        )

    # ---- episodes, metrics, events, meta -----------------------------------------------------------------

    def episodes(self, after_seq: int = 0) -> list[Episode]:
        """Every episode with a step after `after_seq`, by its first step; an unfinished one has `ended` False."""
        ended = int(Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED)
        rows = self._query(_EPISODES, (int(Flag.SUCCESS), ended, int(Flag.ABORTED), after_seq))
        return [
            Episode(
                Stream(*row[:4]), row[4], row[5], row[6], bool(row[7]), bool(row[8]), bool(row[9]), *row[10:]
            )
            for row in rows
        ]

    def count(self, sources: Collection[Source] = tuple(Source)) -> int:
        """How many steps came from these sources."""
        marks = ",".join(str(int(s)) for s in sources)
        return int(self._query(f"SELECT COUNT(*) FROM steps WHERE source IN ({marks})")[0][0])  # noqa: S608 ints

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
        notes = [self._notes.popleft() for _ in range(len(self._notes))]
        try:
            with self._mutex, transaction(self._db, self.path):
                for statement, values in notes:
                    self._db.execute(statement, values)
        except BaseException:
            self._notes.extendleft(reversed(notes))
            raise

    def metrics(self, name: str) -> list[tuple[float, int, float]]:
        """(wall_s, env_step, value) of a metric, in order; one that was not finite reads as NaN."""
        rows = self._query(
            "SELECT wall_s, env_step, value FROM metrics WHERE name = ? ORDER BY rowid", (name,)
        )
        return [(w, s, float("nan") if v is None else v) for w, s, v in rows]

    def metric_names(self) -> list[str]:
        """The names of all metrics, sorted."""
        return [row[0] for row in self._query("SELECT DISTINCT name FROM metrics ORDER BY name")]

    def events(self) -> list[tuple[float, str, str]]:
        """(wall_s, name, text) of all events, in order."""
        return self._query("SELECT wall_s, name, text FROM events ORDER BY rowid")

    def get_meta(self, key: str, default: Any = None) -> Any:
        """A value kept with the run (anything JSON can say)."""
        rows = self._query("SELECT value FROM meta WHERE key = ?", (key,))
        return json.loads(rows[0][0]) if rows else default

    def set_meta(self, key: str, value: Any) -> None:
        """Keeps a value with the run, durably."""
        with self._mutex, transaction(self._db, self.path):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, json.dumps(value)))

    def _query(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Reads over a connection of its own, so that no reader waits for a commit."""
        db = connect(self.path, read_only=True)
        try:
            return db.execute(query, values).fetchall()
        finally:
            db.close()


def _prepare(db: sqlite3.Connection, spec: EnvSpec | None) -> None:
    """Makes the tables of a new file; leaves an old one as it is."""
    if spec is not None:
        db.execute(f"PRAGMA page_size={page_bytes(Layout.of(spec).step.itemsize)}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("BEGIN IMMEDIATE")
    for statement in _SCHEMA.split(";"):
        db.execute(statement)
    if spec is not None:
        values = {"format": FORMAT, "spec": msgspec.to_builtins(spec), "run_id": uuid.uuid4().hex[:16]}
        rows = [(k, json.dumps(v)) for k, v in values.items()]
        db.executemany("INSERT OR IGNORE INTO meta VALUES (?,?)", rows)
    db.execute("COMMIT")


def _stored_spec(db: sqlite3.Connection, folder: Path) -> EnvSpec:
    meta = dict(db.execute("SELECT key, value FROM meta WHERE key IN ('format', 'spec')").fetchall())
    if json.loads(meta.get("format", "null")) != FORMAT:
        raise StoreError(
            f"run folder '{folder}' has format {meta.get('format')}, this version reads {FORMAT}"
        )
    return msgspec.convert(json.loads(meta["spec"]), EnvSpec)
