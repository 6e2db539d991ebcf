"""A Dynamixel bus without hardware: servos behind a pseudo-terminal, and everything that can go wrong there.

    python -m sandlot.robots.dynamixel.emulator --ids 1 2 3 4 5 6 7     prints the port and serves it

Byte for byte what servos answer, in the order they would; `Faults` breaks it on purpose.
"""

import dataclasses
import sys
from collections.abc import Iterable

from sandlot.robots import pty_device
from sandlot.robots.dynamixel import protocol
from sandlot.robots.dynamixel.protocol import ALERT, BROADCAST, Error, Instruction, Packet, Parser
from sandlot.robots.dynamixel.registers import HARDWARE_ERROR, MODEL
from sandlot.robots.dynamixel.servo import Servo
from sandlot.robots.pty_device import PtyDevice


@dataclasses.dataclass
class Faults(pty_device.Faults):
    """What goes wrong on a bus.

    Attributes:
        missing: ids that do not answer, nor those behind them in a sync read.
    """

    missing: set[int] = dataclasses.field(default_factory=set)


class Emulator(PtyDevice):
    """Servos on a bus."""

    faults: Faults

    def __init__(self, ids: Iterable[int]) -> None:
        super().__init__(Faults())
        self.servos = {id_: Servo(id_) for id_ in ids}
        self._parser = Parser()

    def hear(self, data: bytes, now_s: float) -> Iterable[bytes]:
        """Every packet's answers."""
        for packet in self._parser.feed(data):
            yield from self.answers(packet, now_s)

    def advance(self, now_s: float) -> None:
        """Every servo moves."""
        for servo in self.servos.values():
            servo.advance(now_s)

    def answers(self, packet: Packet, now_s: float) -> list[bytes]:
        """What the servos say to a packet."""
        for servo in self.servos.values():
            servo.heard(now_s)
        many = {Instruction.SYNC_READ: self._sync_read, Instruction.SYNC_WRITE: self._sync_write}
        if packet.instruction in many:
            return many[Instruction(packet.instruction)](packet.parameters)
        ids = self.servos if packet.id == BROADCAST else [packet.id]
        return [self._one(i, packet) for i in ids if i in self.servos and i not in self.faults.missing]

    def _one(self, id_: int, packet: Packet) -> bytes:
        """One servo's answer to a question of its own."""
        servo, parameters = self.servos[id_], packet.parameters
        address = int.from_bytes(parameters[:2], "little")
        data: bytes | None = b""
        error = Error.NONE
        if packet.instruction == Instruction.PING:
            data = servo.read(MODEL.address, 2) or b""
            data += bytes([servo.table[6]])
        elif packet.instruction == Instruction.READ:
            data = servo.read(address, int.from_bytes(parameters[2:4], "little"))
            error = Error.RANGE if data is None else Error.NONE
        elif packet.instruction == Instruction.WRITE:
            error = servo.write(address, parameters[2:])
        elif packet.instruction == Instruction.REBOOT:
            self.servos[id_] = Servo(id_, servo.position_rad)
        else:
            error = Error.INSTRUCTION
        return self._status(id_, error, data or b"")

    def _sync_read(self, parameters: bytes) -> list[bytes]:
        """Each in the order asked for; behind one that is missing, silence."""
        address, size = (int.from_bytes(parameters[i : i + 2], "little") for i in (0, 2))
        found = []
        for id_ in parameters[4:]:
            if id_ not in self.servos or id_ in self.faults.missing:
                break
            data = self.servos[id_].read(address, size)
            found.append(self._status(id_, Error.NONE if data else Error.RANGE, data or b""))
        return found

    def _sync_write(self, parameters: bytes) -> list[bytes]:
        """Nobody answers."""
        address, size = (int.from_bytes(parameters[i : i + 2], "little") for i in (0, 2))
        for start in range(4, len(parameters) - size, size + 1):
            servo = self.servos.get(parameters[start])
            if servo is not None and parameters[start] not in self.faults.missing:
                servo.write(address, parameters[start + 1 : start + 1 + size])
        return []

    def _status(self, id_: int, error: Error, data: bytes) -> bytes:
        alert = ALERT if self.servos[id_].get(HARDWARE_ERROR) else 0
        return protocol.status(id_, error | alert, data)


def main(argv: list[str] | None = None) -> int:
    """Serves a bus until Ctrl-C."""
    parser = pty_device.arguments(__doc__)
    parser.add_argument("--ids", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7])
    return Emulator(parser.parse_args(argv).ids).serve()


if __name__ == "__main__":
    sys.exit(main())
