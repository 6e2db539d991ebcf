"""What an encoder is trained to be good for: pure losses of its latents, one function a method.

z is the latents of all cameras side by side, [B, Z]; every method has a small network of its own on top,
whose weights are thrown away afterwards. States are joined to z where the answer depends on the robot's own
pose, so that an encoder need not say again what the robot already knows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sandlot.learners.agents import networks
from sandlot.learners.agents.types import Params

HIDDEN = 128
CODE = 32
TEMPERATURE = 0.1
EXPECTILE, GAMMA = 0.8, 0.97
SMALL = 2
"""Pictures are reconstructed at one half of their size."""


class Batch(NamedTuple):
    """Transitions [B]; `other` is another frame of the same episode. NaN in `truth` means not known."""

    frames: dict[str, Any]
    state: Any
    action: Any
    reward: Any
    discount: Any
    shown: Any
    truth: Any
    next_frames: dict[str, Any]
    next_state: Any
    other_frames: dict[str, Any]
    other_state: Any
    episode: Any


class Seen(NamedTuple):
    """A batch as the encoder sees it: latents of the frames, of the next and of the others, [B, Z] each."""

    z: jax.Array
    next_z: jax.Array
    other_z: jax.Array
    by_camera: dict[str, jax.Array]


class Sizes(NamedTuple):
    """Of what the heads read and say: each camera's latents and frames, state, action, truth."""

    latents: dict[str, int]
    state: int
    action: int
    truth: int
    shapes: dict[str, tuple[int, int, int]]

    @property
    def seen(self) -> int:
        """Latents and state side by side."""
        return sum(self.latents.values()) + self.state


class Method(NamedTuple):
    """A method: which further frames it needs, its head's layer sizes by name, and its loss."""

    needs: tuple[str, ...]
    heads: Callable[[Sizes], dict[str, tuple[int, ...]]]
    loss: Callable[[Params, Params, Seen, Batch], jax.Array]


def dense(params: Params, name: str, x: jax.Array) -> jax.Array:
    """The small network `name` applied to [.., in]."""
    own = {k.removeprefix(f"{name}/"): v for k, v in params.items() if k.startswith(f"{name}/")}
    for i in range(networks.hidden_count(own)):
        x = jax.nn.relu(
            networks.normalise(x @ own[f"w{i}"] + own[f"b{i}"], own[f"scale{i}"], own[f"shift{i}"])
        )
    return x @ own["w_out"] + own["b_out"]


def bc(params: Params, target: Params, seen: Seen, batch: Batch) -> jax.Array:
    """Mean squared error of the demonstrated action; other transitions do not count."""
    said = jnp.tanh(dense(params, "bc", _with(seen.z, batch.state)))
    return _mean_where(jnp.square(said - batch.action).mean(-1), batch.shown)


def contrastive(params: Params, target: Params, seen: Seen, batch: Batch) -> jax.Array:
    """InfoNCE: which of all frames is of the same episode? What stays within one is the scene.

    Within an episode the object mostly lies still while the arm moves; between episodes it lies elsewhere. A
    code that tells episodes apart therefore says where things are, whatever the arm does in the picture.
    """
    a, b = (
        _unit(dense(params, "contrastive", _with(z, state)))
        for z, state in ((seen.z, batch.state), (seen.other_z, batch.other_state))
    )
    near = a @ b.T / TEMPERATURE  # [B, B]
    same = batch.episode[:, None] == batch.episode[None]
    rivals = jnp.where(same & ~jnp.eye(len(a), dtype=bool), -1e9, near)  # of the same episode: no negatives
    diagonal = jnp.diagonal(near)
    across = jax.nn.logsumexp(rivals, axis=1) - diagonal
    down = jax.nn.logsumexp(rivals, axis=0) - diagonal
    return 0.5 * (across + down).mean()


def reconstruct(params: Params, target: Params, seen: Seen, batch: Batch) -> jax.Array:
    """Squared error of each camera's picture, in units of how much every pixel varies, and of the state."""
    errors = []
    for camera, z in seen.by_camera.items():
        wanted = (shrink(batch.frames[camera]) - params[f"mean/{camera}"]) * params[f"scale/{camera}"]
        said = dense(params, f"reconstruct.{camera}", z).reshape(wanted.shape)
        errors.append(jnp.square(said - wanted).mean())
    state = jnp.square(dense(params, "reconstruct.state", seen.z) - batch.state).mean()
    return jnp.stack(errors).mean() + state


def iql(params: Params, target: Params, seen: Seen, batch: Batch) -> jax.Array:
    """Implicit Q-learning on the recorded rewards: V is an upper expectile of Q, Q one step ahead of V."""
    here, ahead = _with(seen.z, batch.state), _with(seen.next_z, batch.next_state)
    with_action = jnp.concatenate([here, batch.action], axis=-1)
    old = jnp.minimum(
        *(dense(target, name, jax.lax.stop_gradient(with_action))[:, 0] for name in ("iql.q1", "iql.q2"))
    )
    value = dense(params, "iql.v", here)[:, 0]
    better = jax.lax.stop_gradient(old) - value
    weight = jnp.where(better > 0, EXPECTILE, 1.0 - EXPECTILE)
    goal = batch.reward + GAMMA * batch.discount * jax.lax.stop_gradient(dense(params, "iql.v", ahead)[:, 0])
    q_error = [jnp.square(dense(params, name, with_action)[:, 0] - goal) for name in ("iql.q1", "iql.q2")]
    return (weight * jnp.square(better)).mean() + jnp.stack(q_error).mean()


def truth(params: Params, target: Params, seen: Seen, batch: Batch) -> jax.Array:
    """Squared error of what a simulation knows: not for hardware, but the most that can be hoped for."""
    said = dense(params, "truth", _with(seen.z, batch.state))
    known = jnp.isfinite(batch.truth).all(-1)
    return _mean_where(jnp.square(said - jnp.where(known[:, None], batch.truth, 0.0)).mean(-1), known)


def shrink(frames: jax.Array) -> jax.Array:
    """Frames [B, H, W, C] at half their size, floats in 0..1."""
    batch, height, width, channels = frames.shape
    tiles = frames.astype(jnp.float32).reshape(batch, height // SMALL, SMALL, width // SMALL, SMALL, channels)
    return tiles.mean((2, 4)) / 255.0


def _decoders(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "reconstruct.state": (sum(sizes.latents.values()), HIDDEN, sizes.state)
    }
    for camera, (height, width, channels) in sizes.shapes.items():
        pixels = (height // SMALL) * (width // SMALL) * channels
        found[f"reconstruct.{camera}"] = (sizes.latents[camera], HIDDEN, HIDDEN, pixels)
    return found


METHODS = {
    "iql": Method(
        ("next",),
        lambda s: {
            "iql.v": (s.seen, HIDDEN, HIDDEN, 1),
            "iql.q1": (s.seen + s.action, HIDDEN, HIDDEN, 1),
            "iql.q2": (s.seen + s.action, HIDDEN, HIDDEN, 1),
        },
        iql,
    ),
    "reconstruct": Method((), _decoders, reconstruct),
    "contrastive": Method(("other",), lambda s: {"contrastive": (s.seen, HIDDEN, CODE)}, contrastive),
    "bc": Method((), lambda s: {"bc": (s.seen, HIDDEN, HIDDEN, s.action)}, bc),
    "truth": Method((), lambda s: {"truth": (s.seen, HIDDEN, s.truth)}, truth),
}


def _with(z: jax.Array, state: jax.Array) -> jax.Array:
    return jnp.concatenate([z, state], axis=-1)


def _unit(x: jax.Array) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.square(x).sum(-1, keepdims=True) + 1e-6)


def _mean_where(x: jax.Array, chosen: jax.Array) -> jax.Array:
    """The mean of the chosen ones; 0 when there are none."""
    return jnp.where(chosen, x, 0.0).sum() / jnp.maximum(chosen.sum(), 1)
