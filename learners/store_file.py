"""How the run store's SQLite file is opened, locked, committed to and kept short."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sandlot.learners.errors import BusyError, DiskFullError, StoreError
from sandlot.learners.schema import EnvSpec
from sandlot.learners.wire import Layout

FILE = "run.sqlite"
FORMAT = "1"
LOCK = "lock"
CHECKPOINT_BYTES = 4 * 1024 * 1024
"""So much is written to the log before a background thread folds it into the file: little enough that its
fsync delays a commit by milliseconds only."""
_FOLD_DELAY_S = 0.02
"""Folding waits so long, or it takes processor and disk from the acknowledgement of the commit before."""
MAX_LOG_BYTES = 256 * 1024 * 1024
"""Beyond this the log is emptied even though a commit has to wait for it."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS streams(id INTEGER PRIMARY KEY, actor TEXT NOT NULL, run TEXT NOT NULL,
  env INTEGER NOT NULL, agent INTEGER NOT NULL, UNIQUE(actor, run, env, agent)) STRICT;
CREATE TABLE IF NOT EXISTS steps(seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL REFERENCES streams(id),
  step INTEGER NOT NULL, episode INTEGER NOT NULL, segment INTEGER NOT NULL, policy_version INTEGER NOT NULL,
  source INTEGER NOT NULL, flags INTEGER NOT NULL, reward REAL NOT NULL, wall_s REAL,
  UNIQUE(stream, step)) STRICT;
CREATE TABLE IF NOT EXISTS batches(last_seq INTEGER PRIMARY KEY, stream INTEGER NOT NULL,
  count INTEGER NOT NULL, crc INTEGER NOT NULL, finals BLOB NOT NULL, steps BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS metrics(wall_s REAL NOT NULL, env_step INTEGER NOT NULL, name TEXT NOT NULL,
  value REAL) STRICT;
CREATE TABLE IF NOT EXISTS events(wall_s REAL NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL) STRICT;
"""
_BUSY_S = 1.0
_IOERR = 10  # SQLITE_IOERR; the extended codes carry it in the low byte


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any thread."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_BUSY_S)
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    return db


def page_bytes(record_bytes: int) -> int:
    """SQLite's page size for batches of some ten records: large for images, small for plain state."""
    return min(32768, max(4096, 1 << (4 * record_bytes).bit_length()))


def open_for_writing(path: Path, spec: EnvSpec | None) -> sqlite3.Connection:
    """A connection to the file, with its tables made when it is new."""
    try:
        db = connect(path, read_only=False)
    except sqlite3.Error as error:
        raise StoreError(f"'{path}': {error}; it is not a run store, or it is damaged") from error
    try:
        if spec is not None:
            db.execute(f"PRAGMA page_size={page_bytes(Layout.of(spec).step.itemsize)}")
        db.execute("PRAGMA journal_mode=WAL")
        if spec is not None:
            values = {"format": FORMAT, "spec": msgspec.to_builtins(spec), "run_id": uuid.uuid4().hex[:16]}
            with transaction(db, path):
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                rows = [(k, json.dumps(v)) for k, v in values.items()]
                db.executemany("INSERT OR IGNORE INTO meta VALUES (?,?)", rows)
    except sqlite3.Error as error:
        db.close()
        raise StoreError(f"'{path}': {error}; it is not a run store, or it is damaged") from error
    except BaseException:
        db.close()
        raise
    return db


def no_run(folder: Path | str) -> StoreError:
    """What to say about a folder without a run."""
    return StoreError(f"'{folder}' holds no run ({FILE} is missing); name a folder that `sandlot train` made")


def empty_log(db: sqlite3.Connection) -> None:
    """Folds the whole log into the file; when that fails the log stays, and no step is lost by it."""
    with contextlib.suppress(sqlite3.Error):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def log_bytes(path: Path) -> int:
    """Size of the write-ahead log on the disk."""
    try:
        return os.stat(f"{path}-wal").st_size
    except FileNotFoundError:
        return 0


def lock_folder(folder: Path, what: str) -> int:
    """Takes a folder for this process until the descriptor is closed or the process ends, however it ends.

    Raises:
        BusyError: somebody else holds it.
    """
    path = folder / LOCK
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(fd)
        raise BusyError(
            f"{what} '{folder}' is in use by {holder}; stop that one or name another folder"
        ) from error
    with contextlib.suppress(
        OSError
    ):  # a full disk must not keep anybody from opening; the text is for people
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return fd


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """All or nothing: commits durably, or rolls back and raises DiskFullError or StoreError."""
    try:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")
    except BaseException as error:
        if db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise _translated(error, path) from error
        raise


def _translated(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0)
    free = shutil.disk_usage(path.parent).free
    if code == sqlite3.SQLITE_FULL or (code & 0xFF == _IOERR and free < 1 << 20):
        return DiskFullError(
            f"no room for '{path}': {free >> 20} MB are free; make room, nothing is lost meanwhile"
        )
    return StoreError(f"'{path}' cannot be written: {error}")


class Checkpointer:
    """A thread that folds the write-ahead log into the file, so that no commit has to."""

    def __init__(self, path: Path) -> None:
        self._path, self._unfolded_bytes = path, 0
        self._due, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-checkpoint", daemon=True)
        self._thread.start()

    def committed(self, new_bytes: int) -> bool:
        """Call after a commit; True when the log has grown so long that the caller should empty it itself."""
        self._unfolded_bytes += new_bytes
        if self._unfolded_bytes > CHECKPOINT_BYTES:
            self._unfolded_bytes = 0
            self._due.set()
        return log_bytes(self._path) > MAX_LOG_BYTES

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        db = connect(self._path, read_only=False)
        while self._due.wait() and not self._stop.wait(_FOLD_DELAY_S):
            self._due.clear()
            with contextlib.suppress(
                sqlite3.Error
            ):  # a full disk: the log stays, and the next commit reports it
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        db.close()
