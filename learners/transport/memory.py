"""Where steps go that need not outlive the learner: nowhere but to the training loop."""

import uuid
from collections.abc import Sequence

from sandlot.learners.errors import GapError
from sandlot.learners.schema import EnvSpec, Stream
from sandlot.learners.store_read import Stored
from sandlot.learners.wire import Batch, Layout


class MemoryStore:
    """A stand-in for a RunStore that only counts. Acknowledged here means: arrived."""

    def __init__(self, spec: EnvSpec) -> None:
        self.layout = Layout.of(spec)
        self.run_id = uuid.uuid4().hex[:16]
        self.last_seq = 0
        self._next: dict[Stream, int] = {}

    def begin_life(self) -> int:
        """Its only life."""
        return 1

    def next_step(self, stream: Stream) -> int:
        """The first step of `stream` that has not arrived yet."""
        return self._next.get(stream, 0)

    def append(self, batches: Sequence[Batch]) -> list[Stored]:
        """Counts batches and returns them; each must begin where its stream stopped."""
        stored = []
        for batch in batches:
            expected = self.next_step(batch.stream)
            if batch.first != expected:
                raise GapError(f"stream {batch.stream}: got step {batch.first}, but {expected} is next")
            self._next[batch.stream] = expected + len(batch.steps)
            self.last_seq += len(batch.steps)
            stored.append(Stored(self.last_seq, batch.stream, batch.steps, batch.finals))
        return stored

    def flush(self) -> None:
        """Nothing waits to be written."""
