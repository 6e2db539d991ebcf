"""The run folders of a graph: made, or opened again, before any of its processes starts."""

import dataclasses
import pathlib
from typing import NamedTuple

from sandlot.learners import pair, prepare
from sandlot.learners.command_lines import free_port
from sandlot.learners.config import TrainConfig, run_folder
from sandlot.learners.errors import ConfigError
from sandlot.presets import preset
from sandlot.robots.graph import Back
from sandlot.robots.graph_config import UpConfig

HOST = "127.0.0.1"


class Runs(NamedTuple):
    """What a graph learns into: its run, the port of the learner, and the same of the reverse task."""

    folder: pathlib.Path
    port: int
    back: Back | None = None

    def absolute(self) -> "Runs":
        """The same, wherever they are used."""
        back = self.back and self.back._replace(folder=self.back.folder.absolute())
        return Runs(self.folder.absolute(), self.port, back)


def open_runs(config: UpConfig) -> Runs:
    """The runs, with configs and demonstrations when their learners are processes of the graph."""
    if config.learns_here:
        return _learning(config)
    folder = run_folder(config.run_name, config.task)
    try:
        (folder / prepare.LOGS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"run folder '{folder}' cannot be written: {error.strerror}; choose another --run"
        ) from error
    return Runs(folder, free_port(HOST))


def _learning(config: UpConfig) -> Runs:
    stored = prepare.stored_config(config.run_name, config.task)
    if stored:
        _check_same(config, stored)
    wanted, reverse = pair.with_partner(stored or _new(config), stored)
    made = [pair.Run(*prepare.prepare(wanted, stored))]
    made += [pair.back_run(*made[0], reverse)] if reverse else []
    for folder, run in made:
        prepare.prepare_demos(folder, run)
        (folder / prepare.STATUS_FILE).unlink(missing_ok=True)  # of an earlier life
    back = Back(reverse, made[1].folder, free_port(HOST)) if reverse else None
    return Runs(made[0].folder, free_port(HOST), back)


def _check_same(config: UpConfig, stored: TrainConfig) -> None:
    """Refuses to go on with a run that was begun with other eyes, or another judge."""
    begun = {
        "camera": (config.camera, stored.env.cameras),
        "image-px": (config.image_px, stored.env.image_px),
        "classifier": (config.classifier, stored.env.classifier),
        "back-classifier": (config.back_classifier, stored.back_classifier),
        "in-turn": (config.in_turn, bool(stored.partner) or config.in_turn),
    }
    for name, (asked, before) in begun.items():
        if asked != before:
            raise ConfigError(
                f"--{name} is {_shown(asked)}; run '{config.run_name}' was begun with {_shown(before)}: say "
                "that, or choose another --run"
            )


def _shown(value: object) -> str:
    words = " ".join(value) if isinstance(value, tuple) else str(value)
    return f"'{words}'" if words else "none"


def _new(config: UpConfig) -> TrainConfig:
    """What a new run learns by: the task's preset."""
    suits = preset([config.task, *(("--cameras", *config.camera) if config.camera else ())])
    file = config.camera_file if config.robot == "sim" else ""
    env = dataclasses.replace(
        suits.env,
        cameras=config.camera,
        camera_file=file,
        image_px=config.image_px,
        course=config.course,
        classifier=config.classifier,
    )
    demos = 0 if config.demos_file or config.robot != "sim" else suits.demos
    return dataclasses.replace(
        suits,
        run=config.run_name,
        seed=config.seed,
        pace="realtime",
        env=env,
        demos=demos,
        demos_file=config.demos_file,
        in_turn=config.in_turn,
        back_classifier=config.back_classifier,
        back_demos_file=config.back_demos_file,
        tries=config.tries,
        call_after=config.call_after,
        autoreset=config.autoreset,
    )
