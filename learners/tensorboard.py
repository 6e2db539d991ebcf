"""Scalars in TensorBoard's file format, without TensorFlow: `tensorboard --logdir runs` shows every run.

The files are for people only; the run store has the same figures. So a full disk costs curves, never the run:
the first failure is logged, and writing goes on when there is room again.
"""

import logging
import os
import pathlib
import time
from collections.abc import Mapping
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

log = logging.getLogger(__name__)

FILE_VERSION = "brain.Event:2"
"""What TensorBoard wants to read in the first record."""


class ScalarWriter:
    """Appends scalars to one event file; every life of a process writes a file of its own."""

    def __init__(self, folder: pathlib.Path | str) -> None:
        """Nothing is written before the first `add`."""
        self._folder = pathlib.Path(folder)
        self._file: BinaryIO | None = None
        self._failing = False

    def add(self, env_step: int, scalars: Mapping[str, float]) -> None:
        """Writes figures of one moment, `{name: value}`; names with a slash are grouped."""
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in scalars.items()]
        try:
            self._write(Event(wall_time=time.time(), step=env_step, summary=Summary(value=values)))
        except OSError as error:
            self._complain(error)
            self.close()  # half a record ends a file: the next one that succeeds begins another
        else:
            self._failing = False

    def close(self) -> None:
        """Closes the file; a later `add` begins another. Idempotent."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._complain(error)
            self._file = None

    def _complain(self, error: OSError) -> None:
        """Logs the first of several failures in a row."""
        if not self._failing:
            log.warning("event=tensorboard_failed folder=%s error=%r", self._folder, str(error))
        self._failing = True

    def _write(self, event: Event) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            name = f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
            self._file = (self._folder / name).open("xb")
            RecordWriter(self._file).write(
                Event(wall_time=time.time(), file_version=FILE_VERSION).SerializeToString()
            )
        RecordWriter(self._file).write(event.SerializeToString())
        self._file.flush()
