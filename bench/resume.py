"""Seconds from `kill -9` of the learner to its next update, on `arm_pick` with its own settings.

Once as a user meets it, with the compiled update kept on the machine, and once with an empty cache, as on a
machine that never trained this. `python -m bench.resume` prints the rows.
"""

import json
import os
import pathlib
import sys
import tempfile
import time
from typing import Any

import numpy as np

from bench.system_rig import Rig
from sandlot.learners.compile_cache import VARIABLE
from sandlot.learners.config import TrainConfig
from sandlot.presets import preset

TASK, BAR_S = "arm_pick", 30.0
RUNS, COLD_RUNS = 5, 2
TRAIN_S = 2.0
SETTINGS = {"steps": 10**6, "checkpoint_s": 5.0}


def measure() -> list[dict[str, Any]]:
    """Both rows; about two minutes."""
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(**{**vars(preset([TASK])), **SETTINGS})
        with Rig(pathlib.Path(folder) / "run", config) as rig:
            rig.start()
            warm = [resume_s(rig) for _ in range(RUNS)]
            cold = []
            for i in range(COLD_RUNS):
                before = os.environ.get(VARIABLE)
                os.environ[VARIABLE] = f"{folder}/cold-{i}"
                cold.append(resume_s(rig))
                os.environ.pop(VARIABLE)
                os.environ.update({} if before is None else {VARIABLE: before})
    return [row("resume_after_kill", warm), row("resume_after_kill_nothing_compiled", cold)]


def resume_s(rig: Rig) -> float:
    """Kills the learner in the middle of training; the time to the first update of the next one."""
    time.sleep(TRAIN_S)
    rig.kill(rig.learner)
    saved, began_s = rig.saved_updates, time.monotonic()
    rig.learner.start(began_s)
    rig.until(lambda: rig.updates > saved, "trains again")
    return time.monotonic() - began_s


def row(figure: str, seconds: list[float]) -> dict[str, Any]:
    """One line of `bench/latest.json`: the longest, for a bar is for every time."""
    value = float(np.max(seconds))
    return {
        "figure": figure,
        "value": value,
        "unit": "s",
        "against": "bar",
        "against_value": BAR_S,
        "ratio": value / BAR_S,
        "runs": len(seconds),
    }


if __name__ == "__main__":
    for line in measure():
        sys.stdout.write(json.dumps(line) + "\n")
