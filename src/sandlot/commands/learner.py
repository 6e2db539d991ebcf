"""`sandlot learner TASK`."""

from sandlot.cli import parse
from sandlot.learners.config import TrainConfig
from sandlot.learners.learner import DEFAULT_PORT, run_learner
from sandlot.learners.prepare import prepare, prepare_demos, stored_config
from sandlot.learners.process import STOPPED_EXIT, die_with_parent, stop_on_signals
from sandlot.presets import preset


def main(argv: list[str]) -> int:
    """Learns until the run has its env steps."""
    die_with_parent()
    stop = stop_on_signals()
    first = parse(TrainConfig, argv, prog="learner", default=preset(argv, port=DEFAULT_PORT))
    stored = stored_config(first.run, first.task)
    config = first if stored is None else parse(TrainConfig, argv, prog="learner", default=stored)
    folder, config = prepare(config, stored)
    prepare_demos(folder, config)
    return 0 if run_learner(folder, config, stop) else STOPPED_EXIT
