"""The arm's stop budget, all real but the iron: driver, gate and commander are processes that talk over DDS.

While the arm moves fast, something fails at a random moment. From the last action that came through the gate
(or the operator's last sign of life) to joint speeds below 0.02 rad/s for good it may take 400 ms; what fails
in front of the gate must be told by it within 150 ms. And it stays stopped, whatever thaws or goes on.
"""

import itertools
import json
import logging
import pathlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.arm_rig import ArmRig
from bench.transport_rig import row

log = logging.getLogger(__name__)

REST_MS, DETECT_MS = 400.0, 150.0
SETTLE_S, THAWED_S = 0.7, 0.3
AGAIN_RADPS = 0.03
Fault = Callable[[ArmRig], None]
FAULTS: dict[str, Fault] = {
    "commander killed": lambda rig: rig.end("commander"),
    "commander frozen": lambda rig: rig.send("commander", signal.SIGSTOP),
    "not finite": lambda rig: rig.send("commander", signal.SIGUSR1),
    "stale": lambda rig: rig.send("commander", signal.SIGUSR2),
    "gate killed": lambda rig: rig.end("gate"),
    "gate frozen": lambda rig: rig.send("gate", signal.SIGSTOP),
    "operator lost": lambda rig: rig.end("operator"),
}


class Outcome(NamedTuple):
    """What one injection brought.

    Attributes:
        rest_ms: from the last valid action to rest.
        detect_ms: from there to the gate's word; 0 when it is the gate that fails.
        again: whether the arm moved although nobody armed the gate.
        stalled: whether the machine ran nothing for 50 ms, this foremost thread neither: it proves nothing.
    """

    rest_ms: float
    detect_ms: float
    again: bool
    stalled: bool

    @property
    def broken(self) -> bool:
        """Whether a promise was."""
        return self.rest_ms > REST_MS or self.detect_ms > DETECT_MS or self.again


def fault_3_arm(injections: int = 200, seed: int = 0) -> dict[str, Any]:
    """Who commands, guards or watches the moving arm fails."""
    rng, done, void = random.Random(seed), list[Outcome](), 0  # noqa: S311
    names = list(itertools.islice(itertools.cycle(FAULTS), injections))
    rng.shuffle(names)
    with tempfile.TemporaryDirectory() as folder, ArmRig(pathlib.Path(folder)) as rig:
        while len(done) < injections:
            name = names[len(done)]
            get_going(rig, rng)
            outcome = inject(rig, name)
            log.info("event=stop number=%d fault=%r outcome=%s", len(done), name, outcome)
            if outcome.stalled and void < injections:
                void += 1
            else:
                done.append(outcome)
    unit = f"ms to rest; told in {max(o.detect_ms for o in done):.0f} at most; {void} void"
    times = [o.rest_ms for o in done]
    return row("3 moving arm: who commands fails", injections, sum(o.broken for o in done), times, unit)


def get_going(rig: ArmRig, rng: random.Random) -> None:
    """Fast motion, to be interrupted at any moment."""
    rig.moving()
    time.sleep(rng.uniform(0.1, 0.8))
    while not rig.is_moving():  # the gate stopped by itself: this machine was too busy
        log.warning("event=stopped_by_itself report=%s", rig.report[:2])
        rig.moving()


def inject(rig: ArmRig, name: str) -> Outcome:
    """One fault, its consequences, and what thaws or goes on commanding."""
    began_s = time.monotonic()
    FAULTS[name](rig)
    time.sleep(SETTLE_S)
    alive_s = rig.joy_s if name == "operator lost" else rig.obeyed_s
    told = [at_s for at_s, _ in list(rig.holds) if at_s >= began_s]
    detect_ms = 0.0 if name.startswith("gate") else 1e3 * (told[0] - alive_s) if told else float("inf")
    rest_ms = 1e3 * (rig.rest_s(began_s) - alive_s)
    again = moves_again(rig, name)
    if name in {"not finite", "stale"}:
        rig.end("commander")  # a spoilt one starts anew
    return Outcome(rest_ms, detect_ms, again, rig.has_stalled_since(alive_s))


def moves_again(rig: ArmRig, name: str) -> bool:
    """Whether the arm moves although nobody armed it."""
    if name.endswith("frozen"):
        rig.send(name.partition(" ")[0], signal.SIGCONT)
    since_s = time.monotonic()
    time.sleep(THAWED_S)
    seen = [s.radps for s in list(rig.speeds) if s.measured_s > since_s]
    return not seen or max(seen) > AGAIN_RADPS


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    sys.stdout.write(json.dumps(fault_3_arm(*map(int, sys.argv[1:]))) + "\n")
