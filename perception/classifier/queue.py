"""Frames a classifier was not sure of, kept beside its file for a person to label while training runs.

`QUEUE/` holds one safetensors file a frame. Its oldest go when it is full. A labelled one moves into the data
set, and `sandlot classifier train` learns on from there; envs take the better file at their next episode.
"""

import logging
import pathlib
import queue
import threading
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import safetensors
import safetensors.numpy

from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.files import write_whole
from sandlot.perception.classifier.dataset import Clip, FrameStore
from sandlot.perception.classifier.model import Frames

log = logging.getLogger(__name__)

FOLDER = "queue"
MOST = 500
"""So many frames are kept."""
WAITING = 8


class Uncertain(NamedTuple):
    """A frame to be labelled.

    Attributes:
        name: of its file, without the ending; names sort by age.
        frames: of each camera, uint8 [H, W, C].
        p_success: what the classifier thought.
        episode: the episode it is from.
    """

    name: str
    frames: dict[str, np.ndarray]
    p_success: float
    episode: str


class Keeper:
    """Writes frames in a thread of its own: a control loop that offers one never waits for the disk."""

    def __init__(self, folder: pathlib.Path, most: int = MOST) -> None:
        self._folder, self._most = folder, most
        self._due: queue.Queue[tuple[Frames, float, str] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._failed = False

    def offer(self, frames: Frames, p_success: float, episode: str) -> None:
        """Keeps frames [H, W, C] unless the disk is too slow for them."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="uncertain-frames", daemon=True)
            self._thread.start()
        try:
            self._due.put_nowait(({c: f.copy() for c, f in frames.items()}, p_success, episode))
        except queue.Full:
            log.debug("event=uncertain_frame_dropped folder=%s", self._folder)

    def close(self) -> None:
        """Writes what waits and ends the thread; may be called twice."""
        if self._thread is not None:
            self._due.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (given := self._due.get()) is not None:
            try:
                save(self._folder, *given, most=self._most)
                self._failed = False
            except (StoreError, OSError) as error:
                if not self._failed:
                    log.warning("event=uncertain_frames_not_kept error=%r", str(error))
                self._failed = True


def save(folder: pathlib.Path, frames: Frames, p_success: float, episode: str, *, most: int = MOST) -> None:
    """Writes one frame of each camera, and deletes the oldest beyond `most`."""
    metadata = {"p_success": repr(float(p_success)), "episode": episode}
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:6]}.safetensors"
    write_whole(folder / name, safetensors.numpy.save(dict(frames), metadata), sync=False)
    for old in _files(folder)[:-most]:
        old.unlink(missing_ok=True)


def pending(folder: pathlib.Path) -> list[Uncertain]:
    """The frames that wait for a label, oldest first; one that is damaged is left out and said."""
    found = []
    for path in _files(folder):
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                frames = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            found.append(Uncertain(path.stem, frames, float(metadata["p_success"]), metadata["episode"]))
        except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("event=uncertain_frame_unreadable file=%s error=%r", path, str(error))
    return found


def relabel(folder: pathlib.Path, names: Sequence[str], label: str, store: FrameStore) -> int:
    """Moves frames from the queue into the training part of a data set; returns how many.

    Raises:
        ConfigError: a frame or a class does not exist.
        SpecError: the data set is of other cameras.
    """
    waiting = {one.name: one for one in pending(folder)}
    unknown = [name for name in names if name not in waiting]
    if unknown:
        raise ConfigError(
            f"frame '{unknown[0]}' is not in '{folder}'; `sandlot classifier relabel` lists them"
        )
    classes = store.layout.classes
    if label not in classes:
        raise ConfigError(f"class '{label}' does not exist; choose from {', '.join(classes)}")
    # in the training part only: what a classifier was unsure of says nothing fair about how good it is
    chosen = [waiting[name] for name in dict.fromkeys(names)]
    store.add(
        Clip(
            f"queue/{one.episode}/{one.name}",
            {camera: frame[None] for camera, frame in one.frames.items()},
            np.array([classes.index(label)], np.uint8),
            np.array([label != classes[-1]]),
            "train",
        )
        for one in chosen
    )
    for one in chosen:
        (folder / f"{one.name}.safetensors").unlink(missing_ok=True)
    return len(chosen)


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("[0-9]*.safetensors"))
