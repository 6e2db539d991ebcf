"""ResNet-10 with spatial learned embeddings, the encoder of SERL: its trunk can be pretrained and frozen."""

import dataclasses
import functools
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.perception.encoders.base import Shape
from sandlot.perception.encoders.file import check_arrays, digest_of, read, write

TRUNK_FORMAT = "sandlot-resnet10-trunk-1"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB in 0..1
STAGES, GROUPS, EPS = 4, 4, 1e-5
SHRINK = 32  # the trunk halves a frame five times
WHERE = "where"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNet10:
    """Four stages of one basic block with GroupNorm(4), then spatial learned embeddings.

    A frame of 128 x 128 x 3 becomes a map of 4 x 4 x 512, and that 4096 features.

    Attributes:
        filters: of the first stage; each further one has twice as many.
        embeddings: learned maps a channel.
        frozen: no gradient reaches the trunk; the embeddings are always trained.
        weights: file of a pretrained trunk that `init` starts from (`sandlot pretrain convert`), or "".
    """

    filters: int = 64
    embeddings: int = 8
    frozen: bool = True
    weights: str = ""

    free: ClassVar[tuple[str, ...]] = ("frozen", "weights")
    """Settings that do not change what given weights mean."""

    def __post_init__(self) -> None:
        if self.filters < GROUPS or self.filters % GROUPS or self.embeddings < 1:
            raise ConfigError(
                f"encoder resnet10: filters={self.filters} must be a multiple of {GROUPS}, and "
                f"embeddings={self.embeddings} at least 1"
            )

    def size(self, shape: Shape) -> int:
        """How many features a frame of (H, W, C) has."""
        self._map(shape)
        return self._channels() * self.embeddings

    def trunk_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every array of the trunk; names and layout are those of SERL's flax module."""
        found: dict[str, tuple[int, ...]] = {"conv_init/kernel": (7, 7, 3, self.filters)}
        found |= _norm("norm_init", self.filters)
        before = self.filters
        for i in range(STAGES):
            block, after = f"ResNetBlock_{i}", self.filters * 2**i
            found |= {f"{block}/Conv_0/kernel": (3, 3, before, after)}
            found |= _norm(f"{block}/MyGroupNorm_0", after)
            found |= {f"{block}/Conv_1/kernel": (3, 3, after, after)}
            found |= _norm(f"{block}/MyGroupNorm_1", after)
            if after != before:
                found |= {f"{block}/conv_proj/kernel": (1, 1, before, after)}
                found |= _norm(f"{block}/norm_proj", after)
            before = after
        return found

    def shapes(self, shape: Shape) -> dict[str, tuple[int, ...]]:
        """The shape of every array of weights, by name."""
        return self.trunk_shapes() | {WHERE: (math.prod(self._map(shape)), self._channels(), self.embeddings)}

    def init(self, key: jax.Array, shape: Shape) -> dict[str, jax.Array]:
        """Float32 weights by name for frames of (H, W, 3); the trunk's from the file, if one is named."""
        trunk = load_trunk(self.weights, self) if self.weights else {}
        params: dict[str, jax.Array] = {}
        shapes = self.shapes(shape)
        for (name, size), key_ in zip(shapes.items(), jax.random.split(key, len(shapes)), strict=True):
            if name in trunk:
                params[name] = jnp.asarray(trunk[name])
            elif name.endswith("kernel"):
                params[name] = jax.random.normal(key_, size) * math.sqrt(2.0 / math.prod(size[:-1]))
            elif name == WHERE:
                params[name] = jax.random.normal(key_, size) / math.sqrt(size[0])
            else:
                params[name] = jnp.full(size, 1.0 if name.endswith("scale") else 0.0)
        return params

    def trains(self, name: str) -> bool:
        """Whether an agent's gradient moves this array: one that it never moves needs no optimiser."""
        return not self.frozen or name == WHERE

    def apply(self, params: dict[str, jax.Array], frames: jax.Array) -> jax.Array:
        """Features float32 [B, F] of frames [B, H, W, 3], uint8 or floats in 0..255."""
        x = self.trunk(params, frames)
        x = jax.lax.stop_gradient(x) if self.frozen else x
        cells = x.reshape(x.shape[0], -1, x.shape[3])
        return jnp.einsum("bpc,pce->bce", cells, params[WHERE]).reshape(x.shape[0], -1)

    def trunk(self, params: dict[str, jax.Array], frames: jax.Array) -> jax.Array:
        """The last stage's map, [B, H / 32, W / 32, 8 x filters]."""
        x = (frames.astype(jnp.float32) * (1.0 / 255.0) - jnp.array(MEAN)) * (1.0 / jnp.array(STD))
        x = _conv(x, params["conv_init/kernel"], 2, padding=((3, 3), (3, 3)))
        x = jax.nn.relu(_group_norm(x, params, "norm_init"))
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        for i in range(STAGES):
            x = _block(x, params, f"ResNetBlock_{i}", stride=1 if i == 0 else 2)
        return x

    def apply_numpy(self, params: dict[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
        """The same from numpy to numpy; JAX computes it, since numpy alone would take a control period."""
        return np.asarray(_jitted(self)(params, frames))

    def _channels(self) -> int:
        return self.filters * 2 ** (STAGES - 1)

    def _map(self, shape: Shape) -> tuple[int, int]:
        """Height and width of the last stage's map."""
        height, width, channels = shape
        if channels != 3 or min(height, width) < 2 * SHRINK:
            raise ConfigError(
                f"encoder resnet10: frames of {height} x {width} x {channels} must be RGB of at least "
                f"{2 * SHRINK} x {2 * SHRINK} px, best 128 x 128; use larger frames, or encoder conv"
            )
        return -(-height // SHRINK), -(-width // SHRINK)


def load_trunk(path: str, encoder: ResNet10) -> dict[str, np.ndarray]:
    """The arrays of a trunk's file; WeightsError unless names, shapes, numbers and digest are right."""
    arrays, about = read(path, TRUNK_FORMAT)
    check_arrays(arrays, encoder.trunk_shapes(), f"trunk '{path}'")
    found, said = digest_of(TRUNK_FORMAT, arrays), about.get("digest", "")
    if found != said:
        raise WeightsError(
            f"trunk '{path}': its digest is {found[:16]}.., and {said[:16] or 'none'}.. was written: it was "
            "changed or damaged; convert it again"
        )
    return arrays


def save_trunk(path: str, arrays: dict[str, np.ndarray], encoder: ResNet10, origin: str) -> str:
    """Writes a trunk's file and returns its digest; `origin` says where the arrays come from."""
    check_arrays(arrays, encoder.trunk_shapes(), f"trunk from {origin}")
    digest = digest_of(TRUNK_FORMAT, arrays)
    write(path, arrays, {"digest": digest, "origin": origin}, TRUNK_FORMAT)
    return digest


@functools.cache
def _jitted(encoder: ResNet10) -> Any:
    return jax.jit(encoder.apply)


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}/scale": (channels,), f"{name}/bias": (channels,)}


def _block(x: jax.Array, params: dict[str, jax.Array], name: str, stride: int) -> jax.Array:
    """Two 3 x 3 convolutions beside a shortcut, which is projected where the shape changes."""
    y = _conv(x, params[f"{name}/Conv_0/kernel"], stride)
    y = jax.nn.relu(_group_norm(y, params, f"{name}/MyGroupNorm_0"))
    y = _group_norm(_conv(y, params[f"{name}/Conv_1/kernel"], 1), params, f"{name}/MyGroupNorm_1")
    if f"{name}/conv_proj/kernel" in params:
        x = _group_norm(_conv(x, params[f"{name}/conv_proj/kernel"], stride), params, f"{name}/norm_proj")
    return jax.nn.relu(x + y)


def _conv(
    x: jax.Array, kernel: jax.Array, stride: int, padding: str | tuple[tuple[int, int], ...] = "SAME"
) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _group_norm(x: jax.Array, params: dict[str, jax.Array], name: str) -> jax.Array:
    """Groups of neighbouring channels, each to mean 0 and variance 1 over its part of the map."""
    batch, height, width, channels = x.shape
    parts = x.reshape(batch, height * width, GROUPS, channels // GROUPS)
    centred = parts - parts.mean((1, 3), keepdims=True)
    scaled = centred * jax.lax.rsqrt(jnp.square(centred).mean((1, 3), keepdims=True) + EPS)
    return scaled.reshape(x.shape) * params[f"{name}/scale"] + params[f"{name}/bias"]
