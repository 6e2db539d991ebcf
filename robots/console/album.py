"""The pictures and figures of a few stored steps, and what the run's classifier thinks of them."""

import functools
import io
import logging
import pathlib
from typing import Any, Self

import numpy as np
from PIL import Image

from sandlot.learners import prepare
from sandlot.learners.config import load_config
from sandlot.learners.errors import SandlotError, StoreError
from sandlot.learners.schema import Flag, Source
from sandlot.learners.store_read import RunReader

log = logging.getLogger(__name__)

MOST_STEPS = 5000
LOOKED_AT = 400
"""The classifier judges at most so many steps of an episode, evenly chosen: it shares the robot's machine."""
QUALITY = 85


class Album:
    """Steps of one stream, in order.

    Args:
        folder: of the run.
        steps: of the run's step type, [n].
        cameras: names, in order.
    """

    def __init__(self, folder: pathlib.Path, steps: np.ndarray, cameras: list[str]) -> None:
        self.folder, self.cameras, self._steps = folder, cameras, steps

    @classmethod
    def episode(cls, reader: RunReader, seq: int) -> Self:
        """The episode whose first step was the run's step `seq`."""
        found = [e for e in reader.episodes(seq - 1) if e.first_seq == seq]
        if not found:
            raise StoreError(f"no episode of '{reader.folder.name}' begins at step {seq}")
        (wanted,) = found
        parts, count = [], wanted.last_seq - wanted.first_seq + 1
        for stored in reader.read(wanted.first_seq - 1, count):
            if stored.stream == wanted.stream:
                parts.append(stored.steps[stored.steps["episode"] == wanted.episode])
        return cls(reader.folder, np.concatenate(parts)[:MOST_STEPS], list(reader.spec.images))

    @classmethod
    def newest(cls, reader: RunReader) -> Self:
        """The newest step."""
        stored = list(reader.read(reader.last_seq - 1, 1))
        return cls(reader.folder, stored[-1].steps[-1:], list(reader.spec.images))

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def ended(self) -> bool:
        """Whether no further step will come."""
        ends = int(Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED)
        return bool(self._steps["flags"][-1] & ends)

    def describe(self) -> dict[str, Any]:
        """Cameras, and for each step reward, who chose the action, and the probability of success."""
        steps = self._steps
        success, rule = self._success
        return {
            "cameras": self.cameras,
            "steps": len(steps),
            "reward": np.nan_to_num(steps["reward"]).tolist(),
            "human": (steps["source"] == Source.HUMAN).tolist(),
            "action": np.round(np.nan_to_num(steps["action"]), 3).tolist(),
            "success": success,
            "rule": rule,
        }

    def jpeg(self, camera: str, step: int) -> bytes:
        """One picture."""
        if camera not in self.cameras or not 0 <= step < len(self):
            raise StoreError(f"there is no picture {step} of camera {camera[:50]!r} in this episode")
        return encode(self._steps[f"image.{camera}"][step])

    @functools.cached_property
    def _success(self) -> tuple[list[list[float]], str]:
        """[step, probability] of the steps that were judged, and why there are none."""
        try:
            judge = _classifier(self.folder)
            if judge is None:
                return [], "this run has no classifier"
            from sandlot.perception.classifier.model import reached  # noqa: PLC0415  (only where there is one)

            chosen = np.unique(np.linspace(0, len(self) - 1, min(len(self), LOOKED_AT)).astype(int))
            frames = {camera: self._steps[f"image.{camera}"][chosen] for camera in self.cameras}
            chance = reached(judge.logits(frames))[:, -1]
        except SandlotError as error:
            return [], " ".join(str(error).split())
        return [[int(i), round(float(p), 4)] for i, p in zip(chosen, chance, strict=True)], ""


def _classifier(folder: pathlib.Path) -> Any:
    """The run's classifier, None when its config names none."""
    file = folder / prepare.CONFIG_FILE
    path = load_config(file).env.classifier if file.exists() else ""
    return (
        _load(path, pathlib.Path(path).stat().st_mtime if pathlib.Path(path).exists() else 0.0)
        if path
        else None
    )


@functools.lru_cache(maxsize=4)
def _load(path: str, _changed_s: float) -> Any:
    from sandlot.perception.classifier.model import Classifier  # noqa: PLC0415  (only where there is one)

    return Classifier.load(path)


def encode(frame: np.ndarray, most_px: int = 0) -> bytes:
    """A frame, uint8 [H, W, 3] RGB, as JPEG; made `most_px` wide when it is wider."""
    image = Image.fromarray(np.ascontiguousarray(frame))
    if most_px and image.width > most_px:
        height = max(1, round(image.height * most_px / image.width))
        image = image.resize((most_px, height), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
