"""Replay against a plain buffer (obs and next_obs apart, step by step): memory, sampling, inserting."""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

from sandlot.learners.replay import Replay
from sandlot.learners.schema import Entry, EnvSpec, Flag, Stream, obs_dtype, step_dtype

Row = dict[str, Any]
EPISODE = 50
STATE = EnvSpec("bench", (Entry("x", 32),), {}, (Entry("a", 7),), 10, EPISODE)
IMAGES = EnvSpec(
    "bench",
    (Entry("x", 32),),
    {"front": (128, 128, 3), "wrist": (128, 128, 3)},
    (Entry("a", 7),),
    10,
    EPISODE,
)
FULL_STEPS, FULL_BYTES = 100_000, 13 * 10**9
RUNS = 5


class Plain:
    """What most code bases have: one array per field, obs and next_obs each, filled step by step."""

    def __init__(self, spec: EnvSpec, capacity: int) -> None:
        """Room for `capacity` transitions."""
        fields = {"state": (np.float32, (spec.state_size,))}
        fields |= {f"image.{name}": (np.uint8, shape) for name, shape in spec.images.items()}
        self.obs = {k: np.empty((capacity, *shape), dtype) for k, (dtype, shape) in fields.items()}
        self.next_obs = {k: np.empty((capacity, *shape), dtype) for k, (dtype, shape) in fields.items()}
        self.action = np.empty((capacity, spec.action_size), np.float32)
        self.reward, self.discount = np.empty(capacity, np.float32), np.empty(capacity, np.float32)
        self.capacity, self.count = capacity, 0

    def insert(self, steps: np.ndarray, finals: np.ndarray) -> None:
        """Adds steps one by one; a step's next_obs is the next step, or the final."""
        used = 0
        for i in range(len(steps)):
            step, at = steps[i], self.count % self.capacity
            if step["flags"] & Flag.END:
                following, used = finals[used], used + 1
            else:
                following = steps[min(i + 1, len(steps) - 1)]
            for name in self.obs:
                self.obs[name][at], self.next_obs[name][at] = step[name], following[name]
            self.action[at], self.reward[at], self.discount[at] = (
                step["action"],
                step["reward"],
                step["discount"],
            )
            self.count += 1

    def sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
        """Every field of `shape` uniform draws."""
        i = rng.integers(min(self.count, self.capacity), size=shape)
        sides = [{k: column[i] for k, column in side.items()} for side in (self.obs, self.next_obs)]
        return (*sides, self.action[i], self.reward[i], self.discount[i])


def episodes(spec: EnvSpec, count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Steps and finals of `count` whole episodes, images filled with noise."""
    rng = np.random.default_rng(first)
    steps, finals = np.zeros(count * EPISODE, step_dtype(spec)), np.zeros(count, obs_dtype(spec))
    steps["step"] = first + np.arange(len(steps))
    steps["state"] = rng.normal(size=steps["state"].shape)
    steps["discount"], steps["episode"] = 1, steps["step"] // EPISODE
    steps["flags"][EPISODE - 1 :: EPISODE] = Flag.END | Flag.TRUNCATED
    finals["step"] = steps["step"][EPISODE - 1 :: EPISODE]
    for name in spec.images:
        steps[f"image.{name}"] = rng.integers(0, 256, steps[f"image.{name}"].shape, np.uint8)
    return steps, finals


def resident(steps: int) -> dict[str, float]:
    """Fills a replay with `steps` steps and reads what this process really holds for it, in bytes."""
    data, finals = episodes(IMAGES, 1)
    stream, process = Stream("bench", "run"), psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    replay = Replay(IMAGES, steps + steps // EPISODE)
    empty = process.memory_info().rss - before
    for _ in range(0, steps, EPISODE):
        replay.insert(stream, data, finals)
        data["step"] += EPISODE
        data["episode"] += 1
        finals["step"] += EPISODE
    return {"empty": empty, "full": process.memory_info().rss - before, "valid": replay.valid}


def memory() -> Row:
    """Resident bytes of 100k steps with two cameras, measured in a process of its own."""
    fits = psutil.virtual_memory().available > FULL_BYTES
    steps = FULL_STEPS if fits else FULL_STEPS // 10
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, __file__, str(steps)]
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    held = json.loads(out)
    if held["valid"] != steps:
        raise RuntimeError(f"bench replay: {held['valid']} of {steps} steps can be sampled")
    scale = FULL_STEPS / steps
    both = 2 * FULL_STEPS * (4 * 32 + 2 * 128 * 128 * 3)
    figure = "replay memory, 100k steps x 2 cameras 128x128" + ("" if fits else f" (from {steps} steps)")
    against = ("obs and next_obs stored apart (computed)", both / 1e9)
    return row(figure, "GB", held["full"] * scale / 1e9, against, 1, smaller_is_better=True)


def measure() -> list[Row]:
    """All figures."""
    rows = [memory()]
    for spec, name, count, shape in (
        (STATE, "state 32", 400, (20, 256)),
        (IMAGES, "2 cameras 128x128", 40, (1, 256)),
    ):
        steps, finals = episodes(spec, count)
        replay, plain = Replay(spec, 2 * len(steps)), Plain(spec, 2 * len(steps))
        rng = np.random.default_rng(0)
        inserted: tuple[list[float], list[float]] = ([], [])
        for i in range(RUNS + 1):  # the first touches the memory and is not counted
            inserted[0].append(seconds(insert_in_tens, replay, Stream("bench", str(i)), steps, finals))
            inserted[1].append(seconds(plain.insert, steps, finals))
        ours, theirs = (len(steps) / np.median(t[1:]) for t in inserted)
        figure = f"replay insert, {name}, batches of 10"
        rows.append(row(figure, "steps/s", ours, ("plain buffer", theirs), RUNS))
        drawn: tuple[list[float], list[float]] = ([], [])
        for _ in range(4 * RUNS):
            drawn[0].append(seconds(replay.sample_mixed, shape, 0.5, rng))
            drawn[1].append(seconds(plain.sample, shape, rng))
        ours, theirs = (np.prod(shape) / np.median(t) for t in drawn)
        figure = f"replay sample {list(shape)}, {name}"
        rows.append(row(figure, "samples/s", ours, ("plain buffer", theirs), 4 * RUNS))
    return rows


def insert_in_tens(replay: Replay, stream: Stream, steps: np.ndarray, finals: np.ndarray) -> None:
    """Inserts as the learner does: in batches of ten."""
    ends = np.cumsum(steps["flags"] & Flag.END != 0)
    for i in range(0, len(steps), 10):
        first, last = ends[i - 1] if i else 0, ends[min(i + 9, len(steps) - 1)]
        replay.insert(stream, steps[i : i + 10], finals[first:last])


def seconds(call: Callable[..., Any], *args: Any) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def row(
    figure: str,
    unit: str,
    value: float,
    against: tuple[str, float],
    runs: int,
    *,
    smaller_is_better: bool = False,
) -> Row:
    """One line of `bench/latest.json`; the ratio is above 1 where ours is better."""
    other, other_value = against
    ratio = other_value / value if smaller_is_better else value / other_value
    return {
        "figure": figure,
        "value": float(value),
        "unit": unit,
        "against": other,
        "against_value": float(other_value),
        "ratio": float(ratio),
        "runs": runs,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(resident(int(sys.argv[1]))))
