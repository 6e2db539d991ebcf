"""What a person's corrections are worth: `python -m bench.people [--steps N] [--seeds N] [--out FOLDER]`.

`arm_insert` from state with 20 demonstrations, so many practice steps, and three ways to use them: HG-DAgger
with a scripted person beside it, RLPD with that person, RLPD alone; and once more both with a person who
corrects four times as long. What is compared is the policy alone (`sandlot eval`, nobody corrects), and how
much the person had to do over time. Every run is a `sandlot train` that can be looked at afterwards.
"""

import argparse
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

from sandlot.learners.evaluate import wilson
from sandlot.learners.store_read import Episode, RunReader

TASK = "arm_insert"
EPISODES, SEED = 50, 1000
PERSON = ("--teleop", "scripted")
LONG = (*PERSON, "--person", "correction_steps=16", "most_steps=64")
WAYS = {
    "hg_dagger, person": ("--agent.algo", "hg_dagger", *PERSON),
    "rlpd, person": ("--agent.algo", "rlpd", *PERSON),
    "rlpd, nobody": ("--agent.algo", "rlpd"),
    "hg_dagger, long corrections": ("--agent.algo", "hg_dagger", *LONG),
    "rlpd, long corrections": ("--agent.algo", "rlpd", *LONG),
}
PARTS = 4
"""The run is cut into so many equal parts, to see the person's work over time."""


class Part(NamedTuple):
    """What a person did in a part of a run: per 100 episodes, share of steps, mean length."""

    interventions: float
    human_share: float
    correction_steps: float


def main(argv: list[str]) -> None:
    """Trains and evaluates what is not there yet, and prints a row a run, then one a way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", default="runs/people")
    args = parser.parse_args(argv)
    for way in WAYS:
        rows = []
        for seed in range(args.seeds):
            rows.append(measured(pathlib.Path(args.out), way, seed, args.steps))
            sys.stdout.write(json.dumps(rows[-1]) + "\n")
            sys.stdout.flush()
        sys.stdout.write(json.dumps(together(way, rows)) + "\n")


def measured(out: pathlib.Path, way: str, seed: int, steps: int) -> dict[str, Any]:
    """One run, trained and evaluated; one that is finished already is only evaluated."""
    run = out / f"{way.replace(', ', '-').replace(' ', '_')}-{seed}"
    flags = ("--seed", str(seed), "--steps", str(steps), *WAYS[way])
    trained = sandlot("train", TASK, "--run", str(run.absolute()), *flags)
    played = sandlot("eval", str(run.absolute()), "--episodes", str(EPISODES), "--seed", str(SEED))
    return {
        "way": way,
        "seed": seed,
        "steps": trained["env_steps"],
        "successes": round(played["success"] * EPISODES),
        "seconds": trained["train_seconds"],
        "parts": [part._asdict() for part in parts(run, steps)],
    }


def parts(run: pathlib.Path, steps: int) -> Iterator[Part]:
    """The person's work in each part of a run, by the episodes that ended in it."""
    reader = RunReader(run)
    pinned = int(reader.get_meta("pinned_seq", 0))
    episodes = [e for e in reader.episodes(pinned) if e.ended]
    for k in range(PARTS):
        low, high = (pinned + steps * i / PARTS for i in (k, k + 1))
        yield work([e for e in episodes if low < e.last_seq <= high])


def work(episodes: list[Episode]) -> Part:
    """The person's work in some episodes."""
    taken, human = sum(e.interventions for e in episodes), sum(e.human_steps for e in episodes)
    total = sum(e.steps for e in episodes)
    return Part(100.0 * taken / max(1, len(episodes)), human / max(1, total), human / max(1, taken))


def together(way: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All seeds of a way: the rate over all their episodes with its 95 % interval, and the work's means."""
    won, played = sum(r["successes"] for r in rows), EPISODES * len(rows)
    mean = [
        {name: sum(r["parts"][k][name] for r in rows) / len(rows) for name in Part._fields}
        for k in range(PARTS)
    ]
    return {"way": way, "success": won / played, "interval": wilson(won, played), "parts": mean}


def sandlot(*argv: str) -> dict[str, Any]:
    """A command's result; CalledProcessError when it fails."""
    command = [sys.executable, "-m", "sandlot", *argv, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
