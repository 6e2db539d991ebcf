"""The VESC's serial protocol: framing, CRC, a parser that survives noise, and the commands of a car.

    02 | length (1) | payload | crc (2) | 03      payloads of 1 to 255 bytes
    03 | length (2) | payload | crc (2) | 03      longer ones

Numbers are big endian. The CRC is CRC-16/XMODEM (polynomial 0x1021, start 0, no reflection) of the payload,
whose first byte says what it is.
"""

import enum
import re
import struct
from binascii import crc_hqx

SHORT, LONG, END = 0x02, 0x03, 0x03
MAX_PAYLOAD = 512
"""The firmware's own limit; a longer one is noise that looks like a start."""
_START = re.compile(rb"[\x02\x03]")


class Command(enum.IntEnum):
    """What a payload is, by its first byte."""

    FW_VERSION = 0
    GET_VALUES = 4
    SET_DUTY = 5
    SET_CURRENT = 6
    SET_BRAKE = 7
    SET_RPM = 8
    SET_HANDBRAKE = 10
    SET_SERVO = 12
    GET_APPCONF = 17
    ALIVE = 30
    GET_IMU_DATA = 65


SET_MOTOR = frozenset(
    {Command.SET_DUTY, Command.SET_CURRENT, Command.SET_BRAKE, Command.SET_RPM, Command.SET_HANDBRAKE}
)
"""These and `ALIVE` feed the firmware's timeout; a servo command does not."""


def crc16(payload: bytes) -> int:
    """The CRC of a payload."""
    return crc_hqx(payload, 0)


def frame(payload: bytes) -> bytes:
    """A payload on the wire; ValueError for one that no VESC would take."""
    if not 1 <= len(payload) <= MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(payload)} bytes: it must have 1 to {MAX_PAYLOAD}")
    short = len(payload) < 256
    head = struct.pack(">BB", SHORT, len(payload)) if short else struct.pack(">BH", LONG, len(payload))
    return head + payload + struct.pack(">HB", crc16(payload), END)


def ask(command: Command) -> bytes:
    """A question, or `ALIVE`."""
    return frame(bytes([command]))


def ask_imu(mask: int = 0xFFFF) -> bytes:
    """Asks for the IMU's data, those of `mask`."""
    return frame(struct.pack(">BH", Command.GET_IMU_DATA, mask))


def set_rpm(erpm: float) -> bytes:
    """Electrical revolutions per minute, held by the firmware's speed controller."""
    return _set(Command.SET_RPM, erpm, 1)


def set_current(current_a: float) -> bytes:
    """Motor current; 0 lets the car coast."""
    return _set(Command.SET_CURRENT, current_a, 1000)


def set_brake(current_a: float) -> bytes:
    """Braking current, whichever way the motor turns."""
    return _set(Command.SET_BRAKE, current_a, 1000)


def set_handbrake(current_a: float) -> bytes:
    """Current that keeps a standing motor from turning."""
    return _set(Command.SET_HANDBRAKE, current_a, 1000)


def set_servo(position: float) -> bytes:
    """Position of the steering servo's pulse, 0 to 1."""
    return frame(struct.pack(">Bh", Command.SET_SERVO, round(position * 1000)))


def _set(command: Command, value: float, scale: int) -> bytes:
    """A command with one 32-bit number; struct.error when it does not fit, ValueError for NaN."""
    return frame(struct.pack(">Bi", command, round(value * scale)))


class Parser:
    """Payloads out of a stream of bytes; what is none is skipped and counted.

    A byte of noise may look like the start of a long frame. It does not make later ones wait: a whole frame
    behind an unfinished one wins, unless it is of zeros alone, whose CRC of zero proves nothing.

    Attributes:
        crc_errors: frames whose length and end were right and whose CRC was not.
        skipped: bytes that belonged to no good frame.
    """

    def __init__(self) -> None:
        self.crc_errors = self.skipped = 0
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that these bytes complete."""
        self._buffer += data
        payloads: list[bytes] = []
        at, unfinished = 0, -1
        while (found := _START.search(self._buffer, at)) is not None:
            at = found.start()
            end, payload = self._frame_at(at)
            if payload and (unfinished < 0 or any(payload)):
                payloads.append(payload)
                self._drop(at, end)
                at, unfinished = 0, -1
                continue
            if unfinished < 0 < end:
                self.crc_errors += end <= len(self._buffer)
                unfinished = at if end > len(self._buffer) else -1
            at += 1
        self._drop(len(self._buffer) if unfinished < 0 else unfinished)
        return payloads

    def clear(self) -> None:
        """Forgets a frame that has begun."""
        self._drop(len(self._buffer))

    def _frame_at(self, start: int) -> tuple[int, bytes]:
        """Where a frame that starts here would end, 0 if it cannot be one; its payload if whole and right."""
        head = 2 if self._buffer[start] == SHORT else 3
        begin, have = start + head, len(self._buffer)
        if have < begin:
            return begin, b""
        size = int.from_bytes(self._buffer[start + 1 : begin], "big")
        if not (1 <= size if head == 2 else 256 <= size <= MAX_PAYLOAD):
            return 0, b""
        end = begin + size + 3
        if have < end:
            return end, b""
        payload, crc = self._buffer[begin : begin + size], self._buffer[end - 3 : end - 1]
        if self._buffer[end - 1] != END:
            return 0, b""
        return end, payload if crc16(payload) == int.from_bytes(crc, "big") else b""

    def _drop(self, skipped: int, end: int | None = None) -> None:
        """Skips bytes, and takes away those of a frame that ends at `end`."""
        self.skipped += skipped
        self._buffer = self._buffer[skipped if end is None else end :]
