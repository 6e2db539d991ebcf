"""Fault 17: batches that make losses and gradients not finite, given to the real agent."""

import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sandlot.learners import agents, checkpoint
from sandlot.learners.guard import SkipCounter, Verdict, dump_batch, first_not_finite, flatten
from sandlot.learners.schema import Entry, EnvSpec

Arrays = dict[str, np.ndarray]
Update = Callable[[Arrays, agents.Transition], tuple[Arrays, int]]
"""Weights and a batch in, weights and the number of refused gradient steps out."""

SPEC = EnvSpec("fault", (Entry("x", 4),), {}, (Entry("a", 2),), 10, 100)
CONFIG = agents.AgentConfig(actor_hidden=(16, 16), critic_hidden=(16, 16), n_critics=3, batch_size=8, utd=2)
LIMIT = 10
CRITICS = ("critic", "target")
EVERYTHING = ("",)
FIELDS = {
    "reward": CRITICS,
    "discount": CRITICS,
    "next_obs.state": CRITICS,
    "obs.state": (*CRITICS, "actor", "log_temp"),
}
"""Field to poison, and the networks (with their optimisers) that must not move when all of it is NaN."""


@functools.cache
def template() -> agents.AgentState:
    """A fresh agent."""
    return agents.init(SPEC, CONFIG, 0)


def agent_update(arrays: Arrays, batch: agents.Transition) -> tuple[Arrays, int]:
    """One call of RLPD."""
    state, info = agents.update(agents.arrays_to_state(template(), arrays), batch, CONFIG)
    return agents.state_to_arrays(state), int(info["skipped"])


def make_batch(rng: np.random.Generator) -> agents.Transition:
    """A healthy batch of random numbers."""
    shape = (CONFIG.utd, CONFIG.batch_size)

    def normal(*more: int) -> np.ndarray:
        return rng.normal(size=(*shape, *more)).astype(np.float32)

    obs, next_obs = ({"state": normal(SPEC.state_size), "images": {}} for _ in range(2))
    action, one = np.tanh(normal(SPEC.action_size)), np.ones(shape, np.float32)
    return agents.Transition(obs, action, normal(), one, next_obs, one * -np.inf)


def poison_many(injections: int, seed: int, update: Update = agent_update) -> tuple[int, list[float]]:
    """Poisons batch after batch; returns broken promises and the milliseconds that roll-backs took.

    Weights must stay finite whatever comes; networks whose every sample is NaN must not move by a bit; ten
    refused steps in a row must lead back to the checkpoint, bit for bit; a NaN in weights must be found out.
    """
    rng, counter, violations, ms = np.random.default_rng(seed), SkipCounter(LIMIT), 0, []
    weights = agents.state_to_arrays(template())
    with tempfile.TemporaryDirectory() as name:
        folder, row = Path(name), 0
        good = weights
        checkpoint.save(folder / "checkpoints", 0, good, {})
        for i in range(injections):
            batch, frozen = poison(make_batch(rng), i, rng)
            after, skipped = update(weights, batch)
            violations += first_not_finite(after) is not None or moved(weights, after, frozen)
            violations += bool(frozen) and skipped == 0
            violations += first_not_finite(with_nan(after, rng)) is None
            row = row + skipped if skipped else 0
            verdict, weights = counter.note(skipped), after
            violations += (verdict is Verdict.ROLL_BACK) != (row >= LIMIT)
            if verdict is Verdict.ROLL_BACK:
                row = 0
                dump_batch(folder, i, batch)
                start = time.perf_counter()
                saved = checkpoint.load_latest(folder / "checkpoints")
                weights = saved.arrays if saved else {}
                ms.append(1e3 * (time.perf_counter() - start))
                violations += weights.keys() != good.keys() or moved(good, weights, EVERYTHING)
        violations += counter.roll_backs > 0 and not 1 <= len(list((folder / "forensics").iterdir())) <= 5
    return violations, ms


def poison(
    batch: agents.Transition, i: int, rng: np.random.Generator
) -> tuple[agents.Transition, tuple[str, ...]]:
    """Writes a bad number into one field; says which networks must not move for it."""
    field = list(FIELDS)[i % len(FIELDS)]
    value = (np.nan, np.inf, -np.inf, 1e38)[int(rng.integers(4))]
    column, everywhere = flatten(batch)[field], bool(rng.integers(2))
    if everywhere:
        column[...] = value
    else:
        column.reshape(-1)[rng.integers(column.size)] = value
    return batch, FIELDS[field] if everywhere and np.isnan(value) else ()


def moved(before: Arrays, after: Arrays, names: tuple[str, ...]) -> bool:
    """Whether a bit differs in the arrays whose names begin with one of `names`; optimisers count."""
    return any(a.tobytes() != after[k].tobytes() for k, a in before.items() if k.startswith(names))


def with_nan(arrays: Arrays, rng: np.random.Generator) -> Arrays:
    """A copy with one weight of one network set to NaN."""
    names = [k for k, a in arrays.items() if a.dtype == np.float32 and a.size]
    name = names[int(rng.integers(len(names)))]
    bad = arrays[name].copy()
    bad.reshape(-1)[rng.integers(bad.size)] = np.nan
    return arrays | {name: bad}
