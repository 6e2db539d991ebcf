"""A serial port through termios: raw, exclusive, with as little delay as its driver allows."""

import array
import contextlib
import fcntl
import os
import select
import termios
import time
from dataclasses import dataclass

from sandlot.learners.errors import ConfigError
from sandlot.robots.errors import DeviceError

_TIOCGSERIAL, _TIOCSSERIAL, _LOW_LATENCY, _FLAGS = 0x541E, 0x541F, 0x2000, 4
"""Linux: an FTDI adapter waits 16 ms for more bytes unless its port is told not to."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long an answer over a serial port is waited for.

    Attributes:
        reply_s: how long after its last byte was due an answer is given up.
        tries: how often one question is asked.
    """

    reply_s: float = 0.01
    tries: int = 3

    def __post_init__(self) -> None:
        if not 0.0 < self.reply_s <= 0.1:
            raise ConfigError(
                f"reply_s={self.reply_s} must lie in (0, 0.1]: answers come within milliseconds"
            )
        if not 1 <= self.tries <= 10:
            raise ConfigError(f"tries={self.tries} must lie in [1, 10]")


class Port:
    """An open serial port; DeviceError names it and the way out."""

    def __init__(self, path: str, baud: int) -> None:
        self.path, self.baud = path, baud
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise DeviceError(f"serial port {path}: {baud} baud is not a rate this system knows")
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise DeviceError(
                f"serial port {path} cannot be opened ({error.strerror}); is the adapter plugged in, and "
                "may you use it (group 'dialout')?"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _make_raw(self._fd, speed)
        except OSError as error:
            os.close(self._fd)
            raise DeviceError(
                f"serial port {path} is used by another process; stop that one first"
            ) from error
        except termios.error as error:
            os.close(self._fd)
            raise DeviceError(f"{path} is not a serial port ({error.args[-1]})") from error

    def write(self, data: bytes) -> None:
        """Sends bytes, all of them; what was received before is thrown away."""
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
            while data:
                select.select([], [self._fd], [], 1.0)
                data = data[os.write(self._fd, data) :]
        except (OSError, termios.error) as error:
            raise DeviceError(
                f"serial port {self.path} is gone ({error}); plug the adapter in again"
            ) from error

    def read(self, until_s: float) -> bytes:
        """The bytes that have come, waiting for some until a steady time; empty when none came."""
        try:
            if not select.select([self._fd], [], [], max(0.0, until_s - time.monotonic()))[0]:
                return b""
            data = os.read(self._fd, 4096)
        except OSError as error:
            raise DeviceError(
                f"serial port {self.path} is gone ({error}); plug the adapter in again"
            ) from error
        if not data:
            raise DeviceError(f"serial port {self.path} is gone (end of file); plug the adapter in again")
        return data

    def close(self) -> None:
        """Closes it; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _make_raw(fd: int, speed: int) -> None:
    """8 bits, no parity, nothing translated; low latency where the driver knows it."""
    attributes = termios.tcgetattr(fd)
    control = termios.CS8 | termios.CREAD | termios.CLOCAL
    attributes[:6] = [0, 0, control, 0, speed, speed]
    attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 0, 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    with contextlib.suppress(OSError):  # a pseudo-terminal, another system
        serial = array.array("i", [0] * 32)
        fcntl.ioctl(fd, _TIOCGSERIAL, serial)
        serial[_FLAGS] |= _LOW_LATENCY
        fcntl.ioctl(fd, _TIOCSSERIAL, serial)
