"""Dynamixel protocol 2.0 on the wire: framing, byte stuffing, CRC-16, and a parser that survives noise.

    instruction  FF FF FD 00 | id | length (2) | instruction    | parameters | crc (2)
    status       FF FF FD 00 | id | length (2) | 55 | error     | parameters | crc (2)

Length counts everything after itself. Wherever FF FF FD appears behind the length, another FD follows, so
that a header never appears inside a packet. The CRC (polynomial 0x8005, start 0, most significant bit first)
covers everything before it. Numbers are little endian.
"""

import enum
from typing import NamedTuple

HEADER = b"\xff\xff\xfd\x00"
BROADCAST = 0xFE
MAX_ID = 252
MAX_LENGTH = 1024
"""No packet of ours comes near; a longer one is noise that looks like a header."""


class Instruction(enum.IntEnum):
    """What a packet asks for."""

    PING = 0x01
    READ = 0x02
    WRITE = 0x03
    REBOOT = 0x08
    STATUS = 0x55
    SYNC_READ = 0x82
    SYNC_WRITE = 0x83


class Error(enum.IntEnum):
    """Why a servo refused, the low bits of its error byte."""

    NONE = 0
    RESULT = 1
    INSTRUCTION = 2
    CRC = 3
    RANGE = 4
    LENGTH = 5
    LIMIT = 6
    ACCESS = 7


ALERT = 0x80
"""Bit of the error byte: the servo has a hardware error, see its register 70."""


class Packet(NamedTuple):
    """An instruction as a servo receives it."""

    id: int
    instruction: int
    parameters: bytes


class Status(NamedTuple):
    """A servo's answer."""

    id: int
    error: Error
    alert: bool
    parameters: bytes


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x8005 if crc & 0x8000 else crc << 1
        table.append(crc & 0xFFFF)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """The CRC of a packet without its last two bytes."""
    crc = 0
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC_TABLE[crc >> 8 ^ byte]
    return crc


def stuffed(body: bytes) -> bytes:
    """A body with FD behind every FF FF FD."""
    return body.replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")


def unstuffed(body: bytes) -> bytes:
    """The body that `stuffed` was given."""
    return body.replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")


def packet(id_: int, instruction: int, parameters: bytes = b"") -> bytes:
    """An instruction on the wire."""
    body = stuffed(bytes([instruction]) + parameters)
    data = HEADER + bytes([id_]) + (len(body) + 2).to_bytes(2, "little") + body
    return data + crc16(data).to_bytes(2, "little")


def status(id_: int, error: int, parameters: bytes = b"") -> bytes:
    """An answer on the wire."""
    return packet(id_, Instruction.STATUS, bytes([error]) + parameters)


class Parser:
    """Packets out of a stream of bytes; what is no packet is skipped and counted.

    Attributes:
        crc_errors: packets whose CRC was wrong.
        skipped: bytes that belonged to no good packet.
    """

    def __init__(self) -> None:
        self.crc_errors = self.skipped = 0
        self._buffer = b""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that these bytes complete."""
        self._buffer += data
        packets: list[Packet] = []
        while self._take(packets):
            pass
        return packets

    def clear(self) -> None:
        """Forgets a packet that has begun."""
        self.skipped += len(self._buffer)
        self._buffer = b""

    def _take(self, packets: list[Packet]) -> bool:
        """Takes one packet or skips noise; False when more bytes are needed."""
        start = self._buffer.find(HEADER)
        if start < 0:
            start = max(0, len(self._buffer) - len(HEADER) + 1)  # the end may be a header's beginning
            self._skip(start)
            return False
        self._skip(start)
        if len(self._buffer) < 7:
            return False
        length = int.from_bytes(self._buffer[5:7], "little")
        if not 3 <= length <= MAX_LENGTH:
            self._skip(len(HEADER))
            return True
        end = 7 + length
        if len(self._buffer) < end:
            return False
        if int.from_bytes(self._buffer[end - 2 : end], "little") != crc16(self._buffer[: end - 2]):
            self.crc_errors += 1
            self._skip(len(HEADER))
            return True
        body = unstuffed(self._buffer[7 : end - 2])
        packets.append(Packet(self._buffer[4], body[0], body[1:]))
        self._buffer = self._buffer[end:]
        return True

    def _skip(self, count: int) -> None:
        self.skipped += count
        self._buffer = self._buffer[count:]


def as_status(found: Packet) -> Status | None:
    """A packet as an answer; None when it is none (an echo of our own instruction, for example)."""
    if found.instruction != Instruction.STATUS or not found.parameters:
        return None
    code = found.parameters[0]
    known = code & 0x7F in set(Error)
    return Status(
        found.id, Error(code & 0x7F) if known else Error.RESULT, bool(code & ALERT), found.parameters[1:]
    )
