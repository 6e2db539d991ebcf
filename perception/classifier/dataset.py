"""Labelled frames on the disk: a folder with `dataset.json` and one safetensors file for each time of adding.

Every episode belongs to one part for good, `train`, `validation` or `test`, chosen when it is added, so that
frames of one episode are never on both sides, and an episode that was held out stays held out when a
classifier learns on from a larger data set.
"""

import dataclasses
import pathlib
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from sandlot.learners.errors import ConfigError, SpecError, StoreError
from sandlot.learners.files import write_whole
from sandlot.perception.classifier.disk_frames import DiskFrames, Piece, begins
from sandlot.perception.classifier.model import Shape, cropped_otherwise

FORMAT = "sandlot-frames-1"
INDEX = "dataset.json"
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
PARTS = tuple(SHARES)


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a data set holds: `dataset.json`. Classes go from the start of a task to its success.

    `crops`: what of each camera's picture its frames show; left out where that is not known.
    """

    task: str
    cameras: dict[str, Shape]
    classes: tuple[str, ...] = ("no", "yes")
    format: str = FORMAT
    crops: dict[str, tuple[float, float, float, float]] | msgspec.UnsetType = msgspec.UNSET


class Clip(NamedTuple):
    """Labelled frames of one episode.

    Attributes:
        episode: its name, the same whenever it is collected again.
        frames: of each camera, uint8 [n, H, W, C].
        labels: the class of each, uint8 [n].
        hard: whether each lies close before a success, bool [n].
        part: `train`, `validation`, `test`, or empty to have one chosen.
    """

    episode: str
    frames: dict[str, np.ndarray]
    labels: np.ndarray
    hard: np.ndarray
    part: str = ""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An episode in a file's metadata: its frames are the next `count` ones. `wins`: some show success."""

    episode: str
    part: str
    count: int
    wins: bool


@dataclasses.dataclass(frozen=True)
class FrameSet:
    """Frames to learn from or to be measured on.

    Attributes:
        layout: what they show.
        frames: of each camera, [N, H, W, C]; rows are read from the disk when they are asked for.
        labels: int64 [N].
        hard: bool [N].
        episodes: the episode of each, int64 [N].
    """

    layout: Layout
    frames: dict[str, DiskFrames]
    labels: np.ndarray
    hard: np.ndarray
    episodes: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def count(self) -> list[int]:
        """How many frames each class has."""
        return [int(n) for n in np.bincount(self.labels, minlength=len(self.layout.classes))]


class FrameStore:
    """A data set's folder. Adding is atomic: a file is there as a whole, or not at all."""

    def __init__(self, folder: pathlib.Path | str, layout: Layout | None = None) -> None:
        """Opens a folder; one that is not there yet is for this layout, and made by the first frames.

        Raises:
            StoreError: there is none, or it is damaged.
            SpecError: it holds frames of another task, of other cameras or crops, or of other classes.
        """
        self.folder = pathlib.Path(folder)
        index = self.folder / INDEX
        if not index.is_file():
            if layout is None:
                raise StoreError(f"'{folder}' holds no frames; `sandlot classifier collect` makes a data set")
            self._refuse_file()
            self.layout = layout
            return
        try:
            self.layout = msgspec.json.decode(index.read_bytes(), type=Layout)
        except (msgspec.MsgspecError, OSError) as error:
            raise StoreError(f"'{index}' cannot be read ({error}); restore it or start another") from error
        for name in ("task", "cameras", "classes", "format"):
            if layout is not None and getattr(layout, name) != getattr(self.layout, name):
                raise SpecError(
                    f"data set '{folder}' has {name} {getattr(self.layout, name)}, not "
                    f"{getattr(layout, name)}; name another folder with --out"
                )
        if layout is not None and (other := cropped_otherwise(self.layout.crops or {}, layout.crops or {})):
            raise SpecError(f"data set '{folder}': {other}; crop alike, or name another folder with --out")

    def begin(self) -> None:
        """Makes the folder unless it is there; `add` does so itself."""
        if not (self.folder / INDEX).is_file():
            write_whole(self.folder / INDEX, msgspec.json.encode(self.layout))

    def records(self) -> list[Record]:
        """Every episode there is."""
        return [record for path in self._files() for record in _head(path)]

    def add(self, clips: Iterable[Clip]) -> tuple[int, int]:
        """Adds episodes that are not there yet, in one file; returns (episodes, frames) added."""
        there = self.records()
        known = {record.episode for record in there}
        shares = Counter((record.wins, record.part) for record in there)
        new: list[tuple[Clip, Record]] = []
        for clip in clips:
            if clip.episode in known or not len(clip.labels):
                continue
            self._check(clip)
            wins = bool((clip.labels == len(self.layout.classes) - 1).any())
            part = clip.part or max(SHARES, key=lambda p: SHARES[p] / (1 + shares[wins, p]))
            known.add(clip.episode)
            shares[wins, part] += 1
            new.append((clip, Record(clip.episode, part, len(clip.labels), wins)))
        if new:
            self._write(*zip(*new, strict=True))
        return len(new), sum(record.count for _, record in new)

    def load(self, part: str) -> FrameSet:
        """All frames of a part; the frames themselves stay on the disk."""
        pieces: dict[str, list[Piece]] = {camera: [] for camera in self.layout.cameras}
        found: dict[str, list[np.ndarray]] = {"label": [], "hard": [], "episode": []}
        first = 0  # number of the file's first episode
        for path in self._files():
            records = _head(path)
            counts = [record.count for record in records]
            rows = np.flatnonzero(np.repeat([record.part == part for record in records], counts))
            begin = begins(path, self._shapes(sum(counts)))
            if len(rows):
                arrays = _numbers(path) | {"episode": np.repeat(np.arange(len(records)) + first, counts)}
                for name, of_files in found.items():
                    of_files.append(arrays[name][rows])
                for camera, of_camera in pieces.items():
                    of_camera.append(Piece(path, begin[f"image.{camera}"], rows))
            first += len(records)
        joined = {name: np.concatenate([np.zeros(0, int), *arrays]) for name, arrays in found.items()}
        return FrameSet(
            self.layout,
            {camera: DiskFrames(shape, pieces[camera]) for camera, shape in self.layout.cameras.items()},
            joined["label"].astype(np.int64),
            joined["hard"].astype(bool),
            joined["episode"],
        )

    def _shapes(self, count: int) -> dict[str, tuple[int, ...]]:
        """The shape of every array of a file with so many frames."""
        images = {f"image.{camera}": (count, *shape) for camera, shape in self.layout.cameras.items()}
        return {"label": (count,), "hard": (count,), **images}

    def _check(self, clip: Clip) -> None:
        """Raises SpecError or ConfigError for an episode that does not fit."""
        for camera, shape in self.layout.cameras.items():
            found = clip.frames[camera].shape if camera in clip.frames else "missing"
            if found != (len(clip.labels), *shape):
                raise SpecError(
                    f"episode '{clip.episode}': frames of camera '{camera}' are {found}, not "
                    f"{(len(clip.labels), *shape)}; observe with the cameras of the data set"
                )
        if clip.labels.max() >= len(self.layout.classes):
            raise ConfigError(
                f"episode '{clip.episode}': class {clip.labels.max()} is not one of {self.layout.classes}"
            )

    def _write(self, clips: Sequence[Clip], records: Sequence[Record]) -> None:
        """One more file."""
        arrays = {
            f"image.{camera}": np.concatenate([clip.frames[camera] for clip in clips])
            for camera in self.layout.cameras
        }
        arrays["label"] = np.concatenate([clip.labels for clip in clips]).astype(np.uint8)
        arrays["hard"] = np.concatenate([clip.hard for clip in clips]).astype(np.uint8)
        metadata = {"format": FORMAT, "episodes": msgspec.json.encode(records).decode()}
        self.begin()
        path = self.folder / f"{len(self._files()):05d}-{uuid.uuid4().hex[:8]}.safetensors"
        write_whole(path, safetensors.numpy.save(arrays, metadata))

    def _refuse_file(self) -> None:
        """Raises StoreError when a file lies where the folder must be made."""
        for path in (self.folder, *self.folder.parents):
            if path.is_file():
                raise StoreError(
                    f"'{path}' is a file where the folder of a data set must be; name another with --out"
                )

    def _files(self) -> list[pathlib.Path]:
        return sorted(self.folder.glob("*.safetensors"))


def _head(path: pathlib.Path) -> list[Record]:
    """The episodes of a file; reads its header only."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return msgspec.json.decode((file.metadata() or {})["episodes"], type=list[Record])
    except (safetensors.SafetensorError, msgspec.MsgspecError, KeyError, OSError) as error:
        raise StoreError(
            f"'{path}' is damaged ({error}); restore it, or delete it and collect again"
        ) from error


def _numbers(path: pathlib.Path) -> dict[str, np.ndarray]:
    """What a file says of its frames."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in ("label", "hard")}
    except (safetensors.SafetensorError, OSError) as error:
        raise StoreError(
            f"'{path}' is damaged ({error}); restore it, or delete it and collect again"
        ) from error
