"""The books of a spool: which batches of which streams wait, in order; and a spool that is only memory."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from sandlot.learners.schema import Stream
from sandlot.learners.wire import Batch, Layout


class Record(NamedTuple):
    """Where a batch lies and which steps it holds."""

    number: int
    file: int
    offset: int
    nbytes: int
    stream: Stream
    first: int
    length: int

    @property
    def end(self) -> int:
        """The step after the last one."""
        return self.first + self.length


class MemorySpool:
    """The same in memory, for steps that need not outlive the actor; the bookkeeping both kinds share."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.used_bytes = self.lost_steps = 0
        self.learner_run = ""
        self._end = 0
        self._records: dict[int, Record] = {}
        self._by_stream: dict[Stream, deque[Record]] = {}
        self._batches: dict[int, Batch] = {}

    def __len__(self) -> int:
        return len(self._records)

    @property
    def end(self) -> int:
        """The number of the next record."""
        return self._end

    @property
    def steps(self) -> int:
        """How many steps wait."""
        return sum(r.length for r in list(self._records.values()))

    @property
    def streams(self) -> list[Stream]:
        """The streams of which steps wait, oldest first."""
        return list(self._by_stream)

    def append(self, batch: Batch) -> Record:
        """Keeps a batch until it is released."""
        record = self._note(batch, batch.nbytes)
        self._batches[record.number] = batch
        return record

    def read(self, record: Record) -> Batch:
        """The batch of a record."""
        return self._batches[record.number]

    def first_step(self, stream: Stream) -> int | None:
        """The first step of a stream that waits, if one does."""
        waiting = self._by_stream.get(stream)
        return waiting[0].first if waiting else None

    def after(self, number: int) -> Iterator[Record]:
        """The records from `number` on, in order."""
        start = max(number, next(iter(self._records), self._end))
        return (self._records[i] for i in range(start, self._end) if i in self._records)

    def release(self, stream: Stream, next_step: int) -> list[Record]:
        """Forgets all batches of `stream` before `next_step`, and returns them."""
        waiting = self._by_stream.get(stream, deque())
        released = []
        while waiting and waiting[0].end <= next_step:
            record = waiting.popleft()
            del self._records[record.number]
            self.used_bytes -= record.nbytes
            released.append(record)
            self._forget(record)
        if not waiting:
            self._by_stream.pop(stream, None)
        return released

    def bind(self, learner_run: str) -> None:
        """Notes which run the steps belong to."""
        self.learner_run = learner_run

    def sync(self) -> None:
        """Makes what was appended survive a power cut."""

    def close(self) -> None:
        """Gives everything back."""

    def _note(self, batch: Batch, nbytes: int, *, file: int = 0, offset: int = 0) -> Record:
        """Enters a batch into the books."""
        record = Record(self._end, file, offset, nbytes, batch.stream, batch.first, len(batch.steps))
        self._end += 1
        self._records[record.number] = record
        self._by_stream.setdefault(batch.stream, deque()).append(record)
        self.used_bytes += nbytes
        return record

    def _forget(self, record: Record) -> None:
        self._batches.pop(record.number, None)
