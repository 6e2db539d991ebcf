"""`sandlot actor TASK --learner HOST:PORT`."""

import dataclasses

from sandlot.cli import parse
from sandlot.learners.actor import run_actor
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.process import die_with_parent, stop_on_signals


def main(argv: list[str]) -> int:
    """Steps the task's env until stopped."""
    die_with_parent()
    stop = stop_on_signals()
    run_actor(asked(argv), stop)
    return 0


def asked(argv: list[str]) -> ActorConfig:
    """What a command line asks for; on a robot the pace is real time unless it says another one."""
    config = parse(ActorConfig, argv, prog="actor")
    if config.env.robot != "ros":
        return config
    on_robot = dataclasses.replace(config, pace="realtime")  # it cannot wait in the middle of an episode
    return parse(ActorConfig, argv, prog="actor", default=on_robot)
