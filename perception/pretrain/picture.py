"""A picture of what an encoder looks at.

Held-out frames, where a changed pixel changes the features, and what an encoder that was trained to
reconstruct says the frames look like.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from sandlot.learners.agents.types import Params
from sandlot.perception.encoders.file import HEAD_W, TrainedEncoder
from sandlot.perception.pretrain import methods
from sandlot.perception.pretrain.data import Recording

SAMPLES = 6
CELL_PX = 160
GAP_PX = 4
FADE = 0.3
"""How bright the part of a frame stays that an encoder does not look at."""


def draw(trained: TrainedEncoder, params: Params, recording: Recording, held: np.ndarray) -> Image.Image:
    """Two or three rows a camera, one column a sample of the held-out frames."""
    chosen = np.flatnonzero(held)
    chosen = chosen[np.linspace(0, len(chosen) - 1, SAMPLES).astype(int)]
    rows = []
    for camera in recording.shapes:
        frames = recording.frames[camera][chosen]
        rows += [frames, _attended(trained, camera, frames)]
        if f"mean/{camera}" in params:
            rows.append(_reconstructed(trained, params, camera, frames))
    return _sheet(rows)


def save(picture: Image.Image, path: pathlib.Path) -> None:
    """Writes a PNG."""
    picture.save(path, "PNG")


def _attended(trained: TrainedEncoder, camera: str, frames: np.ndarray) -> np.ndarray:
    """The frames [B, H, W, C], dark where the features do not depend on them."""
    weights = {name: jnp.asarray(array) for name, array in trained.weights[camera].items()}

    def features(one: jax.Array) -> jax.Array:
        return trained.encoder.apply(weights, one[None])[0] @ weights[HEAD_W]

    # a random projection's gradient has the Jacobian's norm, but for a factor, at a fraction of its cost
    directions = jax.random.normal(jax.random.key(0), (8, weights[HEAD_W].shape[1]))

    def strength(one: jax.Array) -> jax.Array:
        _, back = jax.vjp(features, one)
        return sum(jnp.square(back(d)[0]).sum(-1) for d in directions)  # type: ignore[return-value]

    heat = np.sqrt(np.asarray(jax.lax.map(strength, jnp.asarray(frames, jnp.float32))))
    heat /= np.maximum(np.quantile(heat, 0.995, axis=(1, 2), keepdims=True), 1e-12)
    shown = FADE + (1.0 - FADE) * np.clip(heat, 0.0, 1.0)
    return np.clip(frames * shown[..., None], 0, 255).astype(np.uint8)


def _reconstructed(trained: TrainedEncoder, params: Params, camera: str, frames: np.ndarray) -> np.ndarray:
    """What the decoder makes of the frames' latents."""
    own = {k.removeprefix(f"{camera}/"): v for k, v in params.items() if k.startswith(f"{camera}/")}
    z = trained.encoder.apply(own, jnp.asarray(frames)) @ own[HEAD_W] + own["head.b"]
    mean, scale = params[f"mean/{camera}"], params[f"scale/{camera}"]
    small = methods.dense(params, f"reconstruct.{camera}", z).reshape(-1, *mean.shape) / scale + mean
    return np.asarray(jnp.clip(small * 255.0, 0, 255).astype(jnp.uint8))


def _sheet(rows: list[np.ndarray]) -> Image.Image:
    """Rows of frames as one picture."""
    size = CELL_PX + GAP_PX
    sheet = Image.new("RGB", (SAMPLES * size + GAP_PX, len(rows) * size + GAP_PX), "white")
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            cell = Image.fromarray(frame[..., :3]).resize((CELL_PX, CELL_PX), Image.Resampling.NEAREST)
            sheet.paste(cell, (GAP_PX + j * size, GAP_PX + i * size))
    return sheet
