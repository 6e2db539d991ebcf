"""Read a run: its episodes, its figures, and its steps as transitions in one numpy file.

    python examples/read_run.py runs/demo --out transitions.npz

Reading disturbs nobody: the run may be learning meanwhile.
"""

import argparse
import sys

import numpy as np

from sandlot.learners.schema import Flag
from sandlot.learners.store_read import RunReader, Stored


def transitions(batches: list[Stored]) -> dict[str, np.ndarray]:
    """Every whole transition of one stream; `discount` is 0 only where the task truly ended.

    The next state is that of the following step, or the batch's `final` where a segment ends. Between
    segments there is no transition, and a step that a fault ended is not to be learned from.
    """
    steps = np.concatenate([batch.steps for batch in batches])
    finals = {int(f["step"]): f["state"] for batch in batches for f in batch.finals}
    follows = np.append(np.diff(steps["step"].astype(np.int64)) == 1, False)
    next_state = np.append(steps["state"][1:], steps["state"][-1:], axis=0)
    ends = (steps["flags"] & Flag.END) != 0
    for i in np.flatnonzero(ends):
        next_state[i] = finals[int(steps["step"][i])]
    good = (ends | follows) & ((steps["flags"] & Flag.ABORTED) == 0)
    names = ("state", "action", "reward", "discount", "source", "episode")
    return {**{name: steps[name][good] for name in names}, "next_state": next_state[good]}


def main() -> int:
    """Prints the newest episodes and writes the transitions of all streams."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run's folder, such as runs/demo")
    parser.add_argument("--out", default="transitions.npz")
    parser.add_argument("--last", type=int, default=10, help="how many episodes to print")
    args = parser.parse_args()

    run = RunReader(args.run)
    episodes = run.episodes()
    print(f"task {run.spec.task}: {run.last_seq} steps, {len(episodes)} episodes")
    for e in episodes[-args.last :]:
        end = "success" if e.success else "aborted" if e.aborted else "failed" if e.ended else "unfinished"
        print(f"{e.stream.actor} episode {e.episode}: {e.steps} steps, return {e.total_reward:.2f}, {end}")
    for name in run.metric_names():
        _, env_step, value = run.metrics(name)[-1]
        print(f"{name} at step {env_step}: {value:.4g}")

    streams: dict[object, list[Stored]] = {}
    for batch in run.read():
        streams.setdefault(batch.stream, []).append(batch)
    parts = [transitions(batches) for batches in streams.values()]
    if not parts:
        print("no steps yet")
        return 1
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    np.savez_compressed(args.out, **arrays)
    print(f"wrote {len(arrays['reward'])} transitions to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
