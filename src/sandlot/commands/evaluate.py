"""`sandlot eval RUN`."""

import dataclasses

import tyro

from sandlot.cli import parse, print_result
from sandlot.learners.config import existing_run, load_config
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
        sample: act with the policy's noise instead of its mean.
        json: end with one line of JSON.
    """

    run: tyro.conf.Positional[str]
    episodes: int = 100
    seed: int = 0
    workers: int = 1
    sample: bool = False
    json: bool = False


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
        env=train.env,
    )
    summary = evaluate(policy, config).summary()
    save_evaluation(folder, summary)
    print_result(summary, as_json=flags.json)
    return 0
