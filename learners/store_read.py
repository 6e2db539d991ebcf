"""Reading a run: steps in commit order, episodes, figures, events; the writer is not disturbed."""

import json
import sqlite3
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from sandlot.learners.errors import StoreError
from sandlot.learners.schema import EnvSpec, Flag, Source, Stream
from sandlot.learners.store_file import FILE, FORMAT, connect, no_run
from sandlot.learners.wire import Layout

_EPISODES = """
SELECT actor, run, env, agent, episode, COUNT(*), SUM(reward), MAX(flags & ? != 0), MAX(flags & ? != 0),
  MAX(flags & ? != 0), MIN(seq), MAX(seq), MAX(policy_version), SUM(source = 1),
  COUNT(DISTINCT CASE WHEN source = 1 THEN segment END),
  COALESCE(MAX(CASE WHEN source = 1 THEN segment END), -1)
FROM steps JOIN streams ON stream = id GROUP BY stream, episode HAVING MAX(seq) > ? ORDER BY MIN(seq)
"""


class Stored(NamedTuple):
    """A batch as it was committed: `last_seq` counts all steps of the run in commit order, from 1."""

    last_seq: int
    stream: Stream
    steps: np.ndarray
    finals: np.ndarray


class Episode(NamedTuple):
    """What an episode came to. `ended`: it terminated, was truncated or was aborted.

    A person took over `interventions` times, for `human_steps` in all, last in the segment `human_segment`.
    """

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
    human_steps: int = 0
    interventions: int = 0
    human_segment: int = -1


class RunReader:
    """A run folder to read from. Each call has a connection of its own and may come from any thread."""

    def __init__(self, folder: Path | str) -> None:
        """Reads what task the folder holds.

        Raises:
            StoreError: there is no run, or it cannot be read.
        """
        self.folder = Path(folder)
        self.path = self.folder / FILE
        if not self.path.exists():
            raise no_run(folder)
        meta = dict(self._query("SELECT key, value FROM meta WHERE key IN ('format', 'spec', 'run_id')"))
        if json.loads(meta.get("format", "null")) != FORMAT:
            have = meta.get("format")
            raise StoreError(f"run folder '{folder}' has format {have}; this version reads {FORMAT}")
        self.layout = Layout.of(msgspec.convert(json.loads(meta["spec"]), EnvSpec))
        self.run_id: str = json.loads(meta["run_id"])

    @property
    def spec(self) -> EnvSpec:
        """What is stored here."""
        return self.layout.spec

    @property
    def last_seq(self) -> int:
        """How many steps have been committed."""
        return int(self._query("SELECT COALESCE(MAX(seq), 0) FROM steps")[0][0])

    def read(self, after_seq: int = 0, limit: int | None = None) -> Iterator[Stored]:
        """Yields what was committed after `after_seq`, in that order, at most `limit` steps; checks CRCs."""
        end = self.last_seq if limit is None else min(self.last_seq, after_seq + limit)
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

    def episodes(self, after_seq: int = 0) -> list[Episode]:
        """Every episode with a step after `after_seq`, in order; an unfinished one has `ended` False."""
        ended = int(Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED)
        rows = self._query(_EPISODES, (int(Flag.SUCCESS), ended, int(Flag.ABORTED), after_seq))
        return [Episode(Stream(*r[:4]), r[4], r[5], r[6], *map(bool, r[7:10]), *r[10:]) for r in rows]

    def count(self, sources: Collection[Source] = tuple(Source)) -> int:
        """How many steps came from these sources."""
        rows = self._query("SELECT source, COUNT(*) FROM steps GROUP BY source")
        return sum(count for source, count in rows if source in sources)

    def metrics(self, name: str) -> list[tuple[float, int, float]]:
        """(wall_s, env_step, value) of a metric, in order; one that was not a number reads as NaN."""
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

    def _query(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        """Reads over a connection of its own, so that no reader waits for a commit."""
        try:
            db = connect(self.path, read_only=True)
            try:
                return db.execute(query, values).fetchall()
            finally:
                db.close()
        except sqlite3.Error as error:
            raise StoreError(f"'{self.path}': {error}; it is not a run store, or it is damaged") from error
