"""`sandlot actor TASK --learner HOST:PORT`."""

from sandlot.cli import parse
from sandlot.learners.actor import run_actor
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.process import die_with_parent, stop_on_signals


def main(argv: list[str]) -> int:
    """Steps the task's env until stopped."""
    die_with_parent()
    stop = stop_on_signals()
    run_actor(parse(ActorConfig, argv, prog="actor"), stop)
    return 0
