"""Two tasks that undo each other: the run of the second one, beside that of the first."""

import dataclasses
import pathlib
from typing import NamedTuple

from sandlot.learners import envs
from sandlot.learners.command_lines import run_flag
from sandlot.learners.config import TrainConfig, run_folder
from sandlot.learners.errors import ConfigError
from sandlot.learners.prepare import prepare, stored_config
from sandlot.learners.store_read import RunReader

BACK = "_back"
"""What the second run is called after the first one's name."""


class Run(NamedTuple):
    """A prepared run."""

    folder: pathlib.Path
    config: TrainConfig


def with_partner(config: TrainConfig, stored: TrainConfig | None) -> tuple[TrainConfig, str]:
    """The config with the name of its partner's run, and the reverse task; empty where there is none."""
    if not config.in_turn or (stored is not None and not stored.partner):
        return config, ""
    env = envs.make(config.task, **config.env.kwargs())
    try:
        reverse = envs.reverse(env)
        if reverse:  # what its run cannot use is refused before that of the first one is made
            envs.make_reverse(env, config.back_classifier, config.env.encoder)
            if config.back_demos_file and stored is None:
                RunReader(config.back_demos_file)
    finally:
        env.close()
    if reverse and config.actors > 1:
        raise ConfigError(
            f"--actors is {config.actors}; '{config.task}' and '{reverse}' are practised in turn by 1 actor: "
            "leave it out, or say --no-in-turn"
        )
    name = config.run or run_folder("", config.task).name
    return (dataclasses.replace(config, partner=f"{name}{BACK}"), reverse) if reverse else (config, "")


def back_run(folder: pathlib.Path, config: TrainConfig, task: str) -> Run:
    """The run of the reverse task: made, or opened again, with the same settings."""
    name = f"{run_flag(folder)}{BACK}"
    stored = stored_config(name, task)
    asked = dataclasses.replace(
        config,
        task=task,
        run=name,
        partner=config.run,
        port=0,
        env=dataclasses.replace(config.env, classifier=config.back_classifier),
        back_classifier=config.env.classifier,
        vice=config.back_vice,
        back_vice=config.vice,
        demos_file=config.back_demos_file,
        back_demos_file=config.demos_file,
        init="",
        init_data=False,
    )
    return Run(*prepare(asked, stored))
