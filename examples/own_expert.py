"""Demonstrations by an expert of your own, and a policy that is trained from them.

    python examples/own_expert.py

Anything that turns an observation into an action may be the expert: a script as here, a person, an old
policy. The demonstrations are a run store of their own, which `sandlot train --demos-file` takes.
"""

import argparse
import os
import subprocess
import sys
import time

import numpy as np

from sandlot.learners import envs
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Source, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.wire import Batch

TASK = "arm_reach"


def expert(state: np.ndarray) -> np.ndarray:
    """Half of the way to the target, position and rotation; scales are those of docs/tasks.md."""
    to_target_m, turn_rad = 0.1 * state[18:21], 0.3 * state[21:24]
    return np.clip(np.concatenate([0.5 * to_target_m / 0.05, 0.5 * turn_rad / 0.2]), -1, 1).astype(np.float32)


def record(folder: str, episodes: int) -> int:
    """Plays the expert and commits each episode; returns how many succeeded."""
    env = envs.make(TASK)
    spec = envs.env_spec(env)
    recorder, successes = EpisodeRecorder(spec), 0
    stream = Stream("own_expert", os.urandom(8).hex())
    with RunStore.open(folder, spec) as store:
        for seed in range(episodes):
            obs, _ = env.reset(seed=seed)
            recorder.begin(obs, time.monotonic_ns())
            episode = None
            while episode is None:
                action = expert(obs["state"])
                decision = Decision(action, time.monotonic_ns(), time.time(), source=Source.SCRIPT)
                obs, reward, terminated, truncated, info = env.step(action)
                won = bool(info["success"])
                outcome = Outcome(obs, float(reward), terminated, truncated, time.monotonic_ns(), won)
                episode = recorder.add(decision, outcome)
            successes += episode.success
            store.append([Batch(stream, *recorder.take())])
    env.close()
    return successes


def main() -> int:
    """Records, then trains; further flags go to `sandlot train`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demos", default="demos/own_expert", help="folder for the demonstrations")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--run", default="own_expert", help="name or path of the run")
    parser.add_argument("--steps", type=int, default=2000)
    args, flags = parser.parse_known_args()
    won = record(args.demos, args.episodes)
    print(f"the expert succeeded in {won} of {args.episodes} episodes", flush=True)
    command = [sys.executable, "-m", "sandlot", "train", TASK, "--run", args.run]
    command += ["--demos-file", args.demos, "--steps", str(args.steps), *flags]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
