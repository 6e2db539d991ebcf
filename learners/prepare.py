"""A run's folder: made once with its config and demonstrations, opened again to resume."""

import dataclasses
import logging
import pathlib

from sandlot.learners.config import (
    TrainConfig,
    existing_run,
    load_config,
    refuse_changes,
    run_folder,
    save_config,
)
from sandlot.learners.errors import ConfigError

log = logging.getLogger(__name__)

CONFIG_FILE = "config.yaml"
STORE_FILE = "run.sqlite"
DEMOS_FILE = "demos.sqlite"
POLICY_FILE = "policy.safetensors"
STATUS_FILE = "status.json"
CHECKPOINTS = "checkpoints"
LOGS = "logs"


def stored_config(run: str, task: str) -> TrainConfig | None:
    """The config of the run that these flags would resume; None when the run is new.

    Raises:
        ConfigError: the folder belongs to another task, or is not a run.
    """
    folder = run_folder(run, task)
    if not folder.exists() or not any(folder.iterdir()):
        return None
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(f"'{folder}' is not empty and not a run (no {CONFIG_FILE}); choose another --run")
    config = load_config(folder / CONFIG_FILE)
    if config.task != task:
        raise ConfigError(
            f"run '{folder}' is of task '{config.task}', not '{task}'; choose another --run, or say "
            f"`sandlot train {config.task} --run {run or task}` to resume it"
        )
    return config


def prepare(config: TrainConfig, stored: TrainConfig | None) -> tuple[pathlib.Path, TrainConfig]:
    """Makes or reopens the folder of a run and writes its config; returns both."""
    folder = run_folder(config.run, config.task)
    if stored is not None:
        refuse_changes(stored, config)
        log.info("resuming run=%s", folder)
    if config.init:
        existing_run(config.init)  # a wrong name is refused before anything is written
    config = dataclasses.replace(config, run=str(folder) if "/" in config.run else folder.name)
    try:
        (folder / LOGS).mkdir(parents=True, exist_ok=True)
        save_config(folder / CONFIG_FILE, config)
    except OSError as error:
        raise ConfigError(f"run folder '{folder}' cannot be written: {error.strerror}; choose another --run") from error
    return folder, config
