"""Two tasks that undo each other: the run of the second one, beside that of the first."""

import dataclasses
import pathlib
import re
from typing import NamedTuple

from sandlot.learners import envs
from sandlot.learners.command_lines import run_flag
from sandlot.learners.config import TrainConfig, flag, run_folder
from sandlot.learners.demos import require_expert
from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.prepare import check, prepare, stored_config
from sandlot.learners.schema import EnvSpec
from sandlot.learners.store_read import RunReader

BACK = "_back"
"""What the second run is called after the first one's name."""


class Run(NamedTuple):
    """A prepared run."""

    folder: pathlib.Path
    config: TrainConfig


def with_partner(config: TrainConfig, stored: TrainConfig | None) -> tuple[TrainConfig, str]:
    """The config with the name of its partner's run, and the reverse task; empty where there is none.

    What the partner's run cannot use is refused here, before the folder of the first one is made.
    """
    reverse, spec = "", None
    if config.in_turn and (stored is None or stored.partner):
        reverse, spec = _reverse(config, stored)
    if spec is None:
        _check_alone(config, stored)
        return config, ""
    if config.actors > 1:
        raise ConfigError(
            f"--actors is {config.actors}; '{config.task}' and '{reverse}' are practised in turn by 1 actor: "
            "leave it out, or say --no-in-turn"
        )
    folder = run_folder(config.run, config.task)
    name = config.run or folder.name
    try:
        back = _back_config(folder, dataclasses.replace(config, run=name), reverse)
        check(back, stored_config(back.run, reverse), spec)
    except SandlotError as error:  # it is about flags that the other run has without "back"
        text = re.sub(r"--(vice|demos-file) ", r"--back-\1 ", str(error))
        raise type(error)(f"the run of the reverse task '{reverse}': {text}") from error
    return dataclasses.replace(config, partner=f"{name}{BACK}"), reverse


def _reverse(config: TrainConfig, stored: TrainConfig | None) -> tuple[str, EnvSpec | None]:
    """The task that undoes this one, and what it observes; nothing where there is none."""
    env = envs.make(config.task, **config.env.kwargs())
    try:
        reverse = envs.reverse(env)
        if not reverse:
            return "", None
        other = envs.make_reverse(env, config.back_classifier, config.env.encoder)
        if config.back_demos_file and stored is None:
            RunReader(config.back_demos_file)
        elif config.demos and stored is None:
            require_expert(other, reverse)
        return reverse, envs.env_spec(other)
    finally:
        env.close()


def _check_alone(config: TrainConfig, stored: TrainConfig | None) -> None:
    """Refuses flags about a reverse task where none is practised."""
    for name in ("back_classifier", "back_vice", "back_demos_file"):
        value = getattr(config, name)
        if value and (stored is None or value != getattr(stored, name)):
            why = "has no reverse task" if config.in_turn else "is practised alone (--no-in-turn)"
            raise ConfigError(
                f"--{flag(name)} is '{value}'; it is about a reverse task, and '{config.task}' {why}: leave "
                "it out"
            )


def back_run(folder: pathlib.Path, config: TrainConfig, task: str) -> Run:
    """The run of the reverse task: made, or opened again, with the same settings."""
    asked = _back_config(folder, config, task)
    return Run(*prepare(asked, stored_config(asked.run, task)))


def _back_config(folder: pathlib.Path, config: TrainConfig, task: str) -> TrainConfig:
    """The settings of the reverse task's run, from those of the first one in `folder`."""
    return dataclasses.replace(
        config,
        task=task,
        run=f"{run_flag(folder)}{BACK}",
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
