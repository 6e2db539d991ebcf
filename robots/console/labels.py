"""Frames that a run's classifier was not sure of, and the label a person gives them while training runs."""

import pathlib
import threading
from typing import Any

from sandlot.learners import prepare
from sandlot.learners.config import load_config
from sandlot.learners.errors import StoreError
from sandlot.robots.console.album import encode

DATA = "data"
"""Beside the classifier's file: what `sandlot classifier` collects into."""

_writing = threading.Lock()


def waiting(folder: pathlib.Path) -> dict[str, Any]:
    """What waits in a run's queue, the newest first, and the classes to choose from; `text` says why not."""
    beside = _beside(folder)
    if beside is None:
        return {"frames": [], "classes": [], "text": "this run has no classifier"}
    from sandlot.perception.classifier import dataset, queue  # noqa: PLC0415  (only where there is one)

    if not (beside / DATA / dataset.INDEX).is_file():
        return {"frames": [], "classes": [], "text": f"'{beside / DATA}' holds no data set to add labels to"}
    classes = list(dataset.FrameStore(beside / DATA).layout.classes)
    frames = [
        {"name": one.name, "p_success": one.p_success, "cameras": sorted(one.frames)}
        for one in reversed(queue.pending(beside / queue.FOLDER))
    ]
    return {"frames": frames, "classes": classes, "text": ""}


def picture(folder: pathlib.Path, name: str, camera: str) -> bytes:
    """One waiting frame, JPEG."""
    for one in _pending(folder):
        if one.name == name and camera in one.frames:
            return encode(one.frames[camera])
    raise StoreError(f"frame {name[:50]!r} does not wait for a label any more")


def relabel(folder: pathlib.Path, name: str, label: str) -> str:
    """Moves a frame into the training part of the classifier's data set."""
    beside = _beside(folder)
    if beside is None:
        raise StoreError("this run has no classifier")
    from sandlot.perception.classifier import dataset, queue  # noqa: PLC0415  (only where there is one)

    with _writing:
        queue.relabel(beside / queue.FOLDER, [name], label, dataset.FrameStore(beside / DATA))
    return f"labelled '{label}'; `sandlot classifier train` learns from it"


def _pending(folder: pathlib.Path) -> list[Any]:
    beside = _beside(folder)
    if beside is None:
        return []
    from sandlot.perception.classifier import queue  # noqa: PLC0415  (only where there is one)

    return queue.pending(beside / queue.FOLDER)


def _beside(folder: pathlib.Path) -> pathlib.Path | None:
    """The folder of the run's classifier, None when it has none."""
    file = folder / prepare.CONFIG_FILE
    path = load_config(file).env.classifier if file.exists() else ""
    return pathlib.Path(path.split(",")[-1]).parent if path else None  # of several, the last one asks
