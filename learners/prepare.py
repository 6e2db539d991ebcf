"""A run's folder: made once with its config and demonstrations, opened again to resume."""

import dataclasses
import logging
import os
import pathlib
import shutil
import threading

from sandlot.learners import envs, plugins
from sandlot.learners.agents.config import CLONES
from sandlot.learners.config import (
    TrainConfig,
    check_person,
    existing_run,
    load_config,
    refuse_changes,
    run_folder,
    save_config,
)
from sandlot.learners.demos import DemosConfig, record_demos, require_expert, save_demos
from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.schema import EnvSpec
from sandlot.learners.sight import encoder_of
from sandlot.learners.store import RunStore
from sandlot.learners.store_file import lock_folder
from sandlot.learners.store_read import RunReader
from sandlot.learners.transport.address import check_address

log = logging.getLogger(__name__)

CONFIG_FILE = "config.yaml"
DEMOS_FOLDER = "demos"
POLICY_FILE = "policy.safetensors"
STATUS_FILE = "status.json"
CHECKPOINTS = "checkpoints"
LOGS = "logs"
SPOOL = "spool"
TENSORBOARD_FOLDER = "tensorboard"
DEMO_SEED = 1_000_000
"""Demonstrations are reset with seeds from here on: no evaluation starts as one of them did."""


def stored_config(run: str, task: str) -> TrainConfig | None:
    """The config of the run that these flags would resume; None when the run is new.

    Raises:
        ConfigError: the folder belongs to another task, or is not a run.
    """
    folder = run_folder(run, task)
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return None
    except OSError as error:
        raise ConfigError(
            f"run folder '{folder}' cannot be read: {error.strerror}; choose another --run"
        ) from error
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(f"'{folder}' is not empty and not a run (no {CONFIG_FILE}); choose another --run")
    config = load_config(folder / CONFIG_FILE)
    if config.task != task:
        raise ConfigError(
            f"run '{folder}' is of task '{config.task}', not '{task}'; choose another --run, or say "
            f"`sandlot train {config.task} --run {run or task}` to resume it"
        )
    return config


def check(config: TrainConfig, stored: TrainConfig | None, spec: EnvSpec | None = None) -> None:
    """Refuses what cannot be used before anything is written; `spec` spares making the env to ask it."""
    if stored is not None:
        refuse_changes(stored, config)
    check_person(config)
    if config.init:
        existing_run(config.init)
    check_address(f"tcp://{config.host}:{config.port}", config.keys or None)
    if stored is None:
        _check_new(config, spec or _spec(config))


def _check_new(config: TrainConfig, spec: EnvSpec) -> None:
    """Refuses what the learner of a new run would; one that goes on may have lost what it began from."""
    cfg = config.agent
    for name, path in (("vice", config.vice), ("agent.encoder-init", cfg.encoder_init)):
        if path and not pathlib.Path(path).exists():
            raise ConfigError(f"--{name} '{path}' does not exist; give the path of one")
    encoder = encoder_of(cfg)
    if cfg.encoder_init and not spec.images:
        raise ConfigError(
            f"--agent.encoder-init is {cfg.encoder_init}, but the agent observes no frames; name cameras "
            "and leave --encoder out, or leave this out"
        )
    if cfg.encoder_init:
        plugins.load("weights", "encoder")(cfg, encoder, spec.images)
    data = config.demos or config.demos_file or config.init_data
    if not data and (cfg.algo in CLONES or (cfg.algo == "wsrl" and cfg.offline_steps)):
        raise ConfigError(
            f"agent '{cfg.algo}' learns from data first: give --demos, --demos-file or --init-data"
        )
    if config.vice_settings and not (config.vice or config.back_vice):
        raise ConfigError(
            f"--vice-settings {' '.join(config.vice_settings)} is about a learned reward; name examples of "
            "success with --vice, or leave it out"
        )
    if config.vice:
        plugins.load("reward", "vice").check(config, spec)


def prepare(config: TrainConfig, stored: TrainConfig | None) -> tuple[pathlib.Path, TrainConfig]:
    """Makes or reopens the folder of a run and writes its config; returns both."""
    folder = run_folder(config.run, config.task)
    check(config, stored)
    if stored is not None:
        log.info("resuming run=%s", folder)
    config = dataclasses.replace(config, run=config.run if "/" in config.run else folder.name)
    kept = (
        config if stored is None else dataclasses.replace(config, port=stored.port)
    )  # of one start, not the run
    try:
        (folder / LOGS).mkdir(parents=True, exist_ok=True)
        os.close(lock_folder(folder, "run folder"))  # somebody's run: refused before anything is changed
        save_config(folder / CONFIG_FILE, kept)
    except StoreError:
        raise
    except OSError as error:
        raise ConfigError(
            f"run folder '{folder}' cannot be written: {error.strerror}; choose another --run"
        ) from error
    return folder, config


def prepare_demos(folder: pathlib.Path, config: TrainConfig, stop: threading.Event | None = None) -> int:
    """Fills the run's `demos/`, a run store that also says what the task observes; returns its steps.

    They are recorded beside and renamed when complete, so a resumed run never finds half of them. Once `stop`
    is set no other is begun, and what there is of them is thrown away.
    """
    stop = stop or threading.Event()
    target = folder / DEMOS_FOLDER
    if not target.exists():
        beside = folder / f".{DEMOS_FOLDER}.partial"
        shutil.rmtree(beside, ignore_errors=True)
        if not _record(beside, config, stop):
            shutil.rmtree(beside, ignore_errors=True)
            return 0
        beside.rename(target)
    return RunReader(target).last_seq


def _record(target: pathlib.Path, config: TrainConfig, stop: threading.Event) -> bool:
    """Whether all are recorded; False once `stop` is set."""
    with RunStore.open(target, _spec(config)) as store:
        if config.demos_file:
            store.import_from(RunReader(config.demos_file))
        elif config.demos:
            demos = DemosConfig(
                task=config.task, episodes=config.demos, seed=config.seed + DEMO_SEED, env=config.env.alone()
            )
            episodes, attempts = save_demos(store, record_demos(demos, stop.is_set))
            if episodes < config.demos:
                return False
            log.info(
                "event=demos_recorded episodes=%d attempts=%d steps=%d", episodes, attempts, store.last_seq
            )
    return True


def _spec(config: TrainConfig) -> EnvSpec:
    """What the task observes: as a file of its demonstrations says (that needs no env), or as the env does.

    An env that demonstrations are to be recorded in must have an expert.
    """
    recorded = RunReader(config.demos_file).spec if config.demos_file else None
    if recorded is not None and recorded.task == config.task:
        return recorded
    env = envs.make(config.task, **config.env.kwargs())
    try:
        if recorded is not None:
            return _alike(recorded, envs.env_spec(env), config)
        if config.demos:
            require_expert(env, config.task)
        return envs.env_spec(env)
    finally:
        env.close()


def _alike(recorded: EnvSpec, wanted: EnvSpec, config: TrainConfig) -> EnvSpec:
    """The spec of demonstrations that name the task otherwise; ConfigError when it is another one."""
    if recorded.task != wanted.task:
        raise ConfigError(
            f"--demos-file '{config.demos_file}' is of task '{recorded.task}', not '{wanted.task}'; name "
            f"demonstrations of this one: sandlot demos {config.task}"
        )
    return recorded
