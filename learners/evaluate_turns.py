"""Playing two policies in turn on one robot while nobody resets: how a pair does when it is left alone.

Trials follow each other as in practice (`turns`), but nothing is learned and the policies add no noise unless
asked to: what one direction leaves is what the other begins with.
"""

import collections
import contextlib
import dataclasses
import itertools
import pathlib
import time
from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners import envs
from sandlot.learners.errors import ConfigError, NotReadyError
from sandlot.learners.evaluate import EvalConfig, Evaluation, progress_bar
from sandlot.learners.playing import ActingPolicy, Played, check_match, load_policy, play_on
from sandlot.learners.real_time import ResetNote, when_ready
from sandlot.learners.turns import Trial, Turn, TurnConfig, done_before, judged


class Side(NamedTuple):
    """One direction: the env as it is seen there, and who plays it."""

    env: envs.Env
    policy: ActingPolicy


@dataclasses.dataclass(frozen=True)
class TurnsEvaluation:
    """All trials in their order, the direction of each, and what was done between them.

    Attributes:
        trials: as `sandlot eval` has them, for both directions.
        directions: 0 there, 1 back.
        reverse: the task of direction 1.
        helped: how often and how long controllers and people did something: `calls`, `resets`, `reset_steps`.
    """

    trials: Evaluation
    directions: tuple[int, ...]
    reverse: str
    helped: dict[str, int]

    def summary(self) -> dict[str, Any]:
        """The result as one JSON object: that of `Evaluation`, and how the pair got on.

        `success_there` and `success_back` are the directions' rates, `longest_row` the most successes in a
        row, `utilisation` the share of the robot's control periods in which a policy acted.
        """
        won = [bool(p.success) for p in self.trials.played]
        sides = [[w for w, d in zip(won, self.directions, strict=True) if d == side] for side in (0, 1)]
        there, back = (sum(side) / len(side) if side else None for side in sides)
        steps = sum(p.steps for p in self.trials.played)
        return {
            **self.trials.summary(),
            "reverse": self.reverse,
            "success_there": there,
            "success_back": back,
            "longest_row": longest_row(won),
            "utilisation": steps / max(1, steps + self.helped["reset_steps"]),
            **self.helped,
        }


def longest_row(won: list[bool]) -> int:
    """The most successes in a row."""
    return max(len(list(group)) if success else 0 for success, group in itertools.groupby([False, *won]))


def evaluate_in_turn(
    policies: tuple[pathlib.Path, pathlib.Path],
    config: EvalConfig,
    *,
    back_classifier: str = "",
    turns: TurnConfig | None = None,
    progress: bool = True,
) -> TurnsEvaluation:
    """Plays `config.episodes` trials of a task and its reverse; those with nothing to do are not counted.

    Args:
        policies: files, there and back.
        config: of the first task; one worker plays.
        back_classifier: a reward classifier of the reverse task.
        turns: when the other direction, the controllers and a person have a go.
        progress: whether to show it on stderr.

    Raises:
        ConfigError: the task has no reverse, or several workers are asked for.
        SpecError: a policy was trained on other spaces.
    """
    if config.workers > 1:
        raise ConfigError(f"workers={config.workers}: two tasks in turn share one robot; use 1 worker")
    begun_s, helped = time.monotonic(), collections.Counter(calls=0, resets=0, reset_steps=0)
    env = envs.make(config.task, **config.env.kwargs())
    try:
        back = envs.make_reverse(env, back_classifier, config.env.encoder)
        sides = [Side(e, load_policy(p)) for e, p in zip((env, back), policies, strict=True)]
        for side in sides:
            check_match(side.policy, side.env)
        played = []
        stream, live = _trials(sides, config, turns or TurnConfig(), helped), config.env.robot == "sim"
        with contextlib.closing(stream), progress_bar(config.episodes, shown=progress, live=live) as show:
            for direction, trial in itertools.islice(stream, config.episodes):
                played.append((direction, trial))
                show(trial)
    finally:
        env.close()
    trials = Evaluation(config.task, tuple(p for _, p in played), time.monotonic() - begun_s)
    return TurnsEvaluation(trials, tuple(d for d, _ in played), envs.env_spec(back).task, dict(helped))


def _trials(
    sides: list[Side], config: EvalConfig, turns: TurnConfig, helped: collections.Counter[str]
) -> Generator[tuple[int, Played], None, None]:
    """Direction and outcome of one trial after the other; what is done between them adds to `helped`."""
    turn = Turn()
    for k in itertools.count():
        side, seed = sides[turn.direction], config.seed + k
        obs, info = _begin(side.env, seed, turn.options(turns), helped)
        if done_before(info):
            turn = turn.next(Trial.DONE_BEFORE, turns)
            continue
        rng = np.random.default_rng(seed) if config.sample else None
        try:
            played, info = play_on(side.env, side.policy, obs, seed, rng)
        except NotReadyError:  # nobody failed: it is played again once the robot is ready
            turn = turn.next(Trial.BROKEN, turns)
            continue
        yield turn.direction, played
        turn = turn.next(judged(bool(info.get("success", False)), info.get("stuck", False)), turns)


def _begin(
    env: envs.Env, seed: int, options: dict[str, Any] | None, helped: collections.Counter[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A trial's first obs and info, once the robot is ready."""
    waits = False  # for a person who was called already

    def attempt() -> tuple[dict[str, Any], dict[str, Any]]:
        nonlocal waits
        try:
            obs, info = env.reset(seed=seed, options=options)
        except NotReadyError as error:
            _count(helped, getattr(error, "resets", ()), calls=int(error.needs_person and not waits))
            waits = waits or error.needs_person
            raise
        _count(helped, info.get("resets", ()), calls=int(info.get("called", 0)))
        return obs, info

    return when_ready(attempt)


def _count(helped: collections.Counter[str], resets: Iterable[ResetNote], calls: int) -> None:
    for note in resets:
        helped.update(resets=1, reset_steps=note.steps)
    helped["calls"] += calls
