"""A VESC without hardware: `python -m sandlot.robots.vesc.emulator` prints the port and serves it.

It answers byte for byte as the firmware does, keeps the firmware's timeout, and drives a `Motor`; `Faults`
breaks what it says, `motor.fault` and `motor.killed` what it does.
"""

import struct
import sys
from collections import Counter
from collections.abc import Iterable

from sandlot.robots import pty_device
from sandlot.robots.pty_device import Faults, PtyDevice
from sandlot.robots.vesc import protocol, values
from sandlot.robots.vesc.motor import Motor, MotorConfig
from sandlot.robots.vesc.protocol import SET_MOTOR, Command, Parser
from sandlot.robots.vesc.settings import Timeout, write_timeout
from sandlot.robots.vesc.values import SIZES, Firmware

FIRMWARE = Firmware(6, 5, "60", "0123456789abcdef01234567")
SCALES = {Command.SET_DUTY: 1e5, Command.SET_RPM: 1.0}
"""Of a command's number; the others are in thousandths."""


class Emulator(PtyDevice):
    """A VESC.

    Attributes:
        motor: what it drives.
        firmware: what it says it is.
        size: length of its measurements, one of `values.SIZES`, or another to be of a firmware nobody knows.
        tells_settings: whether it answers when it is asked for its app settings.
        silent: it hears and obeys, and answers nothing.
        heard: how often each command came.
    """

    def __init__(self, config: MotorConfig | None = None, *, firmware: Firmware = FIRMWARE) -> None:
        super().__init__(Faults())
        self.motor = Motor(config or MotorConfig())
        self.firmware, self.size, self.silent = firmware, SIZES[-1], False
        self.tells_settings = True
        self.heard: Counter[Command] = Counter()
        self._parser = Parser()

    def advance(self, now_s: float) -> None:
        """The motor turns."""
        self.motor.advance(now_s)

    def hear(self, data: bytes, now_s: float) -> Iterable[bytes]:
        """Answers to questions; commands have none."""
        for payload in self._parser.feed(data):
            answer = self._obey(payload, now_s)
            if answer and not self.silent:
                yield protocol.frame(answer)

    def _obey(self, payload: bytes, now_s: float) -> bytes:
        """Does what a payload says and returns the answer, empty where there is none."""
        if payload[0] not in set(Command):
            return b""
        command = Command(payload[0])
        self.heard[command] += 1
        self.motor.advance(now_s)
        if command in SET_MOTOR and len(payload) == 5:
            (raw,) = struct.unpack(">i", payload[1:])
            self.motor.set(command, raw / SCALES.get(command, 1000.0), now_s)
        elif command == Command.SET_SERVO and len(payload) == 3:
            (raw,) = struct.unpack(">h", payload[1:])
            self.motor.steer(raw / 1000.0)
        elif command == Command.ALIVE:
            self.motor.feed(now_s)
        elif command == Command.FW_VERSION:
            return values.write_firmware(self.firmware)
        elif command == Command.GET_VALUES:
            return self._values()
        elif command == Command.GET_APPCONF and self.tells_settings:
            return write_timeout(Timeout(self.motor.config.timeout_s, self.motor.config.timeout_brake_a))
        return b""

    def _values(self) -> bytes:
        payload = values.write_values(self.motor.values())
        return payload[: self.size] if self.size < len(payload) else payload.ljust(self.size, b"\0")


def main(argv: list[str] | None = None) -> int:
    """Serves a VESC until Ctrl-C."""
    parser = pty_device.arguments(__doc__)
    parser.add_argument("--timeout-s", type=float, default=MotorConfig.timeout_s, help="of the firmware")
    parser.add_argument("--timeout-brake-a", type=float, default=MotorConfig.timeout_brake_a)
    given = parser.parse_args(argv)
    config = MotorConfig(timeout_s=given.timeout_s, timeout_brake_a=given.timeout_brake_a)
    return Emulator(config).serve()


if __name__ == "__main__":
    sys.exit(main())
