"""Critic steps a second of the learner: beside a plain scan, PyTorch, and with a busy actor there too.

`python -m bench.learner` prints the rows. All rivals take turns within one run, so a busy machine slows them
alike; PyTorch lives in a process of its own. The bar for "with an actor beside" is PyTorch as it comes; a row
with `OMP_WAIT_POLICY=PASSIVE`, which makes its threads sleep instead of spin, stands beside it.
"""

import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from bench import learner_plain
from bench.learner_setting import CFG, SMALL, SPEC, batch
from sandlot.learners import agents
from sandlot.learners.agents import AgentConfig, Transition

ROUNDS, BUSY_ROUNDS = 15, 4
NAMES = {
    "plain": "plain scan, all targets",
    "batched": "PyTorch eager, critics batched by baddbmm, fused Adam",
    "modules": "PyTorch eager, one nn.Sequential a critic, default Adam",
    "passive": "PyTorch eager, critics batched by baddbmm, fused Adam, OMP_WAIT_POLICY=PASSIVE",
}
ACTOR = """
import numpy as np
rng = np.random.default_rng(0)
state, layers = rng.standard_normal(32), [rng.standard_normal(s) for s in ((32, 256), (256, 256), (256, 14))]
while True:
    x = state
    for w in layers:
        x = np.tanh(x @ w)
    state = 0.9 * state + 0.1 * rng.standard_normal(32)
"""


def jax_rival(update: Callable[..., Any], cfg: AgentConfig) -> Callable[[], float]:
    """A function that runs one update and returns its seconds; compiled and warm."""
    raw = batch(cfg)
    batches = Transition(
        obs={"state": raw["obs"]},
        action=raw["action"],
        reward=raw["reward"],
        discount=raw["discount"],
        next_obs={"state": raw["next_obs"]},
        mc_return=raw["reward"],
    )
    state = [agents.init(SPEC, cfg, 0)]

    def run() -> float:
        start = time.perf_counter()
        state[0], _ = update(state[0], batches, cfg)
        jax.block_until_ready(state[0])
        return time.perf_counter() - start

    run()
    run()
    return run


@contextlib.contextmanager
def torch_rival(form: str, policy: str | None = None) -> Iterator[Callable[[], float]]:
    """The same for a form of PyTorch's in its own process, with OMP_WAIT_POLICY set to `policy`."""
    env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    env |= {"OMP_WAIT_POLICY": policy} if policy else {}
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "bench.learner_torch", form]
    with subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True, bufsize=1) as child:
        assert child.stdin and child.stdout
        ask, answer = child.stdin, child.stdout
        if answer.readline().strip() != "ready":
            raise RuntimeError(
                "bench.learner_torch did not start; run `python -m bench.learner_torch` to see why"
            )

        def run() -> float:
            ask.write("1\n")
            return float(answer.readline())

        yield run
        ask.close()


@contextlib.contextmanager
def busy_actor() -> Iterator[None]:
    """One process that computes policies and steps all the time, single-threaded as an actor is."""
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", ACTOR], env=env) as child:
        time.sleep(1.0)  # the interpreter starts
        try:
            yield
        finally:
            child.kill()


def take_turns(rivals: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median seconds of one update of each rival, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            times[name].append(run())
    return {name: statistics.median(values) for name, values in times.items()}


def matrix_product_gflops(size: int = 2048) -> float:
    """What one large float32 product reaches here, GFLOP/s, best of five."""
    x = jax.random.normal(jax.random.key(0), (size, size))
    product = jax.jit(jnp.matmul)
    product(x, x).block_until_ready()
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        product(x, x).block_until_ready()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def update_gflop(cfg: AgentConfig) -> float:
    """Products that one update cannot do without, GFLOP: multiply and add count one each."""
    critic = (SPEC.state_size + SPEC.action_size, *cfg.critic_hidden, 1)
    actor = (SPEC.state_size, *cfg.actor_hidden, 2 * SPEC.action_size)
    one_critic, one_actor = (2 * sum(a * b for a, b in zip(s, s[1:], strict=False)) for s in (critic, actor))
    first = 2 * critic[0] * critic[1]  # a critic step needs no gradient of its own input
    step = cfg.n_critics * (3 * one_critic - first) + cfg.n_min * one_critic + one_actor
    policy = 3 * one_actor + 2 * cfg.n_critics * one_critic
    return cfg.batch_size * (cfg.utd * step + policy) / 1e9


def row(
    figure: str, mine_s: float, against: str, other_s: float, runs: int, *, cfg: AgentConfig = CFG
) -> dict:
    """One line of the table from seconds per update."""
    mine, other = cfg.utd / mine_s, cfg.utd / other_s
    return {
        "figure": figure,
        "value": mine,
        "unit": "critic steps/s",
        "against": against,
        "against_value": other,
        "ratio": mine / other,
        "runs": runs,
    }


def measure() -> list[dict]:
    """All rows; PyTorch's only where it is installed (`pip install sandlot[bench]`)."""
    ours, plain = jax_rival(agents.update, CFG), jax_rival(learner_plain.update, CFG)
    rivals = {"ours": ours, "plain": plain}
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("torch"):
            rivals["batched"] = stack.enter_context(torch_rival("batched"))
            rivals["modules"] = stack.enter_context(torch_rival("modules"))
        took = take_turns(rivals, ROUNDS)
        rows = _rows("RLPD update", took, ROUNDS)
        rows.append(_share_row(took["ours"]))
        if "batched" in rivals:
            rivals["passive"] = stack.enter_context(torch_rival("batched", "PASSIVE"))
        with busy_actor():
            took = take_turns(rivals, BUSY_ROUNDS)
        rows += _rows("RLPD update, busy actor beside", took, BUSY_ROUNDS)
    took = take_turns(
        {"ours": jax_rival(agents.update, SMALL), "plain": jax_rival(learner_plain.update, SMALL)}, ROUNDS
    )
    rows.append(
        row(
            "RLPD update, 4 critics 128x128, batch 128",
            took["ours"],
            "plain scan",
            took["plain"],
            ROUNDS,
            cfg=SMALL,
        )
    )
    return rows


def _rows(figure: str, took: dict[str, float], runs: int) -> list[dict]:
    """Ours beside every rival that took part."""
    return [row(figure, took["ours"], NAMES[name], s, runs) for name, s in took.items() if name != "ours"]


def _share_row(mine_s: float) -> dict:
    reached, possible = update_gflop(CFG) / mine_s, matrix_product_gflops()
    return {
        "figure": "RLPD update, arithmetic",
        "value": reached,
        "unit": "GFLOP/s",
        "against": "2048x2048 float32 product",
        "against_value": possible,
        "ratio": reached / possible,
        "runs": ROUNDS,
    }


if __name__ == "__main__":
    for line in measure():
        print(json.dumps(line))
