"""Reading an MCAP file from its beginning, and ending properly one whose writer was killed.

Only the data is read, never the index, so that a file cut off anywhere reads up to its last whole chunk. What
is damaged in the middle is refused with its offset.
"""

import dataclasses
import importlib
import os
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sandlot.robots.recording import mcap_format as fmt
from sandlot.robots.recording.errors import BagError, needs

MAX_RECORD_BYTES = 1 << 31


class Message(NamedTuple):
    """One message as it was recorded: `log_ns` is when it arrived, `data` its CDR bytes."""

    topic: str
    type: str
    log_ns: int
    data: bytes


class McapReader:
    """One file. `finished`, `summary` and `end` are known after `messages` ran through."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.summary = fmt.Summary()
        self.finished = False  # whether the writer came to its end
        self.end = 0  # offset behind the last whole record of data
        self.last_chunk: dict[
            int, list[tuple[int, int]]
        ] = {}  # log time and offset of its messages by channel

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Every message of these topics (None: all), in the order of the file.

        Raises:
            BagError: it is not an MCAP file or damaged in the middle; names file and offset.
        """
        for opcode, body in self._records():
            try:
                yield from self._record(opcode, body, topics)
            except (struct.error, UnicodeDecodeError, KeyError, IndexError, OverflowError) as error:
                raise self._damaged(f"a record of type {opcode} makes no sense ({error!r})") from error

    def scan(self) -> None:
        """Reads it through for what `summary` holds."""
        for _ in self.messages(()):
            pass

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Whole records of the data section; a last one that is cut off is left out."""
        with open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            magic = file.read(len(fmt.MAGIC))
            if magic != fmt.MAGIC:
                if fmt.MAGIC.startswith(magic):
                    return
                raise BagError(f"'{self.path}' is not an MCAP file: at offset 0 its magic bytes are missing")
            self.end = file.tell()
            while head := self._read(file, fmt.RECORD.size):
                opcode, length = fmt.RECORD.unpack(head)
                if opcode in (fmt.DATA_END, fmt.FOOTER):
                    file.seek(-len(fmt.MAGIC), os.SEEK_END)
                    self.finished = file.read() == fmt.MAGIC
                    return
                if not 0 < opcode <= fmt.DATA_END or length > MAX_RECORD_BYTES:
                    raise self._damaged(f"no record has type {opcode} and length {length}")
                if file.tell() + length > size:
                    return
                yield opcode, file.read(length)
                self.end = file.tell()

    @staticmethod
    def _read(file: BinaryIO, size: int) -> bytes:
        data = file.read(size)
        return data if len(data) == size else b""

    def _record(self, opcode: int, body: bytes, topics: Collection[str] | None) -> Iterator[Message]:
        if opcode == fmt.SCHEMA:
            schema = _schema(body)
            self.summary.schemas[schema.id] = schema
        elif opcode == fmt.CHANNEL:
            channel = _channel(body)
            self.summary.channels[channel.id] = channel
        elif opcode == fmt.CHUNK:
            yield from self._chunk(body, topics)
        elif opcode == fmt.MESSAGE:
            channel_id = fmt.MESSAGE_HEAD.unpack_from(body)[0]
            self.summary.counts[channel_id] += 1
            yield from self._message(body, topics)
        elif opcode == fmt.MESSAGE_INDEX and self.summary.chunks:
            self._note_index(int.from_bytes(body[:2], "little"), fmt.RECORD.size + len(body))

    def _chunk(self, body: bytes, topics: Collection[str] | None) -> Iterator[Message]:
        first_ns, last_ns, size, crc = fmt.CHUNK_HEAD.unpack_from(body)
        compression, at = _text(body, fmt.CHUNK_HEAD.size)
        packed = body[at + 8 :]
        if len(packed) != struct.unpack_from("<Q", body, at)[0]:
            raise self._damaged("a chunk's length is wrong")
        records = self._decompress(packed, compression)
        if len(records) != size or (crc and zlib.crc32(records) != crc):
            raise self._damaged("a chunk fails its checksum")
        length = fmt.RECORD.size + len(body)
        sizes = (compression, len(packed), size)
        self.summary.chunks.append(fmt.Chunk(first_ns, last_ns, self.end, length, {}, 0, *sizes))
        at, self.last_chunk = 0, {}
        while at < size:
            opcode, length = fmt.RECORD.unpack_from(records, at)
            if opcode == fmt.MESSAGE:
                channel, _, log_ns, _ = fmt.MESSAGE_HEAD.unpack_from(records, at + fmt.RECORD.size)
                self.last_chunk.setdefault(channel, []).append((log_ns, at))
            at += fmt.RECORD.size
            yield from self._record(opcode, records[at : at + length], topics)
            at += length

    def _decompress(self, packed: bytes, compression: str) -> bytes:
        try:
            return decompress(packed, compression)
        except RuntimeError as error:
            raise self._damaged(f"a chunk cannot be decompressed ({error})") from error

    def _message(self, body: bytes, topics: Collection[str] | None) -> Iterator[Message]:
        number, _, log_ns, _ = fmt.MESSAGE_HEAD.unpack_from(body)
        channel = self.summary.channels[number]
        if topics is None or channel.topic in topics:
            schema = self.summary.schemas.get(channel.schema_id)
            name = schema.name if schema else ""
            yield Message(channel.topic, name, log_ns, body[fmt.MESSAGE_HEAD.size :])

    def _note_index(self, channel: int, length: int) -> None:
        chunk = self.summary.chunks[-1]
        chunk.indexes[channel] = self.end
        self.summary.chunks[-1] = dataclasses.replace(chunk, indexes_length=chunk.indexes_length + length)

    def _damaged(self, what: str) -> BagError:
        return BagError(
            f"'{self.path}' is damaged at offset {self.end}: {what}; restore a copy, or cut the file there "
            f"(truncate -s {self.end}) to keep what lies before"
        )


def repair(path: Path) -> bool:
    """Ends a file that its writer could not end: cuts off the torn record and adds the index.

    Returns whether there was anything to do.
    """
    reader = McapReader(path)
    reader.scan()
    if reader.finished:
        return False
    tail, end, chunks = b"", reader.end, reader.summary.chunks
    if end <= len(fmt.MAGIC):  # killed before anything
        tail, end = fmt.opening(), 0
    if chunks:  # the index behind the last chunk may be torn
        end = chunks[-1].offset + chunks[-1].length
        tail, offsets = fmt.message_indexes(reader.last_chunk, end)
        chunks[-1] = dataclasses.replace(chunks[-1], indexes=offsets, indexes_length=len(tail))
    with open(path, "r+b") as file:
        file.truncate(end)
        file.seek(end)
        file.write(tail + reader.summary.packed(end + len(tail)))
        file.flush()
        os.fsync(file.fileno())
    return True


def decompress(packed: bytes, compression: str) -> bytes:
    """A chunk's records; RuntimeError when they cannot be had."""
    if not compression:
        return packed
    if compression in ("lz4", "zstd"):
        with needs("data", f"a bag compressed with {compression}"):
            importlib.import_module("lz4.frame" if compression == "lz4" else "backports.zstd")
    if compression == "lz4":
        return bytes(importlib.import_module("lz4.frame").decompress(packed))
    if compression == "zstd":
        zstd = importlib.import_module("backports.zstd")
        try:
            return bytes(zstd.decompress(packed))
        except zstd.ZstdError as error:
            raise RuntimeError(str(error)) from error
    raise RuntimeError(f"compression '{compression}' is unknown")


def _text(body: bytes, at: int) -> tuple[str, int]:
    """The string at an offset, and the offset behind it."""
    size = struct.unpack_from("<I", body, at)[0]
    if at + 4 + size > len(body):
        raise IndexError(f"a text of {size} bytes")
    return body[at + 4 : at + 4 + size].decode(), at + 4 + size


def _schema(body: bytes) -> fmt.Schema:
    name, at = _text(body, 2)
    _, at = _text(body, at)
    return fmt.Schema(struct.unpack_from("<H", body)[0], name, _text(body, at)[0])


def _channel(body: bytes) -> fmt.Channel:
    number, schema = struct.unpack_from("<HH", body)
    topic, at = _text(body, 4)
    _, at = _text(body, at)
    end, pairs = at + 4 + struct.unpack_from("<I", body, at)[0], dict[str, str]()
    at += 4
    while at < end:
        key, at = _text(body, at)
        pairs[key], at = _text(body, at)
    return fmt.Channel(number, schema, topic, pairs)
