"""The arm's stop budget, all real but the iron: driver, gate and commander are processes that talk over DDS.

While the arm moves fast, something fails at a random moment. From the last action that came through the gate
(or the operator's last sign of life) to joint speeds below 0.02 rad/s for good it may take 400 ms; what fails
in front of the gate must be told by it within 150 ms. And it stays stopped, whatever thaws or goes on.
"""

import logging
import pathlib
import random
import signal
import tempfile
import time
from collections.abc import Callable
from typing import Any

from bench.arm_rig import FAST_RADPS, ArmRig
from bench.transport_rig import row

log = logging.getLogger(__name__)

REST_MS, DETECT_MS = 400.0, 150.0
SETTLE_S, THAWED_S = 0.7, 0.3
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


def fault_3_arm(injections: int = 200, seed: int = 0) -> dict[str, Any]:
    """Who commands, guards or watches the moving arm fails."""
    rng, violations, rest_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    names = [name for _, name in zip(range(injections), _forever(), strict=False)]
    rng.shuffle(names)
    with tempfile.TemporaryDirectory() as folder, ArmRig(pathlib.Path(folder)) as rig:
        for name in names:
            rig.moving()
            time.sleep(rng.uniform(0.1, 0.8))
            while not rig.is_moving():  # the gate stopped by itself: this machine was too busy
                log.warning("event=stopped_by_itself report=%s", rig.report[:2])
                rig.moving()
            rested_ms, detected_ms = inject(rig, name)
            again = moves_again(rig, name)
            late = rested_ms > REST_MS or (detected_ms > DETECT_MS and not name.startswith("gate"))
            log.info("event=stop fault=%r rest_ms=%.0f detect_ms=%.0f", name, rested_ms, detected_ms)
            if late or again:
                log.warning("event=violation fault=%r late=%s moved_again=%s", name, late, again)
            violations += late or again
            rest_ms.append(rested_ms)
            clear(rig, name)
    return row("3 4 16 29 moving arm stops", injections, violations, rest_ms, "ms to rest")


def _forever() -> Any:
    while True:
        yield from FAULTS


def inject(rig: ArmRig, name: str) -> tuple[float, float]:
    """One fault: ms from the last valid action to rest, and to the gate's word (0 when it cannot speak)."""
    began_s = time.monotonic()
    FAULTS[name](rig)
    time.sleep(SETTLE_S)
    alive_s = rig.joy_s if name == "operator lost" else rig.obeyed_s
    told = [at_s for at_s, _ in list(rig.holds) if at_s >= began_s]
    detected_ms = 1e3 * (told[0] - alive_s) if told else 0.0 if name.startswith("gate") else float("inf")
    return 1e3 * (rig.rest_s(began_s) - alive_s), detected_ms


def moves_again(rig: ArmRig, name: str) -> bool:
    """Whether what thaws, or goes on commanding, moves the arm although nobody armed it."""
    if name.endswith("frozen"):
        rig.send(name.partition(" ")[0], signal.SIGCONT)
    since_s = time.monotonic()
    time.sleep(THAWED_S)
    seen = [s.radps for s in list(rig.speeds) if s.measured_s > since_s]
    return not seen or max(seen) > FAST_RADPS / 10


def clear(rig: ArmRig, name: str) -> None:
    """Takes away what the fault left: a spoilt commander starts anew."""
    if name in {"not finite", "stale"}:
        rig.end("commander")


if __name__ == "__main__":
    import sys

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    print(fault_3_arm(*map(int, sys.argv[1:])))
