"""The real learner on a disk that can be slow.

`python -m bench.slow_learner OUT.npy FLAG`, then the flags of `sandlot learner`. While the file FLAG exists,
every fsync of a checkpoint and every commit to the run store takes `DELAY_S` longer. OUT gets, at the end,
the moments (steady clock, s) at which updates were done.
"""

import contextlib
import logging
import os
import pathlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sandlot.commands import learner as command
from sandlot.learners import learner, store
from sandlot.learners.store_file import transaction
from sandlot.learners.trainer import Trainer

DELAY_S = 5.0
fsync = os.fsync


class SlowDisk:
    """Waits in place of a disk that is slow."""

    def __init__(self, flag: pathlib.Path) -> None:
        self.flag = flag

    def wait(self) -> None:
        """Up to `DELAY_S`; a disk that has recovered finishes at once."""
        end_s = time.monotonic() + DELAY_S
        while self.flag.exists() and time.monotonic() < end_s:
            time.sleep(0.02)

    @contextlib.contextmanager
    def transaction(self, db: sqlite3.Connection, path: pathlib.Path) -> Iterator[None]:
        """The same, its commit delayed."""
        with transaction(db, path):
            yield
            self.wait()

    def fsync(self, fd: int) -> None:
        """The same, delayed."""
        self.wait()
        fsync(fd)


class NotedTrainer(Trainer):
    """Notes when each update was done."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.done_s: list[float] = []
        noted.append(self)

    def update(self) -> None:
        """The same, noted."""
        super().update()
        self.done_s.append(time.monotonic())


noted: list[NotedTrainer] = []


def main(argv: list[str]) -> int:
    """Learns until stopped."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    disk = SlowDisk(pathlib.Path(argv[1]))
    os.fsync = disk.fsync  # type: ignore[assignment]
    store.transaction = disk.transaction
    learner.Trainer = NotedTrainer  # type: ignore[misc]
    try:
        return command.main(argv[2:])
    finally:
        with pathlib.Path(argv[0]).open("wb") as file:
            np.save(file, np.array(noted[0].done_s if noted else []))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
