"""The host's side of a VESC: who is there, commands, measurements; every answer has a deadline."""

import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from sandlot.robots.errors import DeviceError
from sandlot.robots.serial_port import Patience, Port
from sandlot.robots.vesc import protocol, values
from sandlot.robots.vesc.protocol import Command, Parser
from sandlot.robots.vesc.settings import Timeout, read_timeout
from sandlot.robots.vesc.values import Firmware, FirmwareError, Values

Reply = TypeVar("Reply")
HELLO_TRIES, HELLO_S = 5, 0.2
"""A VESC that has just got its power needs a moment."""


class SilentError(DeviceError):
    """The port is there, and the VESC did not answer in time."""


class Host:
    """Talks to one VESC. Every method raises DeviceError when the port is gone.

    Attributes:
        counts: commands, answers, and what went wrong: timeouts, retries, crc_errors, skipped_bytes.
    """

    def __init__(self, port: Port, config: Patience) -> None:
        self._port, self._config, self._parser = port, config, Parser()
        self.counts: Counter[str] = Counter()

    def hello(self) -> Firmware:
        """Who is there; DeviceError when nobody answers, or a firmware that cannot be used."""
        for _ in range(HELLO_TRIES):
            answer = self._ask(Command.FW_VERSION, b"", HELLO_S)
            if answer:
                return self._read(values.read_firmware, answer)
        raise DeviceError(
            f"{self._port.path}: no VESC answers; is it powered, is this its port, and is USB or UART "
            "switched on in its app settings?"
        )

    def values(self, command: bytes = b"") -> Values:
        """Sends frames and reads the measurements in one go; SilentError when it does not answer.

        Args:
            command: frames that go out before the question, in the same write; they have no answer.
        """
        for attempt in range(self._config.tries):
            self.counts["retries"] += attempt > 0
            answer = self._ask(Command.GET_VALUES, command, self._config.reply_s)
            command = b""
            if answer:
                return self._read(values.read_values, answer)
        raise SilentError(
            f"{self._port.path}: the VESC does not answer ({self._config.tries} tries); check its power and "
            "cable"
        )

    def timeout(self) -> Timeout | None:
        """What it does by itself when nobody commands it; None when its settings cannot be read."""
        for _ in range(self._config.tries):
            answer = self._ask(Command.GET_APPCONF, b"", HELLO_S)
            if answer:
                return read_timeout(answer)
        return None

    def send(self, command: bytes) -> None:
        """Frames that have no answer."""
        self._port.write(command)
        self.counts["commands"] += 1

    def close(self) -> None:
        """Closes the port; may be called twice."""
        self._port.close()

    def _read(self, read: Callable[[bytes], Reply], answer: bytes) -> Reply:
        """An answer's meaning; DeviceError names the port where it has none."""
        try:
            return read(answer)
        except FirmwareError as error:
            raise DeviceError(f"{self._port.path}: {error}") from error

    def _ask(self, question: Command, before: bytes, within_s: float) -> bytes:
        """The answer's payload; empty when none came in time."""
        self._parser.clear()
        self.send(before + protocol.ask(question))
        until_s = time.monotonic() + within_s
        while data := self._port.read(until_s):
            found = [p for p in self._parser.feed(data) if p[0] == question]
            self.counts["crc_errors"] = self._parser.crc_errors
            self.counts["skipped_bytes"] = self._parser.skipped
            if found:
                self.counts["answers"] += 1
                return found[-1]
        self.counts["timeouts"] += 1
        return b""
