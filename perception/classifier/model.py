"""A trained classifier as a file, and its word on frames in numpy: an actor needs no JAX for it.

The file is a safetensors file whose metadata is JSON: what it looks at, its classes, when it is to be
believed, what it reached on held-out episodes, and a digest over all of that and the weights.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any, Self

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError, SpecError, StoreError, WeightsError
from sandlot.learners.files import write_whole

FORMAT = "sandlot-classifier-1"

SAME = 0.005
"""Crops that differ by less, in heights of the picture, are one."""

Shape = tuple[int, int, int]
Crops = Mapping[str, tuple[float, float, float, float]]
"""What of each camera's picture is seen, as `sandlot.learners.envs.crops` has it; empty: not known."""
Frames = Mapping[str, np.ndarray]
"""One frame of each camera, uint8 [H, W, C]; with a leading axis a batch of them."""


class ClassifierSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a classifier looks at, what it can say, and when it is believed.

    Attributes:
        task: the task whose success it judges.
        cameras: camera name -> (height_px, width_px, channels).
        classes: from the start of a task to its success; two for success alone, more for stages.
        encoder: plugin name of the encoder that sees each camera.
        settings: of the encoder.
        hidden: units between the encoders and the classes.
        temperature: divides the logits, so that probabilities are frequencies (fitted on validation).
        enter: for each stage, the probability of having reached it from which a step counts as reached.
        leave: the same below which it counts as not reached; in between nothing changes.
        debounce: so many steps must count before a stage is reached, at least 2.
        examples: how many frames each part of the data had, by `part/class`.
        figures: what was measured on held-out episodes.
        crops: what of each camera's picture it was shown; left out where that is not known.
    """

    task: str
    cameras: dict[str, Shape]
    classes: tuple[str, ...] = ("no", "yes")
    encoder: str = "conv"
    settings: dict[str, Any] = {}
    hidden: int = 64
    temperature: float = 1.0
    enter: tuple[float, ...] = (0.5,)
    leave: tuple[float, ...] = (0.25,)
    debounce: int = 2
    examples: dict[str, int] = {}
    figures: dict[str, Any] = {}
    crops: dict[str, tuple[float, float, float, float]] | msgspec.UnsetType = msgspec.UNSET

    @property
    def stages(self) -> int:
        """How many things have to be reached, in order; the last one is success."""
        return len(self.classes) - 1

    def check(self) -> Self:
        """Returns itself, or raises ConfigError naming what cannot be."""
        rules = {
            "cameras": (bool(self.cameras), "at least one camera"),
            "classes": (len(set(self.classes)) == len(self.classes) > 1, "two or more different names"),
            "enter": (self._ascending(), "one threshold a stage, 0 < leave < enter < 1"),
            "debounce": (self.debounce >= 2, "at least 2: a single frame must never be a reward"),
            "temperature": (0.0 < self.temperature < float("inf"), "a positive number"),
        }
        for name, (good, rule) in rules.items():
            if not good:
                raise ConfigError(
                    f"classifier of task '{self.task}': {name}={getattr(self, name)}; must be {rule}"
                )
        return self

    def _ascending(self) -> bool:
        pairs = list(zip(self.leave, self.enter, strict=False))
        counted = len(self.enter) == len(self.leave) == self.stages
        return counted and all(0.0 < low < high < 1.0 for low, high in pairs)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """A judge of frames. Checked when made: names, shapes, and that every weight is finite.

    Attributes:
        spec: what it looks at and what it can say.
        weights: float32 arrays by name: `CAMERA/NAME` of the encoders, then the head's.
    """

    spec: ClassifierSpec
    weights: dict[str, np.ndarray]

    def __post_init__(self) -> None:
        """Raises WeightsError naming the array and what is wrong with it."""
        self.spec.check()
        for name, array in self.weights.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise WeightsError(f"classifier array '{name}' is not finite float32; train it again")
        features = sum(self.encoder.size(shape) for shape in self.spec.cameras.values())
        hidden, classes = self.spec.hidden, len(self.spec.classes)
        needed = {
            "head/w0": (features, hidden),
            "head/b0": (hidden,),
            "head/w1": (hidden, classes),
            "head/b1": (classes,),
        }
        for name, shape in needed.items():
            found = self.weights[name].shape if name in self.weights else "missing"
            if found != shape:
                raise WeightsError(
                    f"classifier array '{name}' is {found}, but cameras {sorted(self.spec.cameras)} and "
                    f"classes {list(self.spec.classes)} need {shape}; train it again"
                )

    @functools.cached_property
    def encoder(self) -> Any:
        """What sees each camera."""
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in self.spec.settings.items()}
        return plugins.load("encoder", self.spec.encoder)(**settings)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over spec and weights, 64 hex digits."""
        floats = msgspec.convert(
            msgspec.to_builtins(self.spec), ClassifierSpec
        )  # 1 and 1.0 are one threshold
        found = hashlib.sha256(msgspec.json.encode(floats, order="deterministic"))
        for name, array in sorted(self.weights.items()):
            found.update(f"{name}{array.dtype.str}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()

    @functools.cached_property
    def _by_camera(self) -> dict[str, dict[str, np.ndarray]]:
        """The encoders' weights, by camera."""
        return {camera: part(self.weights, camera) for camera in sorted(self.spec.cameras)}

    def logits(self, frames: Frames) -> np.ndarray:
        """Calibrated logits, float32 [B, K], of frames uint8 [B, H, W, C] of each camera.

        Raises:
            SpecError: a camera is missing, or its frames have another shape.
        """
        for camera, shape in self.spec.cameras.items():
            found = frames[camera].shape[1:] if camera in frames else "missing"
            if found != shape:
                raise SpecError(f"camera '{camera}' gives {found}, the classifier was trained on {shape}")
        seen = [
            np.asarray(self.encoder.apply_numpy(weights, frames[camera]), np.float32)
            for camera, weights in self._by_camera.items()
        ]
        hidden = np.concatenate(seen, 1) @ self.weights["head/w0"] + self.weights["head/b0"]
        out = np.maximum(hidden, 0.0) @ self.weights["head/w1"] + self.weights["head/b1"]
        return out / np.float32(self.spec.temperature)

    def matches(self, task: str, cameras: Mapping[str, Shape], crops: Crops | None = None) -> None:
        """Raises SpecError unless it was trained for this task and for cameras that are there, cropped so."""
        if task != self.spec.task:
            raise SpecError(
                f"the classifier was trained for task '{self.spec.task}', not for '{task}'; name one of that"
            )
        wrong = [
            f"camera '{name}' must be {list(shape)} and is "
            f"{list(cameras[name]) if name in cameras else 'not observed'}"
            for name, shape in self.spec.cameras.items()
            if cameras.get(name) != shape
        ]
        if wrong:
            raise SpecError(
                f"the classifier was trained on other cameras: {'; '.join(wrong)}; observe with "
                f"--cameras {' '.join(self.spec.cameras)} at its size, or train one on these cameras"
            )
        if cropped := cropped_otherwise(self.spec.crops or {}, crops or {}):
            raise SpecError(
                f"the classifier was trained on other parts of the pictures: {cropped}; give the "
                "--camera-file that its frames were collected with, or none when they were collected so"
            )

    def to_bytes(self) -> bytes:
        """The file's content."""
        spec = msgspec.json.encode(self.spec, order="deterministic").decode()
        metadata = {"format": FORMAT, "spec": spec, "digest": self.digest}
        arrays = {name: np.ascontiguousarray(array) for name, array in self.weights.items()}
        return safetensors.numpy.save(arrays, metadata)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file; a reader sees the old one or the whole new one, never a part."""
        write_whole(pathlib.Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The classifier in a file.

        Raises:
            StoreError: it cannot be read.
            WeightsError: it is damaged, of another format, or its digest or a shape is wrong.
        """
        where = f"classifier file '{path}'"
        if not pathlib.Path(path).is_file():
            raise StoreError(f"{where} does not exist; `sandlot classifier train` writes one")
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata.get("format") != FORMAT:
                raise WeightsError(f"format is {metadata.get('format')!r}, this version reads '{FORMAT}'")
            spec = msgspec.json.decode(metadata["spec"], type=ClassifierSpec)
            found = cls(spec=spec, weights=weights)
        except (WeightsError, ConfigError) as error:
            raise WeightsError(f"{where}: {error}") from error
        except (safetensors.SafetensorError, msgspec.MsgspecError, KeyError, TypeError, OSError) as error:
            raise WeightsError(f"{where} is damaged or no classifier ({error}); train it again") from error
        if metadata.get("digest") != found.digest:
            raise WeightsError(
                f"{where} has digest {str(metadata.get('digest'))[:12]}, its content {found.digest[:12]}: it "
                "was changed or damaged; copy or train it again"
            )
        return found


def cropped_otherwise(mine: Crops, theirs: Crops) -> str:
    """Words about cameras whose crops are known to differ; empty when there is none."""
    words = "camera '{}' was cropped to {} and now to {}"
    found = [
        words.format(name, *([round(float(x), 3) for x in crop[name]] for crop in (mine, theirs)))
        for name in sorted(mine.keys() & theirs.keys())
        if not np.allclose(mine[name], theirs[name], rtol=0.0, atol=SAME)
    ]
    return f"{', '.join(found)} (sides from the middle, in heights of the picture)" if found else ""


def part(weights: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """The arrays of one owner, without its name: those of an encoder, by the encoder's own names."""
    return {
        name.removeprefix(f"{owner}/"): array
        for name, array in weights.items()
        if name.startswith(f"{owner}/")
    }


def reached(logits: np.ndarray) -> np.ndarray:
    """Probability of having reached each stage, float64 [.., K-1], from logits [.., K]: P(class >= k)."""
    logits = np.asarray(logits, np.float64)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    shares = shares / shares.sum(-1, keepdims=True)
    return np.cumsum(shares[..., ::-1], -1)[..., ::-1][..., 1:]
