"""`sandlot eval RUN`."""

import dataclasses
from typing import Literal

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners.config import existing_run, load_config
from sandlot.learners.env_config import EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.evaluate import EvalConfig, evaluate
from sandlot.learners.prepare import CONFIG_FILE, POLICY_FILE
from sandlot.learners.report import save_evaluation


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
        json: end with one line of JSON.
    """

    run: tyro.conf.Positional[str]
    episodes: int = 100
    seed: int = 0
    workers: int = 1
    robot: Literal["", "sim", "ros"] = ""
    sample: bool = False
    json: bool = False


def _on(env: EnvConfig, robot: Literal["", "sim", "ros"]) -> EnvConfig:
    """The env of a run on a robot; what only simulation knows is left out on another."""
    if not robot or robot == env.robot:
        return env.alone()
    return dataclasses.replace(env.alone(), robot=robot, randomize=False, mjcf="", camera_file="")


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
    summary = evaluate(policy, config).summary()
    save_evaluation(folder, summary)
    print_result(summary, as_json=flags.json)
    return 0
