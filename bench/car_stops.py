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
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bench.car_rig import STOP_S, CarRig
from bench.transport_rig import row

log = logging.getLogger(__name__)

BRAKE_MS, STAND_MS, FAULT_MS = 100.0, 900.0, 500.0
"""`FAULT_MS`: so long a VESC with a fault lets the motor go and cannot brake."""
THAWED_S = 0.3


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
