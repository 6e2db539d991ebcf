"""Two tasks that undo each other, practised in turn by real processes, each of which is killed once."""

import collections
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from tests.learners.shuttle import BACK, TASK

from sandlot.learners.prepare import STATUS_FILE
from sandlot.learners.progress import read_status
from sandlot.learners.store_read import RunReader

ROOT = pathlib.Path(__file__).parents[2]
AGENT = "--agent.algo sac --agent.n-critics 2 --agent.utd 2 --agent.batch-size 16 --agent.actor-hidden 16"
FLAGS = (
    f"--steps 900 --demos 0 --start-after 20 --update-ratio 1 --checkpoint-s 1 --pace learner {AGENT} --json"
)
LONGEST_S = 280.0


def child(parent, *words):
    """The process of `sandlot train` whose command line has these words."""
    for process in psutil.Process(parent.pid).children(recursive=True):
        line = process.cmdline()
        if all(word in line for word in words):
            return process
    return None


def wait(parent, condition, until_s):
    while not (found := condition()):
        assert parent.poll() is None and time.monotonic() < until_s, "it ended, or it took too long"
        time.sleep(0.05)
    return found


def both_beyond(least, *folders):
    return all(read_status(folder / STATUS_FILE).get("env_steps", 0) > least for folder in folders)


def steps_of(folder):
    """Each stream's step numbers, in the order of commit."""
    numbers = collections.defaultdict(list)
    for stored in RunReader(folder).read():
        numbers[stored.stream.run] += stored.steps["step"].tolist()
    return numbers


@pytest.mark.slow
def test_both_directions_are_learned_and_no_step_is_lost_whatever_is_killed(tmp_path):
    folder = tmp_path / "shuttle"
    back = tmp_path / "shuttle_back"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, "-m", "sandlot", "train", TASK, "--run", str(folder), *FLAGS.split()]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as train:
        until_s = time.monotonic() + LONGEST_S
        try:
            for least, words in ((60, ("learner", BACK)), (200, ("actor",)), (350, ("learner", TASK))):
                wait(train, functools.partial(both_beyond, least, folder, back), until_s)
                found = wait(train, functools.partial(child, train, *words), until_s)
                os.kill(found.pid, signal.SIGKILL)
            out, _ = train.communicate(timeout=max(1.0, until_s - time.monotonic()))
        except BaseException:
            train.terminate()
            raise
    summary = json.loads(out.splitlines()[-1])
    assert summary["finished"] and summary["back"]["finished"]
    assert (summary["task"], summary["back"]["task"]) == (TASK, BACK)
    found = {**steps_of(folder), **steps_of(back)}
    assert len(found) == 4  # two lives of the actor, a stream for each direction in both
    for numbers in found.values():
        assert numbers == list(range(len(numbers)))
    said = re.findall(r"event=actor_stopped run=(\w+) steps=(\d+)", (folder / "logs/actor-0.log").read_text())
    assert said and all(len(found[run]) == int(steps) for run, steps in said)
    for one in (summary, summary["back"]):
        assert one["env_steps"] >= 900 and one["trials_per_hour"] > 0 and 0 < one["utilisation"] <= 1
    for run in (folder, back):
        times = [
            read_status(run / STATUS_FILE)[f"time_{use}_s"] for use in ("stepping", "learner", "resetting")
        ]
        assert np.isfinite(times).all() and min(times[:2]) > 0
