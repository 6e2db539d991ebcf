"""Fault 15: a trainer that was stopped and made anew goes on bit for bit. Fault 16: actions that are none."""

import pathlib
import random
import tempfile
import threading
import time
from typing import Any

import numpy as np

from bench.system_rig import TASK, tiny
from bench.transport_rig import row
from sandlot.learners import agents, envs
from sandlot.learners.actor import Actor, usable
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.errors import RecordError, SandlotError
from sandlot.learners.feed import PolicyFeed
from sandlot.learners.policy import Policy, policy_from_state
from sandlot.learners.recorder import Decision, EpisodeRecorder, Outcome
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source, Stream, obs_dtype, step_dtype
from sandlot.learners.store import RunStore
from sandlot.learners.trainer import Trainer
from sandlot.learners.transport import Policy as Weights
from sandlot.learners.wire import Batch

Row = dict[str, Any]
SPEC = EnvSpec("resume", (Entry("q", 3),), {}, (Entry("u", 2),), 10.0, 20)
CAPACITY = 120
AGENT = AgentConfig(actor_hidden=(8,), critic_hidden=(8,), n_critics=3, batch_size=8, utd=2)


# ---- 15: resume ------------------------------------------------------------------------------------------


def practice(seed: int, count: int, stream: Stream, first: int = 0) -> Batch:
    """Random steps [count] of a stream, some of which end their episode."""
    rng = np.random.default_rng([seed, first])
    steps = np.zeros(count, step_dtype(SPEC))
    steps["step"] = first + np.arange(count)
    steps["episode"] = steps["segment"] = steps["step"] // 20
    for name in ("state", "action", "reward"):
        steps[name] = rng.uniform(-1, 1, steps[name].shape)
    steps["policy_action"], steps["discount"] = steps["action"], 1
    steps["source"] = rng.choice([Source.POLICY, Source.HUMAN], count, p=[0.9, 0.1])
    steps["flags"][steps["step"] % 20 == 19] = Flag.END | Flag.TRUNCATED
    ended = steps[steps["flags"] != 0]
    finals = np.zeros(len(ended), obs_dtype(SPEC))
    finals["step"], finals["state"] = ended["step"], ended["state"] + 0.5
    return Batch(stream, steps, finals)


class Twin:
    """A trainer with a store of its own, fed by hand."""

    def __init__(self, folder: pathlib.Path, seed: int, algo: str, n_step: int) -> None:
        agent = AgentConfig(**{**vars(AGENT), "algo": algo, "n_step": n_step, "offline_steps": 6})
        changes = {"agent": agent, "capacity": CAPACITY, "update_ratio": 1.0, "start_after": 10}
        self.folder, self.config = folder, tiny(**changes, seed=seed)
        self.store = RunStore.open(folder, SPEC)
        self.seed, self.sampled = seed, list[bytes]()
        if not self.store.last_seq:
            self.store.append([practice(seed, 30, Stream("demo", "d"))])
        self.trainer = Trainer(folder, self.config, self.store, pinned_seq=30)

    def feed(self, first: int, count: int) -> None:
        """New steps of two streams come in, and all updates that are due are done."""
        new = [practice(self.seed, count, Stream(name, "r"), first) for name in "ab"]
        self.trainer.ingest(self.store.append(new))
        while self.trainer.due:
            self.trainer.update()
            self.sampled.append(np.float32([self.trainer.info()["critic_loss"]]).tobytes())

    def everything(self) -> dict[str, bytes]:
        """Weights, optimiser, JAX's and numpy's RNG, counters, and what is drawn next."""
        trainer = self.trainer
        found = {k: v.tobytes() for k, v in agents.state_to_arrays(trainer.state).items()}
        nxt = trainer._prefetch.next()
        found |= {"drawn": nxt.obs["state"].tobytes() + nxt.mc_return.tobytes() + nxt.reward.tobytes()}
        counters = (
            trainer.updates,
            trainer.offline_updates,
            trainer.ratio.state(),
            trainer._prefetch.state(),
        )
        return found | {"counters": repr(counters).encode(), "losses": b"".join(self.sampled)}

    def close(self) -> None:
        """Gives the folder free."""
        self.trainer.close()
        self.store.close()


def fault_15(injections: int = 100, seed: int = 0) -> Row:
    """2N updates, against N, a new trainer from the checkpoint and the store, and N more: the same bits."""
    rng, violations, resume_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    for i in range(injections):
        pieces = [rng.randint(1, 40) for _ in range(8)]
        setting = (i, rng.choice(("rlpd", "sac", "wsrl")), rng.choice((1, 3)))
        with tempfile.TemporaryDirectory() as folder:
            whole = played(pathlib.Path(folder) / "whole", setting, pieces, stops=set(), times_ms=[])
            stops = set(rng.sample(range(8), 2))
            parts = played(pathlib.Path(folder) / "parts", setting, pieces, stops=stops, times_ms=resume_ms)
        violations += whole != parts
    return row("15 resume bit for bit", injections, violations, resume_ms, "ms to resume")


def played(
    folder: pathlib.Path,
    setting: tuple[int, str, int],
    pieces: list[int],
    *,
    stops: set[int],
    times_ms: list[float],
) -> dict[str, bytes]:
    """The end of a run that is saved, given up and resumed before the pieces in `stops`."""
    twin, first = Twin(folder, *setting), 0
    for i, count in enumerate(pieces):
        if i in stops:
            twin.trainer.save()
            twin.close()
            began_s, sampled = time.perf_counter(), twin.sampled
            twin = Twin(folder, *setting)
            twin.sampled = sampled
            times_ms.append(1e3 * (time.perf_counter() - began_s))
        twin.feed(first, count)
        first += count
    end = twin.everything()
    twin.close()
    return end


# ---- 16: actions that are none ---------------------------------------------------------------------------

BAD = np.float32([np.nan, np.inf, -np.inf, 1e20, -1e20, 1.0000001, -3.0, 3.4e38])


def fault_16(injections: int = 1_000_000, seed: int = 0) -> Row:
    """NaN, infinite and out-of-range numbers anywhere in an action: refused before the env and after."""
    rng = np.random.default_rng(seed)
    size, violations, check_us = 7, 0, list[float]()
    spec = EnvSpec("arm", (Entry("q", 1),), {}, (Entry("u", size),), 10.0, 10)
    recorder, obs = EpisodeRecorder(spec), {"state": np.zeros(1, np.float32), "images": {}}
    recorder.begin(obs, 0)
    outcome = Outcome(obs, 0.0, False, False, 0)
    for begin in range(0, injections, 1000):
        actions = rng.uniform(-1, 1, (1000, size)).astype(np.float32)
        violations += sum(not usable(a, size) for a in actions[:10])  # good ones pass
        actions[np.arange(1000), rng.integers(size, size=1000)] = rng.choice(BAD, 1000)
        began_s = time.perf_counter()
        violations += sum(usable(action, size) for action in actions[: injections - begin])
        check_us.append(1e3 * (time.perf_counter() - began_s))
        try:
            recorder.add(Decision(actions[0], 0, 0.0), outcome)
            violations += 1
        except RecordError:
            pass
    violations += recorder.complete + recorder.held
    return row("16 action is not finite or in range", injections, violations, check_us, "us to refuse")


def fault_16_weights(injections: int = 1000, seed: int = 0) -> Row:
    """A weight becomes NaN or infinite, or all so large that they overflow: nothing reaches the env."""
    rng, violations, refuse_ms = np.random.default_rng(seed), 0, list[float]()
    config = tiny().agent
    with tempfile.TemporaryDirectory() as folder:
        actor = Actor(
            ActorConfig(task=TASK, learner="127.0.0.1:9", pace="free", spool=f"{folder}/spool"),
            threading.Event(),
        )
        state = agents.init(actor.spec, config, seed)
        good = policy_from_state(state, actor.spec, config)
        feed = PolicyFeed(lambda: None, actor.spec)
        for i in range(injections):
            began_s = time.perf_counter()
            if i % 10 == 0:
                violations += commanded(actor, overflowing(good))
            else:
                violations += accepted(feed, good, poisoned(good, rng))
            refuse_ms.append(1e3 * (time.perf_counter() - began_s))
        feed.close()
        actor.close()
    return row("16 weights are not finite", injections, violations, refuse_ms, "ms to refuse")


def poisoned(policy: Policy, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Its weights with one bad number in one of them."""
    weights = {name: array.copy() for name, array in policy.weights.items()}
    chosen = weights[str(rng.choice(sorted(weights)))]
    chosen.flat[rng.integers(chosen.size)] = rng.choice(BAD[:3])
    return weights


def overflowing(policy: Policy) -> Policy:
    """Finite weights whose sums are not: rows of alternating sign make infinity minus infinity."""
    weights = {name: np.full_like(array, 3e38) for name, array in policy.weights.items()}
    weights["w0"][:] = 0
    for name, array in weights.items():
        if name.startswith("w"):
            array[1::2] *= -1
    return Policy(spec=policy.spec, arch=policy.arch, weights=weights, version=policy.version + 1)


def accepted(feed: PolicyFeed, good: Policy, weights: dict[str, np.ndarray]) -> int:
    """Whether the learner would publish such weights (1), and whether an actor would take them (1)."""
    wrong, refused, before = 0, feed.refused, feed.policy
    try:
        Policy(spec=good.spec, arch=good.arch, weights=weights, version=1)
        wrong += 1
    except SandlotError:
        pass
    data = bytearray(good.to_bytes())
    name = next(n for n, a in weights.items() if not np.isfinite(a).all())
    at = data.find(good.weights[name].tobytes())
    data[at : at + weights[name].nbytes] = weights[name].tobytes()
    feed._take(Weights(1, 1, 0, bytes(data)))
    return wrong + (feed.refused != refused + 1 or feed.policy is not before)


class Witness(envs.gym.Wrapper[Any, Any, Any, Any]):
    """Counts the commands an env gets."""

    commands = 0

    def step(self, action: Any) -> Any:
        """Counts."""
        self.commands += 1
        return super().step(action)


def commanded(actor: Actor, policy: Policy) -> int:
    """Commands that an env gets from this policy; the real actor plays an episode with it."""
    now = actor.now
    now.env = witness = Witness(now.env.unwrapped if isinstance(now.env, Witness) else now.env)
    now.feed.policy = policy
    with np.errstate(all="ignore"):
        actor.play_episode()
    now.env = witness.env
    return witness.commands
