"""Where each of a few colours is: an encoder without layers, for objects known by their colour."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.perception.encoders.base import Shape
from sandlot.perception.encoders.grid import grid

if TYPE_CHECKING:
    import jax

PER_COLOUR = 3
FRAMES, PIXELS, ROUNDS = 300, 60, 15  # looked at for colours; pixels of each; rounds of k-means
FEWEST_PX = 1.0
"""A colour with no more than so many pixels is drawn to the middle, so that noise does not throw it about."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Blobs:
    """Pixels are shared among the nearest of a few colours; of each: where it is, and how much there is.

    A small object is found to a fraction of a pixel, since its place is the mean over all of its pixels. Two
    things of one colour become one blob, and what has the colour of its background is not seen.

    Attributes:
        colours: how many.
        softness: colours that are nearer than this to each other, of 1 from black to full, share pixels.
    """

    colours: int = 12
    softness: float = 0.1

    def __post_init__(self) -> None:
        if self.colours < 2 or not 0 < self.softness <= 1:
            raise ConfigError(
                f"encoder blobs: colours={self.colours} must be at least 2 and softness={self.softness:g} in "
                "(0, 1]"
            )

    def size(self, shape: Shape) -> int:
        """How many features a frame of (H, W, C) has: row, column and amount of each colour."""
        return PER_COLOUR * self.colours

    def shapes(self, shape: Shape) -> dict[str, tuple[int, ...]]:
        """The shape of the only array: the colours, in 0..1."""
        return {"colour": (self.colours, shape[2])}

    def init(self, key: "jax.Array", shape: Shape) -> "dict[str, jax.Array]":
        """Random colours; `pretrain` finds those that there are."""
        import jax  # noqa: PLC0415  an actor's policy needs no JAX

        return {"colour": jax.random.uniform(key, (self.colours, shape[2]))}

    def apply(self, params: "dict[str, jax.Array]", frames: "jax.Array") -> "jax.Array":
        """Features float32 [B, F] of frames [B, H, W, C], uint8 or floats in 0..255."""
        import jax.numpy as jnp  # noqa: PLC0415

        return self._features(params, frames.astype(jnp.float32), jnp)

    def apply_numpy(self, params: dict[str, np.ndarray], frames: np.ndarray) -> np.ndarray:
        """The same without JAX, for an actor."""
        return np.asarray(self._features(params, np.asarray(frames, np.float32), np), np.float32)

    def _features(self, params: dict[str, Any], frames: Any, xp: Any) -> Any:
        """Rows, columns and amounts, each [B, colours]; rows and columns in [-1, 1]."""
        batch, height, width, channels = frames.shape
        pixels = (frames * (1.0 / 255.0)).reshape(batch, height * width, channels)
        colour = params["colour"]
        # minus the squared distance, but for the pixel's own square, which all colours have in common
        near = (2.0 * pixels @ colour.T - xp.square(colour).sum(1)) * (1.0 / self.softness**2)
        share = xp.exp(near - near.max(2, keepdims=True))
        share = share / share.sum(2, keepdims=True)  # [B, pixels, colours]
        amount = share.sum(1)
        at = share.transpose(0, 2, 1) @ grid(height, width) / (amount[:, :, None] + FEWEST_PX)
        return xp.concatenate([at[:, :, 0], at[:, :, 1], xp.sqrt(amount / (height * width))], axis=1)


def find_colours(frames: np.ndarray, encoder: Blobs, rng: np.random.Generator) -> np.ndarray:
    """The colours of what moves, float32 [colours, C], by k-means over pixels of frames [N, H, W, C].

    Pixels are drawn in proportion to how much their place varies from frame to frame, so that a small object
    has its share beside a large background; centres start far apart (k-means++), so that a rare colour gets
    one.
    """
    some = frames[rng.choice(len(frames), min(len(frames), FRAMES), replace=False)].astype(np.float32) / 255.0
    pixels = some.reshape(len(some), -1, some.shape[-1])
    varies = pixels.std(0).mean(1) + 1e-6
    drawn = rng.choice(len(varies), (len(some), PIXELS), p=varies / varies.sum())
    x = np.take_along_axis(pixels, drawn[:, :, None], axis=1).reshape(-1, some.shape[-1])
    centres = x[rng.integers(len(x))][None]
    while len(centres) < encoder.colours:
        far = _squares(x, centres).min(1) + 1e-9
        centres = np.append(centres, x[rng.choice(len(x), p=far / far.sum())][None], axis=0)
    for _ in range(ROUNDS):
        nearest = _squares(x, centres).argmin(1)
        for k in np.unique(nearest):
            centres[k] = x[nearest == k].mean(0)
    return centres.astype(np.float32)


def _squares(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances [N, K]."""
    return np.square(x[:, None] - centres[None]).sum(2)
