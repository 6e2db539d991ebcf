"""A Dynamixel bus without hardware: servos behind a pseudo-terminal, and everything that can go wrong there.

    python -m sandlot.robots.dynamixel.emulator --ids 1 2 3 4 5 6 7     prints the port and serves it

Byte for byte what servos answer, in the order they would; `Faults` breaks it on purpose.
"""

import argparse
import dataclasses
import os
import pty
import select
import sys
import threading
import time
import tty
from collections.abc import Iterable

from sandlot.robots.dynamixel import protocol
from sandlot.robots.dynamixel.protocol import ALERT, BROADCAST, Error, Instruction, Packet, Parser
from sandlot.robots.dynamixel.registers import HARDWARE_ERROR, MODEL
from sandlot.robots.dynamixel.servo import Servo

TICK_S = 0.002


@dataclasses.dataclass
class Faults:
    """What goes wrong; set from any thread.

    Attributes:
        drop: how many of the next answers are lost.
        flip: how many of the next answers arrive with a wrong bit.
        late_s: how long every answer is delayed.
        missing: ids that do not answer, nor those behind them in a sync read.
    """

    drop: int = 0
    flip: int = 0
    late_s: float = 0.0
    missing: set[int] = dataclasses.field(default_factory=set)


class Emulator:
    """Servos on a bus. `port` is the path to open; `start` serves it in a thread until `close`."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.servos = {id_: Servo(id_) for id_ in ids}
        self.faults = Faults()
        self.lock = threading.Lock()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._parser = Parser()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="dynamixel-emulator", daemon=True)

    def start(self) -> None:
        """Serves in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and closes the port, as when the adapter is pulled out; may be called twice."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for fd in (self._master, self._slave):
            if fd >= 0:
                os.close(fd)
        self._master = self._slave = -1

    def run(self) -> None:
        """Serves until `close`."""
        while not self._stop.is_set():
            if select.select([self._master], [], [], TICK_S)[0]:
                for packet in self._parser.feed(os.read(self._master, 4096)):
                    self._send(self.answers(packet, time.monotonic()))
            with self.lock:
                for servo in self.servos.values():
                    servo.advance(time.monotonic())

    def answers(self, packet: Packet, now_s: float) -> list[bytes]:
        """What the servos say to a packet."""
        with self.lock:
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

    def _send(self, answers: list[bytes]) -> None:
        """Puts answers on the wire, as broken as asked for."""
        for answer in answers:
            if self.faults.late_s:
                self._stop.wait(self.faults.late_s)
            if self.faults.drop > 0:
                self.faults.drop -= 1
                continue
            data = bytearray(answer)
            if self.faults.flip > 0:
                self.faults.flip -= 1
                data[-3] ^= 0x10
            os.write(self._master, data)


def main(argv: list[str] | None = None) -> int:
    """Serves a bus until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--ids", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7])
    emulator = Emulator(parser.parse_args(argv).ids)
    sys.stdout.write(f"{emulator.port}\n")
    sys.stdout.flush()
    try:
        emulator.run()
    except KeyboardInterrupt:
        emulator.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
