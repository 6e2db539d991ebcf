"""What every encoder is."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import jax

Shape = tuple[int, int, int]
"""Of a frame: height and width in px, channels."""


class Encoder(Protocol):
    """Settings of a network from frames to features: hashable, so that it can be static under `jax.jit`."""

    def shapes(self, shape: Shape) -> dict[str, tuple[int, ...]]:
        """The shape of every array of weights, by name."""
        ...

    def init(self, key: "jax.Array", shape: Shape) -> "dict[str, jax.Array]":
        """Float32 weights by name for frames of (H, W, C)."""
        ...

    def apply(self, params: "dict[str, jax.Array]", frames: "jax.Array") -> "jax.Array":
        """Features float32 [B, F] of frames [B, H, W, C], uint8 or floats in 0..255; pure JAX."""
        ...

    def apply_numpy(self, params: dict[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
        """The same for an actor: without JAX where that is quick enough."""
        ...

    def size(self, shape: Shape) -> int:
        """F, the number of features of a frame of (H, W, C)."""
        ...
