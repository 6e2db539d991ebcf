"""Rewards from cameras: memory that a classifier's data set takes, and what VICE adds to an agent's updates.

`python -m bench.rewards` prints the rows. Memory is the peak of a process of its own that draws 50 batches.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import jax
import numpy as np
import psutil

from bench import pixels
from sandlot.learners import agents
from sandlot.learners.config import TrainConfig
from sandlot.learners.env_config import EnvConfig
from sandlot.perception.classifier.dataset import Clip, FrameStore, Layout
from sandlot.perception.vice_reward import ViceReward

Row = dict[str, Any]
CAMERAS = {"side": (128, 128, 3), "wrist": (128, 128, 3)}
EPISODES, FRAMES, BATCHES, ROUNDS = 40, 100, 50, 5


def filled(folder: pathlib.Path, cameras: dict[str, Any], episodes: int, frames: int) -> FrameStore:
    """A data set of noise, half of it success, in files of ten episodes."""
    store, rng = FrameStore(folder, Layout("arm_pick", cameras)), np.random.default_rng(0)
    labels = np.repeat([0, 1], frames // 2).astype(np.uint8)
    for first in range(0, episodes, 10):
        store.add(
            Clip(
                f"e{k}",
                {c: rng.integers(0, 256, (frames, *shape), np.uint8) for c, shape in cameras.items()},
                labels,
                np.zeros(frames, bool),
                "train",
            )
            for k in range(first, first + 10)
        )
    return store


def resident_mb(folder: str, way: str) -> tuple[float, float]:
    """How much the process grew by opening a data set and drawing batches, and a batch's time in ms."""
    rng, own = np.random.default_rng(0), psutil.Process()
    before = own.memory_info().rss
    data = FrameStore(folder).load("train")
    frames: dict[str, Any] = dict(data.frames)
    if way == "memory":
        frames = {camera: seen[:] for camera, seen in frames.items()}
    began_s = time.perf_counter()
    for _ in range(BATCHES):
        rows = rng.integers(len(data), size=64)
        drawn = {camera: seen[rows] for camera, seen in frames.items()}
    took_ms = 1e3 * (time.perf_counter() - began_s) / BATCHES
    assert drawn["side"].shape == (64, *CAMERAS["side"])
    return (own.memory_info().rss - before) / 1e6, took_ms


def memory() -> Row:
    """A data set of 393 MB: rows from the disk against all of it in memory."""
    with tempfile.TemporaryDirectory() as folder:
        filled(pathlib.Path(folder), CAMERAS, EPISODES, FRAMES)
        found = {}
        for way in ("disk", "memory"):
            argv = [sys.executable, "-m", "bench.rewards", folder, way]
            found[way] = json.loads(subprocess.run(argv, capture_output=True, check=True, text=True).stdout)
    (mine, ms), (theirs, their_ms) = found["disk"], found["memory"]
    size = EPISODES * FRAMES * len(CAMERAS) * 128 * 128 * 3 / 1e6
    what = f"classifier data of {size:.0f} MB opened, {ms:.1f} ms a batch"
    return row(what, mine, "MB", f"all in memory, {their_ms:.1f} ms a batch", theirs, runs=1)


def vice() -> Row:
    """What a call of VICE takes beside the call of the agent's update that it pays for."""
    what, cfg = pixels.spec(2, 64), pixels.config(128)
    batch = pixels.batches(what, cfg)
    with tempfile.TemporaryDirectory() as folder:
        filled(pathlib.Path(folder) / "data", dict(what.images), 10, 40)
        env = EnvConfig(cameras=tuple(what.images))
        asked = TrainConfig(task="arm_pick", vice=f"{folder}/data", agent=cfg, env=env)
        reward = ViceReward(pathlib.Path(folder), asked, what_of(what))
    took, state = [], agents.init(what, cfg, 0)
    for i in range(ROUNDS + 2):
        began_s = time.perf_counter()
        paid, _ = reward.update(batch, 64, i * cfg.utd)
        jax.block_until_ready(paid.reward)
        judged_s = time.perf_counter()
        state, _ = agents.update(state, paid, cfg)
        jax.block_until_ready(state)
        took.append((1e3 * (judged_s - began_s), 1e3 * (time.perf_counter() - judged_s)))
    mine, agent = np.median(took[2:], axis=0)
    figure = "VICE: a call, 128 x 4 samples of 2 cameras 64x64"
    return row(figure, float(mine), "ms", "the agent's own call", float(agent), runs=ROUNDS)


def what_of(spec: Any) -> Any:
    """The bench's spec under the name of the data set's task."""
    return type(spec)(
        "arm_pick", spec.state, spec.images, spec.action, spec.control_hz, spec.max_episode_steps
    )


def row(figure: str, value: float, unit: str, against: str, against_value: float, *, runs: int) -> Row:
    """One line of the table."""
    return {
        "figure": figure,
        "value": value,
        "unit": unit,
        "against": against,
        "against_value": against_value,
        "ratio": against_value / value,
        "runs": runs,
    }


def measure() -> list[Row]:
    """Both rows."""
    return [memory(), vice()]


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(resident_mb(*sys.argv[1:3])) + "\n")
    else:
        for found_row in measure():
            sys.stdout.write(json.dumps(found_row) + "\n")
