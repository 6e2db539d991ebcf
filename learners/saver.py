"""Checkpoints are written beside training: a slow or full disk raises an alarm and holds nothing up."""

import logging
import pathlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sandlot.learners import checkpoint
from sandlot.learners.errors import StoreError
from sandlot.learners.policy import Policy
from sandlot.learners.prepare import CHECKPOINTS, POLICY_FILE
from sandlot.learners.store import RunStore
from sandlot.learners.trainer import Snapshot

log = logging.getLogger(__name__)

ELAPSED_KEY = "elapsed_s"


class Saver:
    """Writes one snapshot at a time, on a thread of its own.

    Attributes:
        alarm: why the newest snapshot is not on the disk, one line, or ''.
    """

    def __init__(self, folder: pathlib.Path, store: RunStore, *, keep: int) -> None:
        """Nothing is written before the first `offer`."""
        self.alarm = ""
        self._folder, self._store, self._keep = folder, store, keep
        self._worker = ThreadPoolExecutor(1, "saver")
        self._writing: Future[None] | None = None

    def offer(self, snapshot: Snapshot, policy: Policy, kept: Mapping[str, Any]) -> bool:
        """Begins to write, unless the snapshot before this one is still being written.

        `kept` goes into the run store's meta with it.
        """
        if self._writing is not None and not self._writing.done():
            self.alarm = "the checkpoint before this one is still being written: the disk is slow"
            return False
        self._writing = self._worker.submit(self._write, snapshot, policy, kept)
        return True

    def finish(self) -> None:
        """Waits for what is being written; raises what is no matter of the disk."""
        if self._writing is not None:
            self._writing.result()

    def close(self) -> None:
        """Ends the thread, after what it is writing."""
        self._worker.shutdown(wait=True)

    def _write(self, snapshot: Snapshot, policy: Policy, kept: Mapping[str, Any]) -> None:
        folder = self._folder / CHECKPOINTS
        try:
            checkpoint.save(folder, snapshot.updates, snapshot.arrays, snapshot.meta, keep=self._keep)
            policy.save(self._folder / POLICY_FILE)
            for key, value in kept.items():
                self._store.set_meta(key, value)
        except StoreError as error:  # a full disk among them
            self.alarm = str(error)
            log.error("event=checkpoint_failed error=%r", str(error))
        else:
            self.alarm = ""
