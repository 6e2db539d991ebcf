"""The car's stops, all real but the iron: at 3 m/s who commands it fails, and the VESC says when it brakes.

`python -m bench.car_stops --injections 200` prints the figures as JSON, of every kind of fault by itself. The
device talks over a pseudo-terminal to an emulated VESC that is a process of its own and has the timeout that
the device's documentation asks for (80 ms, 20 A): of a process that was killed or frozen, or a cable that
fell out, only that is left to brake. Promised is: it brakes within 100 ms of the last sign of life, it stands
within 0.9 s, and it stays so whatever thaws.
"""

import argparse
import itertools
import json
import logging
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from bench.transport_rig import row

log = logging.getLogger(__name__)

BRAKE_MS, STAND_MS, FAULT_MS = 100.0, 900.0, 500.0
"""`FAULT_MS`: so long a VESC with a fault lets the motor go and cannot brake."""
STOP_S, THAWED_S, STALL_S = 5.0, 0.3, 0.03
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


class Kind(NamedTuple):
    """A fault.

    Attributes:
        inject: does it.
        at_once: whether it is told to the car, so that the time counts from there, and not from the last
            frame that drove the motor.
    """

    inject: Callable[[CarRig], None]
    at_once: bool = False


FAULTS = {
    "driver killed": Kind(CarRig.kill),
    "driver frozen": Kind(lambda rig: rig.send(signal.SIGSTOP)),
    "commands stop, reads go on": Kind(lambda rig: rig.tell_driver("reads only")),
    "servo commands only": Kind(lambda rig: rig.tell_driver("servo only")),
    "cable out": Kind(lambda rig: rig.tell_vesc("deaf")),
    "not a number": Kind(lambda rig: rig.tell_driver("not a number"), True),
    "hold": Kind(lambda rig: rig.tell_driver("hold"), True),
    "deadman released": Kind(lambda rig: rig.tell_driver("release"), True),
    "joystick lost": Kind(lambda rig: rig.tell_driver("lost"), True),
    "VESC fault": Kind(lambda rig: rig.tell_vesc("fault 5"), True),
    "commands stop, then killed": Kind(lambda rig: rig.starve_and_kill()),
}


class Outcome(NamedTuple):
    """What one fault brought.

    Attributes:
        name: of the fault.
        brake_ms: from the last sign of life until the motor was told to brake.
        injected_ms: the same from the injection.
        stand_ms: from the last sign of life until the car stood.
        again: whether it drove although nobody armed it.
        void: whether the machine ran nothing for 30 ms meanwhile, or the car had stopped by itself before: it
            proves nothing.
    """

    name: str
    brake_ms: float
    injected_ms: float
    stand_ms: float
    again: bool
    void: bool

    @property
    def broken(self) -> bool:
        """Whether a promise was."""
        stand_ms = STAND_MS + (FAULT_MS if self.name == "VESC fault" else 0.0)
        return self.brake_ms > BRAKE_MS or self.stand_ms > stand_ms or self.again


def inject(rig: CarRig, name: str) -> Outcome:
    """One fault at 3 m/s, what follows, and what thaws."""
    kind, injected_s = FAULTS[name], time.monotonic()
    kind.inject(rig)
    if name == "VESC fault":
        time.sleep(FAULT_MS / 1e3)
        rig.tell_vesc("fault 0")
    braked_s = rig.wait(lambda e: e["told"] == "brake", injected_s, STOP_S)
    stood_s = rig.wait(lambda e: e["pace"] == "stands", injected_s, STOP_S)
    if name == "driver frozen":
        rig.send(signal.SIGCONT)
    if name == "cable out":
        rig.tell_vesc("hears")
    thawed_s = time.monotonic()
    time.sleep(THAWED_S)
    again = any(e["at_s"] > thawed_s and e["pace"] != "stands" for e in list(rig.events))
    driven_s = next((e["driven_s"] for e in rig.events if e["at_s"] == braked_s), -float("inf"))
    alive_s = injected_s if kind.at_once else driven_s
    spans = ((braked_s, alive_s), (braked_s, injected_s), (stood_s, alive_s))
    void = rig.stalls.since(min(alive_s, injected_s)) or not rig.drives(injected_s)
    return Outcome(name, *(1e3 * (at_s - since_s) for at_s, since_s in spans), again, void)


def stops(injections: int, seed: int) -> tuple[list[Outcome], int]:
    """So many faults in turn, each as often, in any order; and how many were void and done again."""
    rng, done, void = random.Random(seed), list[Outcome](), 0  # noqa: S311
    names = list(itertools.islice(itertools.cycle(FAULTS), injections))
    rng.shuffle(names)
    with CarRig() as rig:
        while len(done) < injections:
            rig.go()
            time.sleep(rng.uniform(0.05, 0.25))
            outcome = inject(rig, names[len(done)])
            log.info("event=stop number=%d outcome=%s", len(done), outcome)
            if outcome.void and void < injections:
                void += 1
            else:
                done.append(outcome)
    return done, void


def fault_3_car(injections: int = 200, seed: int = 0) -> dict[str, Any]:
    """Who commands or watches the driving car fails, or its VESC does."""
    done, void = stops(injections, seed)
    unit = f"ms to braking; standing in {max(o.stand_ms for o in done):.0f} at most; {void} void"
    broken = sum(o.broken for o in done)
    return row("3 driving car: who commands fails", injections, broken, [o.brake_ms for o in done], unit)


def report(done: list[Outcome], void: int) -> dict[str, Any]:
    """Every figure, all together and by kind."""

    def figures(of: list[Outcome]) -> dict[str, Any]:
        found: dict[str, Any] = {"injections": len(of), "violations": sum(o.broken for o in of)}
        for name in ("brake_ms", "injected_ms", "stand_ms"):
            at = np.percentile([getattr(o, name) for o in of], [50, 99, 100], method="lower")
            found[name] = dict(zip(("p50", "p99", "max"), np.round(at, 1).tolist(), strict=True))
        return found

    kinds = {name: figures(of) for name in FAULTS if (of := [o for o in done if o.name == name])}
    return {"all": figures(done), "void": void, "kinds": kinds}


def measure() -> list[dict[str, Any]]:
    """Rows for `make bench`, of a few injections."""
    done, _ = stops(4 * len(FAULTS), 0)
    common = {"unit": "ms", "against": "promised", "ratio": None, "runs": len(done)}
    worst = {"braking": (max(o.brake_ms for o in done), BRAKE_MS)}
    worst["standing"] = (max(o.stand_ms for o in done if o.name != "VESC fault"), STAND_MS)
    return [
        {"figure": f"car at 3 m/s, who commands fails: {name}, longest", "value": v, "against_value": a}
        | common
        for name, (v, a) in worst.items()
    ]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--injections", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = report(*stops(given.injections, given.seed))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    sys.exit(1 if found["all"]["violations"] else 0)
