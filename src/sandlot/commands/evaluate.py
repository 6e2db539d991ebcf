"""`sandlot eval RUN`."""

import dataclasses
import pathlib
from typing import Any, Literal

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners.config import TrainConfig, existing_run, load_config
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.evaluate import EvalConfig, evaluate_task
from sandlot.learners.evaluate_turns import evaluate_in_turn
from sandlot.learners.prepare import CONFIG_FILE, POLICY_FILE
from sandlot.learners.report import save_evaluation
from sandlot.learners.turns import TurnConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Play seeded episodes with a run's newest policy; prints its success rate with a 95 % interval.

    Attributes:
        run: a run's name or path.
        episodes: how many.
        seed: episode k starts from seed + k.
        workers: processes that share the episodes.
        robot: play on this robot, `sim` or `ros`; the one it was trained on when empty.
        sample: act with the policy's noise instead of its mean.
        in_turn: where the run has a reverse task's beside it, play both in turn while nobody resets; episodes
            are trials of both together.
        json: end with one line of JSON.
    """

    run: tyro.conf.Positional[str]
    episodes: int = 100
    seed: int = 0
    workers: int = 1
    robot: Literal["", "sim", "ros"] = ""
    sample: bool = False
    in_turn: bool = False
    json: bool = False


def _on(env: EnvConfig, robot: Literal["", "sim", "ros"]) -> EnvConfig:
    """The env of a run on a robot; what only simulation knows is left out on another."""
    if not robot or robot == env.robot:
        return env.alone()
    return dataclasses.replace(env.alone(), robot=robot, randomize=False, mjcf="", camera_file="")


def _in_turn(flags: Flags, train: TrainConfig, policy: pathlib.Path, config: EvalConfig) -> dict[str, Any]:
    """Both of two tasks that are learned in turn, from whichever run it is said."""
    if not train.partner:
        raise ConfigError(
            f"run '{flags.run}' learns '{train.task}' alone; --in-turn is for two tasks in turn, leave it out"
        )
    beside = existing_run(train.partner)
    other = beside / POLICY_FILE
    if not other.is_file():
        raise ConfigError(
            f"run '{train.partner}' has no policy yet ({other} is missing); train it for longer"
        )
    classifier = load_config(beside / CONFIG_FILE).env.classifier
    turns = TurnConfig(train.tries, train.call_after)
    found = evaluate_in_turn((policy, other), config, back_classifier=classifier, turns=turns)
    return found.summary()


def main(argv: list[str]) -> int:
    """Evaluates a run."""
    flags = parse(Flags, argv, prog="eval")
    folder = existing_run(flags.run)
    train = load_config(folder / CONFIG_FILE)
    policy = folder / POLICY_FILE
    if not policy.is_file():
        raise ConfigError(f"run '{flags.run}' has no policy yet ({policy} is missing); train it for longer")
    config = EvalConfig(
        task=train.task,
        episodes=flags.episodes,
        seed=flags.seed,
        workers=flags.workers,
        sample=flags.sample,
        env=_on(train.env, flags.robot),
    )
    if flags.in_turn:
        summary = _in_turn(flags, train, policy, config)
    else:
        summary = evaluate_task(policy, config).summary()
        save_evaluation(folder, summary)
    print_result(summary, as_json=flags.json)
    return 0
