"""The actor's control period at 10 Hz while its learner trains without a pause, is killed, and is frozen.

`arm_pick` in real time, learner and actor as real processes on this machine. Beside them, in a process of its
own, an empty loop of the same period: what the machine itself costs. `python -m bench.actor` prints the rows.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

from bench.probed_actor import COLUMNS
from bench.system_rig import Rig
from sandlot.learners.config import TrainConfig
from sandlot.presets import preset

TASK, PERIOD_S = "arm_pick", 0.1
PHASE_S = 25.0
KILLS, FREEZES = 3, 3
ENDLESS = {"steps": 10**9, "demos": 2, "update_ratio": 1000.0, "start_after": 50, "pace": "realtime"}
_EMPTY = """
import sys, time
period_s, end_s, next_s = float(sys.argv[1]), time.monotonic() + float(sys.argv[2]), time.monotonic()
while next_s < end_s:
    time.sleep(max(0.0, next_s - time.monotonic()))
    print(time.monotonic())
    next_s += period_s
"""
Spans = dict[str, tuple[float, float]]


def measure() -> list[dict[str, Any]]:
    """All rows; about two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(**{**vars(preset([TASK])), **ENDLESS})
        with Rig(pathlib.Path(folder) / "run", config, probe=True) as rig:
            rig.start()
            command = [sys.executable, "-c", _EMPTY, str(PERIOD_S), str(3 * PHASE_S + 120.0)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as empty:
                spans = phases(rig)
                empty.terminate()
                lines = empty.communicate()[0].splitlines()[:-1]
        probe, beside = rig.probed(), np.array([float(line) for line in lines])
    empty_rows = np.stack([beside, *(0 * beside for _ in COLUMNS[1:])], axis=1)
    rows = []
    for name, span in spans.items():
        here, there = within(probe, span), within(empty_rows, span)
        own_ms, idle_ms = p99_jitter_ms(here), p99_jitter_ms(there)
        rows += [
            row(f"actor_jitter_p99_learner_{name}", own_ms, "bar", 5.0, len(here)),
            row(f"actor_jitter_p99_learner_{name}_beside", own_ms, "empty loop", idle_ms, len(here)),
            row(f"actor_longest_call_learner_{name}", float(here[:, 4].max()), "bar", 1.0, len(here)),
        ]
    return rows


def phases(rig: Rig) -> Spans:
    """Goes through the three phases; when each began and ended, steady clock."""
    spans: Spans = {}
    began_s = time.monotonic()
    time.sleep(PHASE_S)
    spans["trains"] = (began_s, began_s := time.monotonic())
    for _ in range(KILLS):
        saved = rig.saved_updates
        rig.kill(rig.learner)
        time.sleep(PHASE_S / KILLS / 2)
        rig.learner.start(time.monotonic())
        rig.until(lambda saved=saved: rig.updates > saved, "trains again")
    spans["killed"] = (began_s, began_s := time.monotonic())
    for _ in range(FREEZES):
        with rig.frozen(rig.learner):
            time.sleep(PHASE_S / FREEZES)
        time.sleep(0.5)
    spans["frozen"] = (began_s, time.monotonic())
    return spans


def within(rows: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """The steps that began in a span."""
    return rows[(rows[:, 0] >= span[0]) & (rows[:, 0] < span[1])]


def p99_jitter_ms(rows: np.ndarray) -> float:
    """How far periods are from the nominal one; a reset between two episodes is not a period."""
    same = rows[1:, 3] == rows[:-1, 3]
    return float(np.percentile(np.abs(np.diff(rows[:, 0])[same] - PERIOD_S), 99) * 1e3)


def row(figure: str, value: float, against: str, other: float, runs: int) -> dict[str, Any]:
    """One line of `bench/latest.json`; `runs` counts steps."""
    return {
        "figure": figure,
        "value": value,
        "unit": "ms",
        "against": against,
        "against_value": other,
        "ratio": value / max(other, 1e-9),
        "runs": runs,
    }


if __name__ == "__main__":
    for line in measure():
        sys.stdout.write(json.dumps(line) + "\n")
