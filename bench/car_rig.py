"""What the car's stops are measured with: a VESC and a driver as processes, and a watch for stalls."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

STOP_S, STALL_S = 5.0, 0.03
TRIES = 10


class Stalls:
    """A thread that goes before all others and notes when even it could not run: that proves nothing."""

    PERIOD_S, LEVEL = 0.005, 20

    def __init__(self) -> None:
        self._stalled_s, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        from sandlot.learners import process

        process.take_precedence(self.LEVEL)
        last_s = time.monotonic()
        while not self._stop.wait(self.PERIOD_S):
            now_s = time.monotonic()
            if now_s - last_s > STALL_S:
                self._stalled_s = now_s
            last_s = now_s

    def since(self, at_s: float) -> bool:
        """Whether there was one after a moment."""
        return self._stalled_s > at_s

    def close(self) -> None:
        """Ends it."""
        self._stop.set()
        self._thread.join()


class CarRig:
    """The VESC's process, the driver's, and what the VESC says."""

    def __enter__(self) -> "CarRig":
        """Starts the VESC."""
        self.stalls = Stalls()
        self._vesc = _start("vesc")
        self._port = _line(self._vesc)
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self._driver: subprocess.Popen[str] | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends both."""
        self.kill()
        self._vesc.kill()
        self._vesc.wait()
        self._reader.join()
        self.stalls.close()

    def _listen(self) -> None:
        for line in self._vesc.stdout or ():
            self.events.append(json.loads(line))

    def tell_vesc(self, word: str) -> None:
        """A word to the VESC's process."""
        _say(self._vesc, word)

    def tell_driver(self, word: str) -> None:
        """A word to the driver."""
        assert self._driver is not None
        _say(self._driver, word)

    def send(self, number: signal.Signals) -> None:
        """A signal to the driver."""
        assert self._driver is not None
        self._driver.send_signal(number)

    def kill(self) -> None:
        """The driver is gone."""
        if self._driver is not None:
            self._driver.kill()
            self._driver.wait()
        self._driver = None

    def starve_and_kill(self) -> None:
        """The driver is killed while its watchdog waits for a command."""
        self.tell_driver("reads only")
        time.sleep(0.04)
        self.kill()

    def go(self) -> None:
        """The driver, a new one if need be, brings the car to 3 m/s."""
        for _ in range(TRIES):
            if self._went():
                return
            self.kill()
            self._driver = _start("driver", self._port)
            if _line(self._driver) != "connected":  # a busy machine: the VESC did not answer in time
                self.kill()
        raise RuntimeError(f"the car did not drive, {TRIES} drivers in a row")

    def _went(self) -> bool:
        if self._driver is None:
            return False
        since_s = time.monotonic()
        self.tell_driver("go")
        return self.wait(lambda e: e["pace"] == "fast", since_s, STOP_S) < float("inf")

    def drives(self, at_s: float) -> bool:
        """Whether the VESC was told to drive, by what it said last before a moment."""
        told = [e["told"] for e in list(self.events) if e["at_s"] < at_s]
        return bool(told) and told[-1] == "drive"

    def wait(self, what: Callable[[dict[str, Any]], bool], since_s: float, within_s: float) -> float:
        """When the VESC first said this after a moment; infinity when it did not within a time."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            found = [e["at_s"] for e in list(self.events) if e["at_s"] >= since_s and what(e)]
            if found:
                return float(found[0])
            time.sleep(0.002)
        return float("inf")


def _start(*part: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "bench.car_peers", *part]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(peer: "subprocess.Popen[str]") -> str:
    assert peer.stdout is not None
    return peer.stdout.readline().strip()


def _say(peer: "subprocess.Popen[str]", word: str) -> None:
    assert peer.stdin is not None
    peer.stdin.write(word + "\n")
    peer.stdin.flush()
