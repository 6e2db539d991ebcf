"""Random shifts of camera frames, as in DrQ (Yarats et al. 2020, 2004.13649)."""

import jax
import jax.numpy as jnp


def random_shift(key: jax.Array, frames: jax.Array, pad_px: int) -> jax.Array:
    """Each of the frames [B, H, W, C] moved by up to `pad_px` in both directions, its edge pixels repeated.

    The frames of a stack, [B, K, H, W, C], are moved together.
    """
    if pad_px == 0:
        return frames
    stack = [(0, 0)] * (frames.ndim - 4)
    padded = jnp.pad(frames, [(0, 0), *stack, (pad_px, pad_px), (pad_px, pad_px), (0, 0)], mode="edge")
    corners = jax.random.randint(key, (frames.shape[0], 2), 0, 2 * pad_px + 1)

    def crop(frame: jax.Array, corner: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice(frame, (*[0] * len(stack), corner[0], corner[1], 0), frames.shape[1:])

    return jax.vmap(crop)(padded, corners)


def shift_all(key: jax.Array, images: dict[str, jax.Array], pad_px: int) -> dict[str, jax.Array]:
    """Every camera's frames shifted with a key of their own."""
    keys = jax.random.split(key, len(images))
    return {name: random_shift(k, images[name], pad_px) for name, k in zip(sorted(images), keys, strict=True)}
