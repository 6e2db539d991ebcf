"""How well two tasks in turn are practised: `python -m bench.in_turn RUN [--trials 200]`.

Goes on with a run of `sandlot train arm_relocate` and its reverse in real time, with its real processes, for
so many more trials, and prints one JSON line: how many succeeded (by the word that rewards the run: the
task's, or its classifiers'), in the longest row too, how often controllers or a person had to help, and where
the robot's time went. Practice goes on meanwhile: the policies explore and learn.
"""

import argparse
import json
import pathlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from sandlot.learners.config import existing_run, load_config
from sandlot.learners.evaluate import wilson
from sandlot.learners.evaluate_turns import longest_row
from sandlot.learners.ledger import Use
from sandlot.learners.prepare import CONFIG_FILE, LOGS, STATUS_FILE
from sandlot.learners.progress import read_status
from sandlot.learners.turns import Trial

TURN = re.compile(r"event=turn ended=(\w+)")
COUNTED = ("calls", "resets", "reset_steps")
STEPS_A_TRIAL = 100
"""More than any trial has: the run must not end first."""
LOOK_S = 1.0


def main(argv: list[str]) -> None:
    """Plays the trials and prints what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--trials", type=int, default=200)
    args = parser.parse_args(argv)
    sys.stdout.write(json.dumps(measured(args.run, args.trials)) + "\n")


def measured(run: str, trials: int) -> dict[str, Any]:
    """Continues the run for so many trials."""
    folder = existing_run(run)
    config, before = load_config(folder / CONFIG_FILE), read_status(folder / STATUS_FILE)
    log = folder / LOGS / "actor-0.log"
    seen = log.stat().st_size
    steps = int(before["env_steps"]) + trials * STEPS_A_TRIAL
    flags = ("--run", run, "--steps", str(steps), "--pace", "realtime", "--json")
    train = [sys.executable, "-m", "sandlot", "train", config.task, *flags]
    process = subprocess.Popen(train, stdout=subprocess.DEVNULL)
    try:
        while len(won := list(results(log, seen))) < trials and process.poll() is None:
            time.sleep(LOOK_S)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    if len(won) < trials:
        sys.exit(f"bench.in_turn: the run ended after {len(won)} of {trials} trials; see above")
    return summary(won[:trials], before, read_status(folder / STATUS_FILE))


def results(log: pathlib.Path, offset: int) -> Iterator[bool]:
    """Whether each trial after this place in an actor's log succeeded; what a fault ended was none."""
    with log.open("rb") as file:
        file.seek(offset)
        text = file.read().decode(errors="replace")
    for ended in TURN.findall(text):
        if Trial[ended] not in (Trial.DONE_BEFORE, Trial.BROKEN):
            yield Trial[ended] is Trial.SUCCESS


def summary(won: list[bool], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What people want to know; a status counts from the beginning of its run, hence the differences."""
    used = {use: after[f"time_{use}_s"] - before[f"time_{use}_s"] for use in Use}
    successes, played = sum(won), len(won)
    return {
        "trials": played,
        "success": successes / max(1, played),
        "interval": wilson(successes, played) if played else None,
        "longest_row": longest_row(won),
        "utilisation": used[Use.STEPPING] / max(1e-9, sum(used.values())),
        **{name: after[name] - before[name] for name in COUNTED},
        **{f"time_{use}_s": round(seconds, 1) for use, seconds in used.items()},
    }


if __name__ == "__main__":
    main(sys.argv[1:])
