"""A trained encoder as a file: safetensors with readable JSON metadata, checked before it is used.

The arrays are named `CAMERA/NAME`. Besides an encoder's own weights a camera has a linear head: `head.w`
[F, K] and `head.b` [K] turn features into the K numbers that are observed, of mean 0 and deviation 1 over the
frames that it was trained on. The digest is a SHA-256 of everything that decides these numbers: who trusts it
trusts the features.

A file may also hold a scene: a small network from the features of all cameras and the robot's own state to a
few numbers, which are then observed alone. Its arrays have no camera, `/NAME`.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import safetensors
import safetensors.numpy

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError, SpecError, StoreError, WeightsError
from sandlot.learners.files import write_whole
from sandlot.perception.encoders.base import Encoder, Shape

FORMAT = "sandlot-encoder-1"
BOUND = 5.0
"""Observed features are clipped to this magnitude."""
HEAD_W, HEAD_B = "head.w", "head.b"

Weights = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class TrainedEncoder:
    """An encoder with its weights, for one or more cameras. Checked when made.

    Attributes:
        name: of the encoder among the plugins.
        settings: that make it.
        shapes: (H, W, C) of each camera's frames.
        weights: float32 arrays by name, for each camera.
        scene: arrays of the network behind the cameras, `w0, b0, w1, b1, w_out, b_out`; empty for none.
        facts: what is known of its training, as JSON can say it; not part of the digest.
    """

    name: str
    settings: dict[str, Any]
    shapes: dict[str, Shape]
    weights: dict[str, Weights]
    scene: Weights = dataclasses.field(default_factory=dict)
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises WeightsError naming the array, what it is and what it should be."""
        if not self.shapes or self.shapes.keys() != self.weights.keys():
            raise WeightsError(
                f"encoder '{self.name}' has weights of cameras {sorted(self.weights)} and frame shapes of "
                f"{sorted(self.shapes)}; they must be the same, at least one"
            )
        for camera, shape in self.shapes.items():
            check_arrays(self.weights[camera], self._expected(camera, shape), f"camera '{camera}'")
        if self.scene:
            check_arrays(self.scene, self._expected_scene(), "the scene")

    def _expected(self, camera: str, shape: Shape) -> dict[str, tuple[int, ...]]:
        """The shape of every array of a camera; the head's width is its own affair."""
        numbers = self.weights[camera].get(HEAD_B, np.zeros(0)).size
        head = {HEAD_W: (self.encoder.size(shape), numbers), HEAD_B: (numbers,)}
        return self.encoder.shapes(shape) | head

    def _expected_scene(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array of the scene; widths, and the size of the state, are its own affair."""
        hidden, out = (self.scene.get(name, np.zeros(0)).size for name in ("b0", "b_out"))
        known = sum(self.size(camera) for camera in self.shapes)
        inputs = max(known, self.scene.get("w0", np.zeros((0, 0))).shape[0])
        sizes = {"0": (inputs, hidden), "1": (hidden, hidden), "_out": (hidden, out)}
        return {f"w{k}": size for k, size in sizes.items()} | {f"b{k}": size[1:] for k, size in sizes.items()}

    @functools.cached_property
    def encoder(self) -> Encoder:
        """The network."""
        return make_encoder(self.name, self.settings)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over network, frame shapes and weights, hex."""
        what = {"name": self.name, "settings": self.settings, "shapes": self.shapes}
        return digest_of(json.dumps(what, sort_keys=True), self._arrays())

    @property
    def state_size(self) -> int | None:
        """How many numbers of the robot's state the scene reads; None without a scene."""
        if not self.scene:
            return None
        return int(self.scene["w0"].shape[0]) - sum(self.size(camera) for camera in self.shapes)

    def size(self, camera: str) -> int:
        """How many numbers are observed of a camera."""
        return int(self.weights[camera][HEAD_B].size)

    @property
    def features(self) -> int:
        """How many numbers are observed in place of the frames."""
        return int(self.scene["b_out"].size) if self.scene else sum(map(self.size, self.shapes))

    def check_cameras(self, shapes: Mapping[str, Shape]) -> None:
        """Raises SpecError unless it was trained for exactly these cameras and frame shapes."""
        mine, theirs = self.shapes, {name: _shape(shape) for name, shape in shapes.items()}
        if mine != theirs:
            raise SpecError(
                f"it was trained on frames {_said(mine)}, and the env has {_said(theirs)}; name the same "
                "cameras in the same size, or train one for these with `sandlot pretrain`"
            )

    def encode(self, camera: str, frames: np.ndarray) -> np.ndarray:
        """The observed numbers float32 [B, K] of frames uint8 [B, H, W, C]."""
        weights = self.weights[camera]
        features = self.encoder.apply_numpy(weights, frames)
        return np.clip(features @ weights[HEAD_W] + weights[HEAD_B], -BOUND, BOUND)

    def look(self, frames: Mapping[str, np.ndarray], state: np.ndarray) -> np.ndarray:
        """The scene's numbers float32 [B, K] for frames [B, H, W, C] of all cameras and states [B, S]."""
        return self.scene_of([self.encode(camera, frames[camera]) for camera in self.shapes], state)

    def scene_of(self, features: list[np.ndarray], state: np.ndarray) -> np.ndarray:
        """The same for the features [B, K] of each camera, in the order of `shapes`."""
        x = np.concatenate([*features, state], axis=1, dtype=np.float32)
        for i in ("0", "1"):
            x = np.tanh(x @ self.scene[f"w{i}"] + self.scene[f"b{i}"])
        return np.clip(x @ self.scene["w_out"] + self.scene["b_out"], -BOUND, BOUND)

    def _arrays(self) -> Weights:
        return _flat(self.weights | ({"": self.scene} if self.scene else {}))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file, whole or not at all."""
        about = {
            "encoder": self.name,
            "settings": json.dumps(self.settings),
            "shapes": json.dumps(self.shapes),
            "facts": json.dumps(self.facts),
            "digest": self.digest,
        }
        write(path, self._arrays(), about, FORMAT)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The encoder in a file.

        Raises:
            StoreError: it cannot be read.
            WeightsError: it is damaged, not an encoder, or its weights cannot be used.
        """
        arrays, about = read(path, FORMAT)
        weights: dict[str, Weights] = {}
        for name, array in arrays.items():
            camera, _, own = name.partition("/")
            weights.setdefault(camera, {})[own] = array
        scene = weights.pop("", {})
        try:
            shapes = {camera: _shape(shape) for camera, shape in json.loads(about["shapes"]).items()}
            made = cls(
                name=about["encoder"],
                settings=json.loads(about["settings"]),
                shapes=shapes,
                weights=weights,
                scene=scene,
                facts=json.loads(about.get("facts", "{}")),
            )
            if made.digest != about["digest"]:
                raise WeightsError(
                    f"its digest is {made.digest[:16]}.., and {about['digest'][:16]}.. was written: it was "
                    "changed or damaged; take the original, or train it again"
                )
        except (WeightsError, ConfigError) as error:
            raise WeightsError(f"encoder file '{path}': {error}") from error
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise WeightsError(f"encoder file '{path}' has unusable metadata ({error!r})") from error
        return made


def make_encoder(name: str, settings: Mapping[str, Any]) -> Encoder:
    """An encoder by name and settings; raises ConfigError for what is unknown."""
    make = plugins.load("encoder", name)
    known = [field.name for field in dataclasses.fields(make)]
    odd = sorted(set(settings) - set(known))
    if odd:
        raise ConfigError(f"encoder '{name}' has no setting {', '.join(odd)}; there are {', '.join(known)}")
    made: Encoder = make(**settings)
    return made


def check_arrays(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Raises WeightsError unless exactly these arrays are there, float32, of these shapes and finite."""
    missing, extra = sorted(set(shapes) - set(arrays)), sorted(set(arrays) - set(shapes))
    if missing or extra:
        raise WeightsError(
            f"{what}: arrays missing: {', '.join(missing) or 'none'}; unknown: {', '.join(extra) or 'none'}; "
            "the file is of another network"
        )
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype != np.float32:
            raise WeightsError(
                f"{what}: array '{name}' is {array.dtype}{list(array.shape)} and must be float32{list(shape)}"
            )
        if not np.isfinite(array).all():
            bad = int((~np.isfinite(array)).sum())
            raise WeightsError(
                f"{what}: array '{name}' has {bad} numbers that are not finite; train it again"
            )


def digest_of(what: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of a text and of every array's name, type, shape and bytes, in the order of names; hex."""
    total = hashlib.sha256(what.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def write(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], about: dict[str, str], kind: str
) -> None:
    """Writes arrays with metadata; a reader sees the old file or the whole new one."""
    whole = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    write_whole(pathlib.Path(path), safetensors.numpy.save(whole, {"format": kind, **about}))


def read(path: str | os.PathLike[str], kind: str) -> tuple[Weights, dict[str, str]]:
    """The arrays and metadata of a file of this format."""
    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise StoreError(f"'{path}' cannot be read: {error}; `sandlot pretrain` writes one") from error
    try:
        arrays = safetensors.numpy.load(data)
        size = int.from_bytes(data[:8], "little")
        about = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"'{path}' is not a whole safetensors file ({error}); make it again") from error
    if about.get("format") != kind:
        raise WeightsError(
            f"'{path}' has format {about.get('format')!r} and this needs '{kind}'; name a file that "
            "`sandlot pretrain` wrote"
        )
    return arrays, about


def _flat(weights: Mapping[str, Weights]) -> Weights:
    return {f"{camera}/{name}": array for camera, its in weights.items() for name, array in its.items()}


def _shape(shape: Any) -> Shape:
    height, width, channels = map(int, shape)
    return height, width, channels


def _said(shapes: Mapping[str, Shape]) -> str:
    return ", ".join(f"{name} {h}x{w}x{c}" for name, (h, w, c) in sorted(shapes.items())) or "of no camera"
