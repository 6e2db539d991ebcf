"""The actor's unacknowledged steps, on its own disk, in files of records.

A record is a batch: header (magic, two CRC-32, three sizes), its stream, finals, steps. One CRC covers the
header's rest and the stream, the other is the batch's checksum. Records are only appended; a file is deleted
when all its records are acknowledged. What a killed process leaves is found by the next one of the same
folder, but for a last record that was cut short.
"""

import contextlib
import logging
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from sandlot.learners.errors import DiskFullError, SpecError, StoreError
from sandlot.learners.schema import Stream
from sandlot.learners.spool_memory import MemorySpool, Record
from sandlot.learners.store_file import lock_folder
from sandlot.learners.wire import Batch, Buffer, Layout, raw

log = logging.getLogger(__name__)
_FILE = struct.Struct("<8s16s")
_FILE_MAGIC = b"SLSPOOL2"
_RECORD = struct.Struct("<4sI20s")
_SIZES = struct.Struct("<IIIQ")
_RECORD_MAGIC = b"SLBT"
_MAX_STREAM_BYTES = 4096
__all__ = ["MemorySpool", "Record", "Spool"]


class Spool(MemorySpool):
    """A folder of spool files, held by one process. Not for several threads."""

    def __init__(self, folder: Path | str, layout: Layout, *, segment_bytes: int = 16 << 20) -> None:
        """Takes the folder and finds what an earlier process left.

        Raises:
            BusyError: another actor uses this folder.
            SpecError: it holds unacknowledged steps of another task.
        """
        super().__init__(layout)
        self.folder, self._segment_bytes = Path(folder), segment_bytes
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock_fd = lock_folder(self.folder, "spool folder")
        self._live: dict[int, int] = {}
        self._fds: dict[int, int] = {}
        self._file = self._size = -1
        self._unsynced: set[int] = set()
        try:
            numbers = sorted(int(p.stem) for p in self.folder.glob("*.spool") if p.stem.isdigit())
            for number in numbers:
                self._recover(number)
        except BaseException:
            self._give_back()
            raise
        self._next_file = numbers[-1] + 1 if numbers else 0
        with contextlib.suppress(FileNotFoundError):
            self.learner_run = (self.folder / "learner_run").read_text().strip()
        if len(self):
            log.warning(
                "event=spool_leftovers folder=%s steps=%d bytes=%d", folder, self.steps, self.used_bytes
            )

    def append(self, batch: Batch) -> Record:
        """Writes a batch; it survives the death of this process from now on, and a power cut after `sync`.

        Raises:
            DiskFullError: the disk has no room; the spool is as it was before.
        """
        finals, steps = raw(np.ascontiguousarray(batch.finals)), raw(np.ascontiguousarray(batch.steps))
        name = msgspec.msgpack.encode(batch.stream)
        sizes = _SIZES.pack(batch.checksum(), len(name), finals.nbytes, steps.nbytes)
        crc = zlib.crc32(name, zlib.crc32(sizes))
        parts: list[Buffer] = [_RECORD.pack(_RECORD_MAGIC, crc, sizes), name, finals, steps]
        nbytes = sum(len(p) for p in parts)
        try:
            if self._file < 0 or self._size + nbytes > self._segment_bytes:
                self._new_file()
            _write_all(self._fds[self._file], parts, self._size)
        except OSError as error:
            if self._file >= 0:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fds[self._file], self._size)
            raise DiskFullError(f"spool '{self.folder}' cannot be written: {error}; make room") from error
        record = self._note(batch, nbytes, file=self._file, offset=self._size)
        self._live[self._file] = self._live.get(self._file, 0) + 1
        self._size += nbytes
        self._unsynced.add(self._file)
        return record

    def read(self, record: Record) -> Batch:
        """The batch of a record, its CRC checked."""
        data = os.pread(self._fds[record.file], record.nbytes, record.offset)
        parsed = _parse(memoryview(data), self.layout)
        if parsed is None:
            path = self._path(record.file)
            raise StoreError(
                f"spool file '{path}' is damaged at byte {record.offset}; the disk may be failing"
            )
        return parsed[0]

    def bind(self, learner_run: str) -> None:
        """Notes, on the disk, which run the steps belong to."""
        if learner_run != self.learner_run:
            (self.folder / "learner_run").write_text(learner_run)
            self.learner_run = learner_run

    def sync(self) -> None:
        """Makes what was appended survive a power cut."""
        for number in sorted(self._unsynced):
            os.fsync(self._fds[number])
            self._unsynced.discard(number)

    def close(self) -> None:
        """Closes the files and gives the folder free; deletes files without waiting records."""
        for number in list(self._fds):
            if not self._live.get(number):
                self._delete(number)
        self._give_back()

    def _give_back(self) -> None:
        while self._fds:
            os.close(self._fds.popitem()[1])
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}.spool"

    def _new_file(self) -> None:
        """Starts a file; the old one keeps its descriptor for reading until all of it is acknowledged."""
        old, number = self._file, self._next_file
        fd = os.open(self._path(number), os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(fd, [_FILE.pack(_FILE_MAGIC, self.layout.spec.fingerprint.encode())], 0)
        except OSError:
            os.close(fd)
            self._path(number).unlink()
            raise
        self._fds[number], self._file, self._size = fd, number, _FILE.size
        self._next_file += 1
        if old >= 0 and not self._live.get(old):
            self._delete(old)

    def _forget(self, record: Record) -> None:
        self._live[record.file] -= 1
        if self._live[record.file] == 0 and record.file != self._file:
            self._delete(record.file)

    def _delete(self, number: int) -> None:
        os.close(self._fds.pop(number))
        self._live.pop(number, None)
        self._unsynced.discard(number)
        self._path(number).unlink(missing_ok=True)

    def _recover(self, number: int) -> None:
        """Takes over the whole records of a file that an earlier process left."""
        path = self._path(number)
        data = path.read_bytes()
        self._check_task(data)
        self._fds[number] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        view, offset, dropped = memoryview(data), _FILE.size, 0
        while (offset := data.find(_RECORD_MAGIC, offset)) >= 0:
            parsed = _parse(view[offset:], self.layout)
            if parsed is None:  # cut short or damaged: go on at the next record, if there is one
                dropped += 1
                offset += 1
                continue
            self._take_over(parsed[0], parsed[1], number, offset)
            offset += parsed[1]
        if dropped or self.lost_steps:
            log.warning(
                "event=spool_damaged file=%s records=%d lost_steps=%d", path, dropped, self.lost_steps
            )
        if not self._live.get(number):
            self._delete(number)

    def _take_over(self, batch: Batch, nbytes: int, number: int, offset: int) -> None:
        """Enters a record that was found; one behind a hole can never be stored and is counted as lost."""
        last = self._by_stream.get(batch.stream)
        if last is not None and batch.first != last[-1].end:
            self.lost_steps += len(batch.steps)
            return
        self._note(batch, nbytes, file=number, offset=offset)
        self._live[number] = self._live.get(number, 0) + 1

    def _check_task(self, data: bytes) -> None:
        """Refuses a file with steps of another task."""
        if len(data) <= _FILE.size:
            return
        magic, fingerprint = _FILE.unpack_from(data)
        if magic != _FILE_MAGIC or fingerprint != self.layout.spec.fingerprint.encode():
            other = f"task than '{self.layout.spec.task}'" if magic == _FILE_MAGIC else "version of Sandlot"
            raise SpecError(
                f"spool folder '{self.folder}' holds unacknowledged steps of another {other}; "
                "start that one's actor once more, or delete the folder"
            )


def _write_all(fd: int, parts: Sequence[Buffer], offset: int) -> None:
    """Writes all parts at an offset, however the kernel divides them."""
    total = sum(len(p) for p in parts)
    written = os.pwritev(fd, parts, offset)
    while written < total:
        rest = memoryview(b"".join(parts))[written:]
        count = os.pwrite(fd, rest, offset + written)
        if count == 0:
            raise OSError("nothing was written")
        written += count


def _parse(data: memoryview, layout: Layout) -> tuple[Batch, int] | None:
    """The batch at the beginning of `data` and its size; None when there is no whole, undamaged one."""
    if len(data) < _RECORD.size:
        return None
    magic, crc, sizes = _RECORD.unpack_from(data)
    batch_crc, name_bytes, finals_bytes, steps_bytes = _SIZES.unpack(sizes)
    end = _RECORD.size + name_bytes + finals_bytes + steps_bytes
    if magic != _RECORD_MAGIC or name_bytes > _MAX_STREAM_BYTES or end > len(data) or not steps_bytes:
        return None
    if steps_bytes % layout.step.itemsize or finals_bytes % layout.final.itemsize:
        return None
    body = data[_RECORD.size : end]
    if zlib.crc32(body[:name_bytes], zlib.crc32(sizes)) != crc or zlib.crc32(body[name_bytes:]) != batch_crc:
        return None
    stream = msgspec.msgpack.decode(body[:name_bytes], type=Stream)
    finals = np.frombuffer(body[name_bytes : name_bytes + finals_bytes], layout.final)
    steps = np.frombuffer(body[name_bytes + finals_bytes :], layout.step)
    return Batch(stream, steps, finals, batch_crc), end
