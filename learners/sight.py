"""How a policy sees, in numpy: frames through encoder and bottleneck, as in `agents/vision.py`."""

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

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

    def frame_shape(self, spec: EnvSpec, camera: str) -> tuple[int, int, int]:
        """What the encoder sees of a camera: a stack's frames lie behind each other in the channels."""
        height, width, channels = spec.images[camera]
        return height, width, channels * self.frame_stack

    def shapes(self, spec: EnvSpec) -> dict[str, tuple[int, ...]]:
        """Name and shape of every weight array."""
        encoder, found = self.make(), {}
        for camera in sorted(spec.images):
            shape = self.frame_shape(spec, camera)
            found |= {f"encoder.{camera}.{name}": its for name, its in encoder.shapes(shape).items()}
            found[f"bottleneck.{camera}.w"] = (encoder.size(shape), self.latent)
            found |= {f"bottleneck.{camera}.{part}": (self.latent,) for part in ("b", "scale", "shift")}
        return found


class Sight:
    """The part of a policy's weights that sees."""

    def __init__(self, arch: VisionArch, spec: EnvSpec, weights: dict[str, np.ndarray]) -> None:
        """Takes what is named `encoder.*` and `bottleneck.*` from the policy's weights."""
        self.arch, self.spec, self.weights = arch, spec, weights
        self._encoder = arch.make()
        self._own = {
            camera: {n.removeprefix(front): a for n, a in weights.items() if n.startswith(front)}
            for camera in spec.images
            for front in [f"encoder.{camera}."]
        }

    def see(self, images: dict[str, Any], lead: tuple[int, ...]) -> list[np.ndarray]:
        """The bottlenecks' numbers, [*lead, latent] for each camera in order of their names.

        Args:
            images: uint8 [*lead, H, W, C] by camera; with a frame stack of K > 1 [*lead, K, H, W, C].
            lead: the leading axes of the state.

        Raises:
            SpecError: a camera is missing, or its frames have another shape or type.
        """
        cameras = sorted(self.spec.images)
        return [self._squeeze(camera, self._frames(images, camera, lead)) for camera in cameras]

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

    def _squeeze(self, camera: str, frames: np.ndarray) -> np.ndarray:
        height, width, channels = self.spec.images[camera]
        lead = frames.shape[: -3 - (self.arch.frame_stack > 1)]
        stacked = frames.reshape(-1, self.arch.frame_stack, height, width, channels)
        stacked = np.moveaxis(stacked, 1, 3).reshape(-1, *self.arch.frame_shape(self.spec, camera))
        features = self._encoder.apply_numpy(self._own[camera], stacked)
        w, b, scale, shift = (
            self.weights[f"bottleneck.{camera}.{part}"] for part in ("w", "b", "scale", "shift")
        )
        return np.tanh(layer_norm(features @ w + b, scale, shift)).reshape(*lead, -1)


def layer_norm(x: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """LayerNorm over the last axis."""
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + LAYER_NORM_EPS) * scale + shift


def arch_of(spec: EnvSpec, cfg: "AgentConfig") -> VisionArch | None:
    """How the policy of an agent sees; None without cameras."""
    if not spec.images:
        return None
    encoder = plugins.load("encoder", cfg.encoder)()
    settings = msgspec.to_builtins(encoder)
    return VisionArch(cfg.encoder, settings, cfg.latent, cfg.frame_stack)
