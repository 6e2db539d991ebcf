"""`sandlot pretrain`: an encoder from recordings; `collect` records play, `convert` reads SERL's weights."""

import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import tyro

from sandlot.cli import parse, print_result
from sandlot.learners import envs
from sandlot.learners.demos import Demo, fresh_seed, save_demos
from sandlot.learners.env_config import EnvArgs, EnvConfig
from sandlot.learners.errors import ConfigError
from sandlot.learners.store import RunStore
from sandlot.perception.encoders.convert import convert
from sandlot.perception.encoders.file import TrainedEncoder
from sandlot.perception.pretrain import PretrainConfig, collect, data, picture, probe, scene, training
from sandlot.robots.arm.observation import observe
from sandlot.robots.arm.task import ArmTask
from sandlot.robots.env import RobotEnv

PretrainArgs = Annotated[PretrainConfig, tyro.conf.arg(name="")]
PlayArgs = Annotated[collect.PlayConfig, tyro.conf.arg(name="")]
TELL_EVERY_S = 2.0
PICTURE = ".png"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Make an encoder from recordings, for `sandlot train TASK --cameras ... --encoder FILE`.

    Two more: `sandlot pretrain collect TASK --cameras ...` records play, which needs no success;
    `sandlot pretrain convert IN.pkl OUT.safetensors` makes SERL's ResNet-10 weights a file safe to load.

    Attributes:
        data: folders of recordings with cameras: demonstrations, play, runs.
        out: file to write; a picture and a report lie beside it.
        cameras: cameras to use; all that were recorded when empty.
        config: how to train.
        json: end with one line of JSON.
    """

    data: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FOLDER ...")]
    out: str = "encoder.safetensors"
    cameras: tuple[str, ...] = ()
    config: PretrainArgs = PretrainConfig()
    json: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class CollectFlags:
    """Record play for an encoder: many scenes, random actions, no labels.

    Attributes:
        task: what to play.
        out: folder to write; `demos/TASK-play` when empty. More is added to what is there.
        play: how to play.
        env: the env's settings; --cameras is needed.
        json: end with one line of JSON.
    """

    task: tyro.conf.Positional[str]
    out: str = ""
    play: PlayArgs = collect.PlayConfig()
    env: EnvArgs = EnvConfig()
    json: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConvertFlags:
    """Make SERL's pickled ResNet-10 weights a safetensors file; nothing in the pickle is run.

    Attributes:
        source: resnet10_params.pkl.
        target: the file to write.
        sha256: what the pickle's SHA-256 must begin with, when you know it.
        json: end with one line of JSON.
    """

    source: tyro.conf.Positional[str]
    target: tyro.conf.Positional[str]
    sha256: str = ""
    json: bool = False


def main(argv: list[str]) -> int:
    """Runs the command or one of its two actions."""
    if argv[:1] == ["collect"]:
        return _collect(parse(CollectFlags, argv[1:], prog="pretrain collect"))
    if argv[:1] == ["convert"]:
        return _convert(parse(ConvertFlags, argv[1:], prog="pretrain convert"))
    return _pretrain(parse(Flags, argv, prog="pretrain"))


def _pretrain(flags: Flags) -> int:
    out = _writable(pathlib.Path(flags.out))
    recording = data.read(flags.data, flags.cameras)
    train, held = recording.split(flags.config.held_out, flags.config.seed)
    made = training.train(recording, flags.config)
    if flags.config.scene:
        made = made._replace(encoder=_with_scene(made.encoder, recording, train, flags.config.seed))
    figures = probe.probe(made.encoder, recording, flags.config.held_out, flags.config.seed)
    facts = {
        "task": recording.spec.task,
        "config": dataclasses.asdict(flags.config),
        "frames": [int(train.sum()), int(held.sum())],
        "curve": made.report.curve,
        "probe": figures,
    }
    dataclasses.replace(made.encoder, facts=facts).save(out)
    shown = out.with_suffix(PICTURE)
    picture.save(picture.draw(made.encoder, made.params, recording, held), shown)
    result: dict[str, Any] = {
        "encoder": str(out),
        "picture": str(shown),
        "digest": made.encoder.digest[:16],
        "frames": len(recording.state),
        "held_out_frames": int(held.sum()),
        "features": made.encoder.features,
        **dict(
            zip(
                ("loss", "held_out_loss"),
                made.report.curve[-1][1:] if made.report.curve else (),
                strict=False,
            )
        ),
        **probe.said(figures),
        "seconds": round(made.report.seconds, 1),
    }
    print_result(result, as_json=flags.json)
    return 0


def _writable(out: pathlib.Path) -> pathlib.Path:
    """The file to write, or ConfigError when that cannot be: known before anything is trained."""
    if out.suffix.lower() == PICTURE:
        raise ConfigError(f"--out '{out}' is where the picture goes; name the encoder .safetensors")
    there = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    if out.is_dir() or (there != out.absolute() and not there.is_dir()) or not os.access(there, os.W_OK):
        raise ConfigError(f"--out '{out}' cannot be written because of '{there}'; name another file")
    return out


def _with_scene(
    encoder: TrainedEncoder, recording: data.Recording, train: np.ndarray, seed: int
) -> TrainedEncoder:
    """The encoder with a scene behind it."""
    made = scene.train(recording, probe.features(encoder, recording), train, seed)
    return dataclasses.replace(encoder, scene=made)


def _collect(flags: CollectFlags) -> int:
    if not flags.env.cameras:
        raise ConfigError("play without cameras shows nothing; name them, e.g. --cameras wrist side")
    began_s = time.monotonic()
    folder = pathlib.Path(flags.out or pathlib.Path("demos") / f"{flags.task.replace(':', '-')}-play")
    env = _with_truth(envs.make(flags.task, **flags.env.kwargs()))
    try:
        with RunStore.open(folder, envs.env_spec(env)) as store:
            play = dataclasses.replace(flags.play, seed=fresh_seed(store, flags.play.seed))
            demos = _told(collect.collect(env, play), flags.task, play.episodes)
            episodes, _ = save_demos(store, demos, collect.ACTOR, seed=play.seed)
            steps = store.last_seq
    finally:
        env.close()
    seconds = round(time.monotonic() - began_s, 1)
    result = {
        "task": flags.task,
        "folder": str(folder),
        "episodes": episodes,
        "steps": steps,
        "seconds": seconds,
    }
    print_result(result, as_json=flags.json)
    return 0


def _told(demos: Iterator[Demo], task: str, asked: int) -> Iterator[Demo]:
    """The episodes; every few seconds a line says how many are stored."""
    said_s, steps = time.monotonic(), 0
    for count, demo in enumerate(demos, 1):
        yield demo
        steps += len(demo.steps)
        if time.monotonic() - said_s >= TELL_EVERY_S or count == asked:
            said_s = time.monotonic()
            sys.stderr.write(f"{task}: {count} of {asked} episodes, {steps} steps\n")


def _with_truth(env: envs.Env) -> envs.Env:
    """In simulation, the env with what the task says of objects besides."""
    bare = env.unwrapped
    if not isinstance(bare, RobotEnv) or bare.real_time is not None:
        return env
    groups = bare.task.object_groups() if isinstance(bare.task, ArmTask) else ()
    if {g.name for g in groups} <= {e.name for e in envs.env_spec(env).state}:
        return env
    return collect.Knowing(
        env, tuple(g.entry() for g in groups), lambda: observe(groups, bare.robot.observe())
    )


def _convert(flags: ConvertFlags) -> int:
    done = convert(flags.source, flags.target, sha256=flags.sha256)
    print_result({"file": flags.target, **done._asdict()}, as_json=flags.json)
    return 0
