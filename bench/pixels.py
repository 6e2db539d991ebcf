"""Critic steps a second from cameras, beside what the arithmetic alone would take.

`python -m bench.pixels` prints the rows. The arithmetic is the products of a critic step (encoders forward at
obs and next_obs and backward at obs, bottlenecks, critics, policy) at the speed of a 2048x2048 float32
product, measured here too. On a GPU one more row is 2 cameras of 128x128.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from bench.learner import matrix_product_gflops, update_gflop
from bench.learner_setting import SPEC
from sandlot.learners import agents, plugins
from sandlot.learners.agents import AgentConfig, Transition
from sandlot.learners.schema import EnvSpec

ROUNDS = 5
SETTINGS = [(128, 1, 64), (256, 1, 64), (128, 2, 64), (256, 2, 64)]
GPU_SETTING = (256, 2, 128)
"""Batch size, cameras, and their width and height in px."""


def config(batch: int) -> AgentConfig:
    """The agent of the arm's tasks, with four critic steps a call."""
    return AgentConfig(
        actor_hidden=(128, 128), critic_hidden=(128, 128), n_critics=4, batch_size=batch, utd=4
    )


def spec(cameras: int, side_px: int) -> EnvSpec:
    """The state of `bench.learner` and so many cameras."""
    images = {f"camera{i}": (side_px, side_px, 3) for i in range(cameras)}
    return EnvSpec(SPEC.task, SPEC.state, images, SPEC.action, SPEC.control_hz, SPEC.max_episode_steps)


def batches(what: EnvSpec, cfg: AgentConfig) -> Transition:
    """Noise, [U, B, ...]."""
    rng, lead = np.random.default_rng(0), (cfg.utd, cfg.batch_size)

    def obs() -> dict[str, Any]:
        images = {name: rng.integers(0, 256, (*lead, *its), np.uint8) for name, its in what.images.items()}
        return {"state": rng.standard_normal((*lead, what.state_size), np.float32), "images": images}

    action = np.tanh(rng.standard_normal((*lead, what.action_size), np.float32))
    reward = rng.standard_normal(lead, np.float32)
    return Transition(obs(), action, reward, np.ones(lead, np.float32), obs(), reward)


def seconds(what: EnvSpec, cfg: AgentConfig) -> float:
    """Median seconds of one compiled call."""
    made, state, took = batches(what, cfg), agents.init(what, cfg, 0), []
    for _ in range(ROUNDS + 2):
        start = time.perf_counter()
        state, _ = agents.update(state, made, cfg)
        jax.block_until_ready(state)
        took.append(time.perf_counter() - start)
    return float(np.median(took[2:]))  # the first one compiles, the second one is warm


def seeing_gflop(what: EnvSpec, cfg: AgentConfig) -> float:
    """Products of the encoders and bottlenecks in one call, GFLOP."""
    encoder = plugins.load("encoder", cfg.encoder)()
    total = 0.0
    for shape in what.images.values():
        weights = {name: np.zeros(its, np.float32) for name, its in encoder.shapes(shape).items()}
        frames = np.zeros((cfg.batch_size, *shape), np.uint8)
        cost = jax.jit(encoder.apply).lower(weights, frames).compile().cost_analysis()
        neck = 2 * cfg.batch_size * encoder.size(shape) * cfg.latent
        step = 4 * cost["flops"] + 5 * neck  # obs forward and backward (twice), next_obs; two next necks
        total += cfg.utd * step + cost["flops"] + 4 * neck
    return total / 1e9


def measure() -> list[dict]:
    """All rows."""
    return list(rows())


def rows() -> Iterator[dict]:
    """A row for each setting, as it comes."""
    gflops = matrix_product_gflops()
    settings = SETTINGS + ([GPU_SETTING] if jax.default_backend() == "gpu" else [])
    for batch, cameras, side_px in settings:
        cfg, what = config(batch), spec(cameras, side_px)
        took = seconds(what, cfg)
        alone = (seeing_gflop(what, cfg) + update_gflop(cfg)) / gflops
        yield {
            "figure": f"RLPD from pixels, cameras {cameras} x {side_px}x{side_px}, batch {batch}",
            "value": cfg.utd / took,
            "unit": "critic steps/s",
            "against": "arithmetic alone",
            "against_value": cfg.utd / alone,
            "ratio": alone / took,
            "runs": ROUNDS,
        }


if __name__ == "__main__":
    for line in rows():
        print(json.dumps(line), flush=True)
