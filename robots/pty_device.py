"""A serial device without hardware: the far end of a pseudo-terminal, and what can go wrong on the way.

An emulator says what its device does with the bytes it hears (`hear`) and with time (`advance`). It is byte
for byte what the host's code meets on a real port, but for baud rates, which a pseudo-terminal has none of.
"""

import abc
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

TICK_S = 0.002


@dataclasses.dataclass
class Faults:
    """What goes wrong with answers; set from any thread.

    Attributes:
        drop: how many of the next ones are lost.
        flip: how many of the next ones arrive with a wrong bit.
        late_s: how long every one is delayed.
        noise: bytes that come before every one.
    """

    drop: int = 0
    flip: int = 0
    late_s: float = 0.0
    noise: bytes = b""


class PtyDevice(abc.ABC):
    """An emulated device. `port` is the path to open; `start` serves it in a thread until `close`.

    Attributes:
        faults: what goes wrong.
        lock: held while the device hears and advances; take it to look at its insides.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults, self.lock = faults, threading.Lock()
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name=type(self).__name__, daemon=True)

    @abc.abstractmethod
    def hear(self, data: bytes, now_s: float) -> Iterable[bytes]:
        """What the device answers to these bytes, each answer by itself."""

    @abc.abstractmethod
    def advance(self, now_s: float) -> None:
        """Moves the device on to a time."""

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
                data = os.read(self._master, 4096)
                with self.lock:
                    answers = list(self.hear(data, time.monotonic()))
                for answer in answers:
                    self._send(answer)
            with self.lock:
                self.advance(time.monotonic())

    def serve(self) -> int:
        """Prints the port and serves it until Ctrl-C: the `main` of an emulator."""
        sys.stdout.write(f"{self.port}\n")
        sys.stdout.flush()
        try:
            self.run()
        except KeyboardInterrupt:
            self.close()
        return 0

    def _send(self, answer: bytes) -> None:
        """Puts an answer on the wire, as broken as asked for."""
        if self.faults.late_s:
            self._stop.wait(self.faults.late_s)
        if self.faults.drop > 0:
            self.faults.drop -= 1
            return
        data = bytearray(answer)
        if self.faults.flip > 0:
            self.faults.flip -= 1
            data[-3] ^= 0x10
        os.write(self._master, self.faults.noise + data)


def arguments(text: str | None) -> argparse.ArgumentParser:
    """A parser for an emulator's `main`, described by the first line of its module's docstring."""
    return argparse.ArgumentParser(description=(text or "").splitlines()[0])
