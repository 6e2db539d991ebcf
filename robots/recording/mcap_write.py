"""Writing an MCAP file that is readable up to its last chunk, however the writer ends.

Messages gather in a chunk in memory; `flush` writes the chunk with one call, after which the kernel has it
and a killed process loses nothing of it. `sync` puts it on the disk, against a power cut. `finish` adds the
index; a file without one is read by its chunks, and `mcap_read.repair` adds what is missing.
"""

import importlib
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from sandlot.learners.errors import ConfigError
from sandlot.robots.recording import mcap_format as fmt


def _plain(data: bytes) -> bytes:
    return data


def compressor(name: str) -> Callable[[bytes], bytes]:
    """The function for MCAP's name of a compression: "" or "lz4"."""
    if name == "":
        return _plain
    if name == "lz4":
        return importlib.import_module("lz4.frame").compress
    raise ConfigError(f"compression '{name}' is unknown; choose 'lz4' or ''")


class McapWriter:
    """One file being written; all methods from one thread."""

    def __init__(self, path: Path, *, compression: str = "", chunk_bytes: int = 1 << 20) -> None:
        """Makes the file, which must not exist."""
        self.path, self.chunk_bytes, self._compression = path, chunk_bytes, compression
        self._compress = compressor(compression)
        self.summary = fmt.Summary()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.size = 0
        self._first_ns, self._last_ns = 0, 0
        self._clear()
        try:
            self._append(fmt.opening())
        except OSError:
            os.close(self._fd)
            os.unlink(path)
            raise

    def add_channel(self, topic: str, schema: str, definition: str, metadata: dict[str, str]) -> int:
        """Declares a topic; returns its number for `write`."""
        known = {s.name: s for s in self.summary.schemas.values()}
        number = known[schema].id if schema in known else len(known) + 1
        made = fmt.Schema(number, schema, definition)
        channel = fmt.Channel(len(self.summary.channels) + 1, number, topic, metadata)
        self._append((b"" if schema in known else made.packed()) + channel.packed())
        self.summary.schemas[number] = made
        self.summary.channels[channel.id] = channel
        return channel.id

    def write(self, channel: int, log_ns: int, data: bytes) -> None:
        """Adds a message to the chunk; writes the chunk when it is large enough."""
        self._index[channel].append((log_ns, self._held))
        head = fmt.MESSAGE_HEAD.pack(channel, 0, log_ns, log_ns)
        self._parts += (fmt.RECORD.pack(fmt.MESSAGE, len(head) + len(data)), head, data)
        self._held += fmt.RECORD.size + len(head) + len(data)
        self._first_ns, self._last_ns = min(self._first_ns, log_ns), max(self._last_ns, log_ns)
        if self._held >= self.chunk_bytes:
            self.flush()

    @property
    def held(self) -> int:
        """Messages that are only in memory."""
        return sum(map(len, self._index.values()))

    def flush(self) -> None:
        """Hands the chunk to the kernel.

        Raises:
            OSError: it cannot be written, as when the disk is full. The chunk is lost, the file stays sound.
        """
        if not self._held:
            return
        records, times, index = b"".join(self._parts), (self._first_ns, self._last_ns), self._index
        self._clear()
        packed = self._compress(records)
        chunk = fmt.chunk_record(records, packed, self._compression, times)
        indexes, offsets = fmt.message_indexes(index, self.size + len(chunk))
        line = fmt.Chunk(
            first_ns=times[0],
            last_ns=times[1],
            offset=self.size,
            length=len(chunk),
            indexes=offsets,
            indexes_length=len(indexes),
            compression=self._compression,
            compressed=len(packed),
            size=len(records),
        )
        self._append(chunk + indexes)
        self.summary.chunks.append(line)
        self.summary.counts.update({channel: len(entries) for channel, entries in index.items()})

    def sync(self) -> None:
        """Returns when everything flushed is on the disk."""
        os.fdatasync(self._fd)

    def finish(self) -> None:
        """Writes the rest and the index, and closes."""
        try:
            self.flush()
            self._append(self.summary.packed(self.size))
            self.sync()
        finally:
            os.close(self._fd)

    def _append(self, data: bytes) -> None:
        """Everything or nothing."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            os.ftruncate(self._fd, self.size)
            os.lseek(self._fd, self.size, os.SEEK_SET)
            raise
        self.size += len(data)

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._index: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._held = 0
        self._first_ns, self._last_ns = 2**63 - 1, 0
