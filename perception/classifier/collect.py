"""Labelled frames from recorded runs and demonstrations: their success flags are the labels.

A person's key, a person's button and a simulator's truth all end an episode with the same flag. A run that
was rewarded by a classifier is refused: its flags would only teach the classifier its own word.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import msgspec
import numpy as np
import yaml

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import EnvSpec, Flag, Stream
from sandlot.learners.store import RunReader
from sandlot.perception.classifier.dataset import Clip, Layout
from sandlot.perception.classifier.model import Crops

ENDED = Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED
CONFIG = "config.yaml"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunLabels:
    """How an episode's flags become labels.

    Attributes:
        before: frames before the last one of a success that show it as well.
        close: frames before those that count as hard: close to a success and not there.
        label: when given, every frame of every episode is of this class, whatever the flags say.
    """

    before: int = 0
    close: int = 8
    label: str = ""

    def __post_init__(self) -> None:
        if self.before < 0 or self.close < 0:
            raise ConfigError(f"before={self.before}, close={self.close} must be at least 0")


def layout_of(spec: EnvSpec, classes: tuple[str, ...], crops: Crops | None = None) -> Layout:
    """The layout of frames that an env shows, cropped so; ConfigError for no cameras or too few classes."""
    if not spec.images:
        raise ConfigError(
            f"task '{spec.task}' was recorded without cameras; a classifier needs them: --cameras wrist side"
        )
    if len(set(classes)) < len(classes) or len(classes) < 2:
        raise ConfigError(
            f"classes {', '.join(classes)}: name two or more different ones, from the task's start to its "
            "success: --classes no --classes yes"
        )
    return Layout(spec.task, dict(spec.images), classes, crops=dict(crops) if crops else msgspec.UNSET)


def run_clips(folder: pathlib.Path, layout: Layout, how: RunLabels) -> Iterator[Clip]:
    """Every finished episode of a run or of demonstrations; one that a fault ended is left out.

    Raises:
        ConfigError: the run was rewarded by a classifier, or a class does not exist.
        StoreError: there is no run, or it is damaged.
    """
    _refuse_own_word(folder, how)
    reader = RunReader(folder)
    for stream, steps, final in _episodes(reader):
        if steps["flags"][-1] & Flag.ABORTED:
            continue
        origin = (reader.run_id, stream.actor, stream.run, stream.env, stream.agent, steps["episode"][0])
        frames = {
            camera: np.concatenate([steps[f"image.{camera}"], final[f"image.{camera}"]])
            for camera in layout.cameras
        }
        labels, hard = labels_of(len(steps) + 1, bool(steps["flags"][-1] & Flag.SUCCESS), layout, how)
        yield Clip("/".join(map(str, origin)), frames, labels, hard)


def labels_of(count: int, success: bool, layout: Layout, how: RunLabels) -> tuple[np.ndarray, np.ndarray]:
    """Labels uint8 [count] and which frames are hard, bool [count], for an episode's frames and its final."""
    labels, hard = np.zeros(count, np.uint8), np.zeros(count, bool)
    if how.label:
        if how.label not in layout.classes:
            raise ConfigError(f"class '{how.label}' does not exist; choose from {', '.join(layout.classes)}")
        labels[:] = layout.classes.index(how.label)
    elif success:
        first = max(0, count - 1 - how.before)
        labels[first:] = len(layout.classes) - 1
        hard[max(0, first - how.close) : first] = True
    return labels, hard


def _episodes(reader: RunReader) -> Iterator[tuple[Stream, np.ndarray, np.ndarray]]:
    """(stream, steps [n], final [1]) of every finished episode; one episode is in memory for each stream."""
    open_: dict[Stream, list[np.ndarray]] = {}
    for stored in reader.read():
        changes = np.flatnonzero(np.diff(stored.steps["episode"])) + 1
        for steps in np.split(stored.steps, changes):
            rows = open_.setdefault(stored.stream, [])
            if rows and len(steps) and rows[-1]["episode"][0] != steps["episode"][0]:
                rows.clear()  # it was cut: nobody knows how it ended
            rows.append(steps)
            if len(steps) and steps["flags"][-1] & ENDED:
                final = stored.finals[stored.finals["step"] == steps["step"][-1]]
                yield stored.stream, np.concatenate(rows), final
                rows.clear()


def _refuse_own_word(folder: pathlib.Path, how: RunLabels) -> None:
    """Raises ConfigError for a run whose successes were a classifier's."""
    path = folder / CONFIG
    if how.label or not path.is_file():
        return
    try:
        env = (yaml.safe_load(path.read_text()) or {}).get("env") or {}
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"'{path}' cannot be read: {error}") from error
    if env.get("classifier"):
        raise ConfigError(
            f"run '{folder}' was rewarded by classifier '{env['classifier']}': its successes are that one's "
            "own word; relabel the frames it was not sure of with `sandlot classifier relabel`"
        )
