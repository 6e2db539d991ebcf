"""Playing a policy for N seeded episodes: the success rate with its 95 % interval, and the mean return.

Episode k of seed S is reset with seed S + k and draws its noise from a generator of that seed, so the result
is the same whatever the number of worker processes. Workers talk JSON lines; nothing is pickled.
"""

import contextlib
import dataclasses
import functools
import json
import math
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, Protocol

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sandlot.learners import envs, plugins
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.playing import ActingPolicy, Played, check_match, load_policy, play
from sandlot.learners.real_time import when_ready

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What to play.

    Attributes:
        task: a name that `envs.make` takes.
        episodes: how many, at least 1.
        seed: episode k is reset with seed + k.
        workers: processes that share the episodes; more than one needs a policy file.
        sample: whether the policy adds its noise; off plays its mean action.
        env: the env's settings.
    """

    task: str
    episodes: int = 100
    seed: int = 0
    workers: int = 1
    sample: bool = False
    env: EnvConfig = EnvConfig()

    def __post_init__(self) -> None:
        for name in ("episodes", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if self.env.robot == "ros" and self.workers > 1:
            raise ConfigError(f"workers={self.workers}: one robot can be evaluated by 1 worker only")


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """All episodes in order of their seeds, and how long playing them took."""

    task: str
    played: tuple[Played, ...]
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The result as one JSON object.

        `success` is the rate in [0, 1] and `interval` its Wilson 95 % interval [low, high]; both are None
        when the task reports no success. `mean_return` is the undiscounted reward sum of an episode. Where a
        classifier rewards, `judged_success` is the rate that it reports, and `agreement` in how many episodes
        it was right.
        """
        wins = [p.success for p in self.played if p.success is not None]
        judged = [p for p in self.played if p.judged is not None]
        return {
            "task": self.task,
            "episodes": len(self.played),
            "success": sum(wins) / len(wins) if wins else None,
            "interval": list(wilson(sum(wins), len(wins))) if wins else None,
            "mean_return": sum(p.reward_sum for p in self.played) / len(self.played),
            "seconds": round(self.seconds, 3),
            **(
                {
                    "judged_success": sum(bool(p.judged) for p in judged) / len(judged),
                    "agreement": sum(p.judged == p.success for p in judged) / len(judged),
                }
                if judged
                else {}
            ),
        }


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a rate (Wilson 1927, eq. 4): sound at 0, at 1 and for few trials."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} of {trials} is not a rate; need 0 <= successes <= trials, trials > 0")
    rate, spread = successes / trials, z * z / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(rate * (1 - rate) * spread + spread * spread / 4) / (1 + spread)
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return low, high


def evaluate(policy: ActingPolicy | pathlib.Path, config: EvalConfig, *, progress: bool = True) -> Evaluation:
    """Plays the episodes of `config`; progress goes to stderr.

    Raises:
        ConfigError: an unknown task, or several workers without a policy file.
        SpecError: the policy was trained on other spaces; says which field differs.
    """
    start_s = time.monotonic()
    if isinstance(policy, pathlib.Path) and config.workers > 1:
        stream = _play_in_processes(policy, config)
    elif config.workers > 1:
        raise ConfigError(f"workers={config.workers} needs a policy file; pass its path, or use 1 worker")
    else:
        stream = _play_here(load_policy(policy), config, range(config.episodes))
    played: list[Played] = []
    with (
        contextlib.closing(stream),
        progress_bar(config.episodes, shown=progress, live=config.env.robot == "sim") as show,
    ):
        for episode in stream:
            played.append(episode)
            show(episode)
    return Evaluation(config.task, tuple(sorted(played, key=lambda p: p.seed)), time.monotonic() - start_s)


class Outcome(Protocol):
    """What came of an evaluation."""

    def summary(self) -> dict[str, Any]:
        """As one JSON object; it has `success`, the rate, and its `interval`."""
        ...


def evaluate_task(
    policy: ActingPolicy | pathlib.Path, config: EvalConfig, *, progress: bool = True
) -> Outcome:
    """Evaluates a policy as its task wants it: by episodes, or in a way of the task's own (`plugins`)."""
    if config.task in plugins.names("evaluation"):
        own: Outcome = plugins.load("evaluation", config.task)(policy, config, progress=progress)
        return own
    return evaluate(policy, config, progress=progress)


def _play_here(policy: ActingPolicy, config: EvalConfig, which: range) -> Generator[Played, None, None]:
    """Plays the episodes of these indices in this process."""
    env = envs.make(config.task, **config.env.kwargs())
    try:
        check_match(policy, env)
        for k in which:
            seed = config.seed + k
            yield when_ready(functools.partial(play, env, policy, seed, sample=config.sample))
    finally:
        env.close()


def _play_in_processes(policy_file: pathlib.Path, config: EvalConfig) -> Generator[Played, None, None]:
    """Worker w plays episodes w, w + W, w + 2W, ...; yields them round robin, so in order."""
    workers = [_start_worker(policy_file, config, w) for w in range(config.workers)]
    try:
        for k in range(config.episodes):
            worker = workers[k % config.workers]
            line = worker.stdout.readline() if worker.stdout else ""
            if not line.startswith("{"):
                raise SandlotError(
                    f"an evaluation worker ended early: {line.strip() or 'see its output above'}"
                )
            yield msgspec.json.decode(line, type=Played)
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def _start_worker(policy_file: pathlib.Path, config: EvalConfig, index: int) -> subprocess.Popen[str]:
    """Starts a worker; it finds this very package whether or not that is installed."""
    import sandlot  # noqa: PLC0415  (the package itself, for its path)

    root = pathlib.Path(sandlot.__file__).parent.parent
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    order = json.dumps([str(policy_file), index, dataclasses.asdict(config)])
    return subprocess.Popen(
        [sys.executable, "-m", "sandlot.learners.evaluate", order],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def _worker_main(order: str) -> None:
    """Plays a worker's share and writes one JSON line per episode, or one line of complaint."""
    policy_file, index, fields = json.loads(order)
    config = msgspec.convert(fields, EvalConfig)
    try:
        policy = load_policy(pathlib.Path(policy_file))
        for episode in _play_here(policy, config, range(index, config.episodes, config.workers)):
            sys.stdout.write(msgspec.json.encode(episode).decode() + "\n")
            sys.stdout.flush()
    except SandlotError as err:
        sys.stdout.write(f"{err}\n")
        sys.exit(2)


@contextlib.contextmanager
def progress_bar(total: int, *, shown: bool, live: bool) -> Iterator[Callable[[Played], None]]:
    """A progress bar on stderr with the successes so far; yields what to call per episode.

    One that is not `live` is drawn between episodes only: no thread disturbs a robot's control loop.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown, auto_refresh=live) as bar:
        task, wins = bar.add_task("playing", total=total), 0

        def advance(episode: Played) -> None:
            nonlocal wins
            wins += bool(episode.success)
            text = "playing" if episode.success is None else f"playing  {wins} successes"
            bar.update(task, advance=1, description=text, refresh=not live)

        yield advance


if __name__ == "__main__":
    _worker_main(sys.argv[1])
