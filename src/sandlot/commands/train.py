"""`sandlot train TASK`."""

import sys

from sandlot.cli import parse, print_result
from sandlot.learners.config import TrainConfig
from sandlot.learners.prepare import stored_config
from sandlot.learners.process import stop_on_signals
from sandlot.learners.train import train
from sandlot.presets import preset

INTERRUPTED_EXIT = 130


def main(argv: list[str]) -> int:
    """Trains, or resumes when the run exists."""
    first = parse(TrainConfig, argv, prog="train", default=preset(argv))
    stored = stored_config(first.run, first.task)
    config = first if stored is None else parse(TrainConfig, argv, prog="train", default=stored)
    summary = train(config, stored, stop_on_signals())
    print_result(summary, as_json=config.json)
    if not summary["finished"]:
        named = f" --run {config.run}" if config.run else ""
        sys.stderr.write(f"sandlot train: stopped; resume with: sandlot train {config.task}{named}\n")
        return INTERRUPTED_EXIT
    return 0
