"""The run folder of a graph: made, or opened again, before any of its processes starts."""

import dataclasses
import pathlib

from sandlot.learners import prepare
from sandlot.learners.config import TrainConfig, run_folder
from sandlot.learners.errors import ConfigError
from sandlot.presets import preset
from sandlot.robots.graph import UpConfig


def open_run(config: UpConfig) -> pathlib.Path:
    """The folder, with its config and demonstrations when the learner is one of the graph's processes."""
    if config.learns_here:
        return _learning(config)
    folder = run_folder(config.run_name, config.task)
    try:
        (folder / prepare.LOGS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"run folder '{folder}' cannot be written: {error.strerror}; choose another --run"
        ) from error
    return folder


def _learning(config: UpConfig) -> pathlib.Path:
    stored = prepare.stored_config(config.run_name, config.task)
    folder, made = prepare.prepare(stored or _new(config), stored)
    prepare.prepare_demos(folder, made)
    return folder


def _new(config: UpConfig) -> TrainConfig:
    """What a new run learns by: the task's preset."""
    suits = preset([config.task])
    file = config.camera_file if config.robot == "sim" else ""
    env = dataclasses.replace(suits.env, cameras=config.camera, camera_file=file)
    demos = 0 if config.demos_file or config.robot != "sim" else suits.demos
    return dataclasses.replace(
        suits,
        run=config.run_name,
        seed=config.seed,
        pace="realtime",
        env=env,
        demos=demos,
        demos_file=config.demos_file,
    )
