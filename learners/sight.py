"""A policy's networks in numpy: frames through encoders and bottleneck, and an MLP, as in `agents/`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import yaml

from sandlot.learners import plugins
from sandlot.learners.errors import ConfigError, SpecError, WeightsError
from sandlot.learners.schema import EnvSpec

if TYPE_CHECKING:  # the agents import JAX; this module must not
    from sandlot.learners.agents import AgentConfig

LAYER_NORM_EPS = np.float32(1e-6)


class VisionArch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is between the frames and the policy's first layer.

    Attributes:
        encoder: its name, see `plugins`.
        settings: the encoder's own.
        latent: numbers per camera after the bottleneck.
        frame_stack: how many frames in a row are seen at once.
    """

    encoder: str
    settings: dict[str, Any]
    latent: int
    frame_stack: int = 1

    def make(self) -> Any:
        """The encoder; raises WeightsError when there is none of this name with these settings."""
        try:
            return plugins.load("encoder", self.encoder)(**self.settings)
        except (ConfigError, TypeError, ValueError) as error:
            raise WeightsError(
                f"policy needs encoder '{self.encoder}' with {self.settings}: {error}; export it again"
            ) from error

    def shapes(self, spec: EnvSpec) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of the encoders."""
        encoder = self.make()
        return {
            f"encoder.{camera}.{name}": shape
            for camera in sorted(spec.images)
            for name, shape in encoder.shapes(spec.images[camera]).items()
        }

    def neck_shapes(self, spec: EnvSpec) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of a bottleneck."""
        encoder = self.make()
        found: dict[str, tuple[int, ...]] = {}
        for camera in sorted(spec.images):
            size = self.frame_stack * encoder.size(spec.images[camera])
            found[f"bottleneck.{camera}.w"] = (size, self.latent)
            found |= {f"bottleneck.{camera}.{part}": (self.latent,) for part in ("b", "scale", "shift")}
        return found


class Sight:
    """The part of a policy's weights that sees."""

    def __init__(self, arch: VisionArch, spec: EnvSpec, weights: dict[str, np.ndarray]) -> None:
        """Takes what is named `encoder.*` from the policy's weights."""
        self.arch, self.spec = arch, spec
        self._encoder = arch.make()
        self._own = {camera: under(f"encoder.{camera}.", weights) for camera in spec.images}

    def features(self, images: dict[str, Any], lead: tuple[int, ...]) -> dict[str, np.ndarray]:
        """The encoders' numbers, {camera: [*lead, F]}, in order of the cameras' names.

        Args:
            images: uint8 [*lead, H, W, C] by camera; with a frame stack of K > 1 [*lead, K, H, W, C].
            lead: the leading axes of the state.

        Raises:
            SpecError: a camera is missing, or its frames have another shape or type.
        """
        cameras = sorted(self.spec.images)
        return {camera: self._encode(camera, self._frames(images, camera, lead), lead) for camera in cameras}

    def _frames(self, images: dict[str, Any], camera: str, lead: tuple[int, ...]) -> np.ndarray:
        stack, shape = self.arch.frame_stack, self.spec.images[camera]
        wanted = (*lead, *([stack] if stack > 1 else []), *shape)
        if camera not in images:
            raise SpecError(
                f"obs['images'] has cameras {sorted(images)}; the policy for task '{self.spec.task}' looks "
                f"through '{camera}' too: add it to --cameras"
            )
        frames = np.asarray(images[camera])
        if frames.shape != wanted or frames.dtype != np.uint8:
            raise SpecError(
                f"obs['images']['{camera}'] is {frames.dtype}{list(frames.shape)}; the policy for task "
                f"'{self.spec.task}' needs uint8{list(wanted)}"
            )
        return frames

    def _encode(self, camera: str, frames: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
        one_by_one = frames.reshape(-1, *self.spec.images[camera])
        encoded: np.ndarray = self._encoder.apply_numpy(self._own[camera], one_by_one)
        return encoded.reshape(*lead, -1)


def inputs(weights: dict[str, np.ndarray], features: dict[str, np.ndarray], state: np.ndarray) -> np.ndarray:
    """What an MLP reads: all features through the bottleneck in `weights`, then the state [.., S]."""
    seen = []
    for camera, its in features.items():
        w, b, scale, shift = (weights[f"bottleneck.{camera}.{part}"] for part in ("w", "b", "scale", "shift"))
        seen.append(np.tanh(layer_norm(its @ w + b, scale, shift)))
    return np.concatenate([*seen, state], axis=-1) if seen else state


def mlp(weights: dict[str, np.ndarray], x: np.ndarray, *, hidden: int, activation: str) -> np.ndarray:
    """The last layer of a network of `hidden` hidden layers, [.., outputs], for inputs [.., I]."""
    for i in range(hidden):
        x = x @ weights[f"w{i}"] + weights[f"b{i}"]
        if f"scale{i}" in weights:
            x = layer_norm(x, weights[f"scale{i}"], weights[f"shift{i}"])
        x = np.maximum(x, 0) if activation == "relu" else np.tanh(x)
    return x @ weights["w_out"] + weights["b_out"]


def mlp_shapes(sizes: tuple[int, ...], *, layer_norm: bool) -> dict[str, tuple[int, ...]]:
    """Name and shape of every array of an MLP whose layers have these sizes, the inputs' first."""
    found: dict[str, tuple[int, ...]] = {}
    for i, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        last = i == len(sizes) - 2
        name = "_out" if last else str(i)
        found |= {f"w{name}": (fan_in, fan_out), f"b{name}": (fan_out,)}
        if layer_norm and not last:
            found |= {f"scale{name}": (fan_out,), f"shift{name}": (fan_out,)}
    return found


def under(front: str, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose name begins with `front`, by the rest of it."""
    return {name.removeprefix(front): array for name, array in weights.items() if name.startswith(front)}


def layer_norm(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """LayerNorm over the last axis."""
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + LAYER_NORM_EPS) * scale + shift


def arch_of(spec: EnvSpec, cfg: "AgentConfig") -> VisionArch | None:
    """How the policy of an agent sees; None without cameras."""
    if not spec.images:
        return None
    settings = msgspec.to_builtins(encoder_of(cfg))
    return VisionArch(cfg.encoder, settings, cfg.latent, cfg.frame_stack)


def encoder_of(cfg: "AgentConfig") -> Any:
    """The encoder that a config names, with its settings; raises ConfigError when there is none such."""
    return encoder_with(cfg.encoder, cfg.encoder_settings)


def encoder_with(name: str, settings: Sequence[str]) -> Any:
    """The encoder of a plugin's name with settings as NAME=VALUE; ConfigError when there is none such."""
    make = plugins.load("encoder", name)
    try:
        pairs = [text.split("=", 1) for text in settings]
        return make(**{name: yaml.safe_load(value) for name, value in pairs})
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(
            f"encoder '{name}' cannot be made with settings {list(settings)}: {error}; write NAME=VALUE for "
            "settings that it has"
        ) from error
