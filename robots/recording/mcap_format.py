"""MCAP's records, as far as a bag needs them (https://mcap.dev/spec), and the summary that ends a file."""

import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

LIBRARY = "sandlot"
MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, SUMMARY_OFFSET, DATA_END = 0x0B, 0x0E, 0x0F
RECORD = struct.Struct("<BQ")
"""Opcode and length of every record."""
MESSAGE_HEAD = struct.Struct("<HIQQ")
"""Channel, sequence, log time, publish time."""
CHUNK_HEAD = struct.Struct("<QQQI")
"""First and last log time, size and CRC-32 of the records before compression."""


def text(value: str) -> bytes:
    """A string: its length and its UTF-8."""
    data = value.encode()
    return struct.pack("<I", len(data)) + data


def record(opcode: int, body: bytes) -> bytes:
    """A record with its head."""
    return RECORD.pack(opcode, len(body)) + body


def opening() -> bytes:
    """How a file begins."""
    return MAGIC + record(HEADER, text("ros2") + text(LIBRARY))


@dataclass(frozen=True)
class Channel:
    """One topic of a file; `schema_id` is 0 where a file gives none."""

    id: int
    schema_id: int
    topic: str
    metadata: dict[str, str] = field(default_factory=dict)

    def packed(self) -> bytes:
        """Its record."""
        pairs = b"".join(text(k) + text(v) for k, v in self.metadata.items())
        body = struct.pack("<HH", self.id, self.schema_id) + text(self.topic) + text("cdr")
        return record(CHANNEL, body + struct.pack("<I", len(pairs)) + pairs)


@dataclass(frozen=True)
class Schema:
    """One message type and its definition."""

    id: int
    name: str
    definition: str

    def packed(self) -> bytes:
        """Its record."""
        body = struct.pack("<H", self.id) + text(self.name) + text("ros2msg") + text(self.definition)
        return record(SCHEMA, body)


@dataclass(frozen=True)
class Chunk:
    """Where a chunk lies and what is in it: a line of the index."""

    first_ns: int
    last_ns: int
    offset: int
    length: int
    indexes: dict[int, int]
    indexes_length: int
    compression: str
    compressed: int
    size: int

    def packed(self) -> bytes:
        """Its record in the summary."""
        offsets = b"".join(struct.pack("<HQ", *item) for item in self.indexes.items())
        body = struct.pack("<QQQQI", self.first_ns, self.last_ns, self.offset, self.length, len(offsets))
        body += offsets + struct.pack("<Q", self.indexes_length) + text(self.compression)
        return record(CHUNK_INDEX, body + struct.pack("<QQ", self.compressed, self.size))


def chunk_record(records: bytes, packed: bytes, compression: str, times: tuple[int, int]) -> bytes:
    """A chunk: `packed` is `records` after compression; `times` its first and last log time."""
    head = CHUNK_HEAD.pack(*times, len(records), zlib.crc32(records)) + text(compression)
    return RECORD.pack(CHUNK, len(head) + 8 + len(packed)) + head + struct.pack("<Q", len(packed)) + packed


def message_indexes(messages: Mapping[int, list[tuple[int, int]]], at: int) -> tuple[bytes, dict[int, int]]:
    """The records that follow a chunk, from offset `at`: (log time, offset in the chunk) by channel.

    Returns them and where each channel's lies.
    """
    made, offsets = b"", {}
    for channel, entries in messages.items():
        offsets[channel] = at + len(made)
        packed = b"".join(struct.pack("<QQ", *entry) for entry in entries)
        made += record(MESSAGE_INDEX, struct.pack("<HI", channel, len(packed)) + packed)
    return made, offsets


@dataclass
class Summary:
    """What is known of a file so far; `packed` ends the file with it."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)

    @property
    def times(self) -> tuple[int, int]:
        """First and last log time, ns; zeros in an empty file."""
        if not self.chunks:
            return 0, 0
        return min(c.first_ns for c in self.chunks), max(c.last_ns for c in self.chunks)

    def packed(self, at: int) -> bytes:
        """Everything from the end of the data at offset `at` to the end of the file."""
        begin = record(DATA_END, struct.pack("<I", 0))
        start = at + len(begin)
        groups = [
            (SCHEMA, b"".join(s.packed() for s in self.schemas.values())),
            (CHANNEL, b"".join(c.packed() for c in self.channels.values())),
            (STATISTICS, self._statistics()),
            (CHUNK_INDEX, b"".join(c.packed() for c in self.chunks)),
        ]
        body, offsets = b"", b""
        for opcode, group in groups:
            if group:
                offsets += record(SUMMARY_OFFSET, struct.pack("<BQQ", opcode, start + len(body), len(group)))
            body += group
        foot = RECORD.pack(FOOTER, 20) + struct.pack("<QQ", start, start + len(body))
        crc = zlib.crc32(body + offsets + foot)
        return begin + body + offsets + foot + struct.pack("<I", crc) + MAGIC

    def _statistics(self) -> bytes:
        counts = b"".join(struct.pack("<HQ", *item) for item in self.counts.items())
        numbers = (self.counts.total(), len(self.schemas), len(self.channels), 0, 0, len(self.chunks))
        body = struct.pack("<QHIIII", *numbers) + struct.pack("<QQ", *self.times)
        return record(STATISTICS, body + struct.pack("<I", len(counts)) + counts)
