"""A Dynamixel bus: many servos, one wire, one question at a time; every answer has a deadline."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sandlot.robots.dynamixel import protocol
from sandlot.robots.dynamixel.protocol import BROADCAST, Error, Instruction, Parser, Status
from sandlot.robots.dynamixel.registers import MODEL, Register
from sandlot.robots.errors import DeviceError
from sandlot.robots.serial_port import Patience, Port

BITS_PER_BYTE = 10
STATUS_BYTES = 11
"""An answer without parameters."""


@dataclass(frozen=True, kw_only=True)
class BusConfig(Patience):
    """How a bus is used.

    Attributes:
        baud: as set in the servos.
    """

    baud: int = 1_000_000
    reply_s: float = 0.005


class Bus:
    """The master of a bus.

    Attributes:
        counts: what went over it: packets, answers, and what went wrong: timeouts, retries, crc_errors.
        alerted: ids whose last answer said that they have a hardware error.
        spoke_s: steady time of the last packet sent, which the servos' watchdogs count from.
    """

    def __init__(self, port: Port, config: BusConfig) -> None:
        self._port, self._config, self._parser = port, config, Parser()
        self.counts: Counter[str] = Counter()
        self.alerted: set[int] = set()
        self.spoke_s = time.monotonic()

    def ping(self, id_: int) -> int | None:
        """A servo's model number; None when there is none of this id."""
        found = self._ask(protocol.packet(id_, Instruction.PING), [id_], size=3)
        return MODEL.unpack(found[id_].parameters) if found else None

    def read(self, id_: int, register: Register) -> int:
        """A register of one servo; DeviceError when it does not answer or refuses."""
        found = self._persist(
            lambda: self._ask(_read(id_, register), [id_], size=register.size), f"servo {id_} does not answer"
        )
        return register.unpack(_accepted(found[id_], register).parameters)

    def write(self, id_: int, register: Register, value: int) -> None:
        """Sets a register of one servo and waits for its answer; DeviceError as in `read`."""
        where = register.address.to_bytes(2, "little")
        packet = protocol.packet(id_, Instruction.WRITE, where + register.pack(value))
        found = self._persist(lambda: self._ask(packet, [id_], size=0), f"servo {id_} does not answer")
        _accepted(found[id_], register)

    def sync_read(self, ids: Sequence[int], register: Register) -> dict[int, bytes]:
        """The same register of many servos by id; an id that never answers is missing.

        A servo that is gone silences those behind it, who wait for its answer; so the rest is asked again
        together, and in the end one by one.
        """
        found: dict[int, bytes] = {}
        for attempt in range(self._config.tries):
            left = [i for i in ids if i not in found]
            if not left:
                break
            self.counts["retries"] += attempt > 0
            last = attempt == self._config.tries - 1
            for group in [[i] for i in left] if last else [left]:
                packet = protocol.packet(BROADCAST, Instruction.SYNC_READ, _span(register) + bytes(group))
                answers = self._ask(packet, group, size=register.size)
                found |= {i: s.parameters for i, s in answers.items() if s.error is Error.NONE}
        return found

    def sync_write(self, register: Register, values: Mapping[int, bytes]) -> None:
        """Sets the same register of many servos at one instant; they do not answer."""
        data = b"".join(bytes([id_]) + value for id_, value in values.items())
        self._send(protocol.packet(BROADCAST, Instruction.SYNC_WRITE, _span(register) + data))

    def close(self) -> None:
        """Closes the port."""
        self._port.close()

    def _persist(self, ask: Callable[[], dict[int, Status]], otherwise: str) -> dict[int, Status]:
        """Asks until there is an answer; DeviceError when there is none."""
        for attempt in range(self._config.tries):
            self.counts["retries"] += attempt > 0
            found = ask()
            if found:
                return found
        raise DeviceError(
            f"{self._port.path}: {otherwise} ({self._config.tries} tries at {self._port.baud} baud); "
            "check power, cable, id and baud rate"
        )

    def _send(self, packet: bytes) -> None:
        self._parser.clear()
        self._port.write(packet)
        self.counts["packets"] += 1
        self.spoke_s = time.monotonic()

    def _ask(self, packet: bytes, ids: Sequence[int], size: int) -> dict[int, Status]:
        """Sends a question and gathers answers by id until all are there or the time is up."""
        self._send(packet)
        due = len(packet) + len(ids) * (STATUS_BYTES + size)
        until_s = self.spoke_s + due * BITS_PER_BYTE / self._config.baud + self._config.reply_s
        found: dict[int, Status] = {}
        while len(found) < len(ids):
            data = self._port.read(until_s)
            if not data:
                self.counts["timeouts"] += len(ids) - len(found)
                break
            for packet_ in self._parser.feed(data):
                self._note(protocol.as_status(packet_), ids, size, found)
        self.counts["answers"] += len(found)
        self.counts["crc_errors"] = self._parser.crc_errors
        return found

    def _note(self, status: Status | None, ids: Sequence[int], size: int, found: dict[int, Status]) -> None:
        """Keeps an answer to the question that was asked: not an echo, nor a late answer of another size."""
        if status is None or status.id not in ids:
            return
        if status.error is Error.NONE and len(status.parameters) != size:
            return
        (self.alerted.add if status.alert else self.alerted.discard)(status.id)
        found[status.id] = status


def _read(id_: int, register: Register) -> bytes:
    return protocol.packet(id_, Instruction.READ, _span(register))


def _span(register: Register) -> bytes:
    """Address and size, as questions name a register."""
    return register.address.to_bytes(2, "little") + register.size.to_bytes(2, "little")


def _accepted(status: Status, register: Register) -> Status:
    """A status that says yes; DeviceError with the servo's own reason when it does not."""
    if status.error is not Error.NONE:
        raise DeviceError(
            f"servo {status.id} refuses register {register.address}: {status.error.name.lower()} error; "
            "see the model's control table"
        )
    return status
