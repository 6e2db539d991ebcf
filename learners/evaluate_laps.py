"""Playing a policy for N laps of one drive: nobody resets, and what went wrong belongs to its lap.

The env is set up once, with the seed. An episode that ends before a lap does, in a collision
for one, is followed by the env's own recovery, and the lap goes on.
"""

import dataclasses
import pathlib
import statistics
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError, NotReadyError
from sandlot.learners.evaluate import EvalConfig, progress_bar, wilson
from sandlot.learners.playing import ActingPolicy, Played, check_match, load_policy, play_on
from sandlot.learners.real_time import when_ready

MOST_EPISODES = 50
"""A lap that takes more is given up: its driver does not get round."""


@dataclasses.dataclass(frozen=True)
class LapsEvaluation:
    """The laps in order: time_s, collisions, interventions of each, and whether they were asked for in vain.

    Attributes:
        task: what was driven.
        asked: laps that were asked for; those that the policy did not get round are missing in `laps`.
        laps: `{"time_s", "collisions", "interventions"}` of each.
        mean_return: undiscounted reward sum of an episode.
        seconds: how long it took.
    """

    task: str
    asked: int
    laps: tuple[dict[str, float], ...]
    mean_return: float
    seconds: float

    def summary(self) -> dict[str, Any]:
        """The result as one JSON object; `success` is the share of the asked laps that were clean."""
        clean = [lap for lap in self.laps if not (lap["collisions"] or lap["interventions"])]
        times_s = [lap["time_s"] for lap in self.laps]
        return {
            "task": self.task,
            "episodes": self.asked,
            "success": len(clean) / self.asked,
            "interval": list(wilson(len(clean), self.asked)),
            "laps": len(self.laps),
            "clean_laps": len(clean),
            "best_lap_s": min(times_s, default=None),
            "median_lap_s": statistics.median(times_s) if times_s else None,
            "median_clean_lap_s": statistics.median(lap["time_s"] for lap in clean) if clean else None,
            "collisions": sum(int(lap["collisions"]) for lap in self.laps),
            "interventions": sum(int(lap["interventions"]) for lap in self.laps),
            "lap_times_s": [round(t, 2) for t in times_s],
            "mean_return": self.mean_return,
            "seconds": round(self.seconds, 3),
        }


def evaluate_laps(
    policy: ActingPolicy | pathlib.Path, config: EvalConfig, *, progress: bool = True
) -> LapsEvaluation:
    """Drives `config.episodes` laps; progress goes to stderr.

    Raises:
        ConfigError: several workers are asked for: one car drives.
        SpecError: the policy was trained on other spaces.
    """
    if config.workers > 1:
        raise ConfigError(f"workers={config.workers}: laps are driven by one car; use 1 worker")
    began_s = time.monotonic()
    env = envs.make(config.task, **config.env.kwargs())
    found: list[dict[str, float]] = []
    returns: list[float] = []
    try:
        player = load_policy(policy)
        check_match(player, env)
        with progress_bar(config.episodes, shown=progress, live=config.env.robot == "sim") as show:
            for lap, played in _driven(env, player, config):
                returns.append(played.reward_sum)
                if lap is not None:
                    found.append(lap)
                    show(played)
    finally:
        env.close()
    mean = sum(returns) / max(1, len(returns))
    return LapsEvaluation(config.task, config.episodes, tuple(found), mean, time.monotonic() - began_s)


def _driven(
    env: envs.Env, policy: ActingPolicy, config: EvalConfig
) -> Generator[tuple[dict[str, float] | None, Played], None, None]:
    """Every episode, with the lap that it ended, until all laps are driven or one is given up."""
    rng = np.random.default_rng(config.seed) if config.sample else None
    laps = tries = 0
    while laps < config.episodes and tries < MOST_EPISODES:
        obs, _ = when_ready(lambda: env.reset(seed=config.seed))
        try:
            played, info = play_on(env, policy, obs, config.seed + laps, rng)
        except NotReadyError:
            continue
        lap = info.get("lap")
        tries = 0 if lap else tries + 1
        laps += lap is not None
        yield (_numbers(lap) if lap else None), played


def _numbers(lap: Any) -> dict[str, float]:
    """What is reported of a lap."""
    return {name: float(getattr(lap, name)) for name in ("time_s", "collisions", "interventions")}
