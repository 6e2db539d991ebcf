"""The classifier's network in JAX: an encoder a camera, one hidden layer, a logit a class."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sandlot.learners.agents import optim
from sandlot.learners.agents.augment import random_shift
from sandlot.learners.agents.types import Adam
from sandlot.perception.classifier.model import Shape, part

Params = dict[str, jax.Array]
Images = dict[str, jax.Array]
AVERAGE = 0.01
"""How far a step moves the mean of the weights; the first ones move it further."""


class Learning(NamedTuple):
    """Weights, their moving mean, which judges steadier than they do, and the optimiser's memory."""

    params: Params
    mean: Params
    adam: Adam


def begin(params: Params) -> Learning:
    """The start from these weights."""
    return Learning(params, params, optim.init_adam(params))


def init(key: jax.Array, encoder: Any, cameras: dict[str, Shape], hidden: int, classes: int) -> Params:
    """Fresh weights, named as in a classifier file; every class is as likely as the others at first."""
    *keys, last = jax.random.split(key, len(cameras) + 1)
    params: Params = {}
    for one, (camera, shape) in zip(keys, sorted(cameras.items()), strict=True):
        params |= {f"{camera}/{name}": array for name, array in encoder.init(one, shape).items()}
    features = sum(encoder.size(shape) for shape in cameras.values())
    params["head/w0"] = jax.random.normal(last, (features, hidden)) * jnp.sqrt(2.0 / features)
    params["head/b0"] = jnp.zeros(hidden)
    params["head/w1"] = jnp.zeros((hidden, classes))
    params["head/b1"] = jnp.zeros(classes)
    return params


def logits(params: Params, images: Images, encoder: Any, cameras: tuple[str, ...]) -> jax.Array:
    """Logits [B, K] of frames [B, H, W, C] of each camera, in 0..255; `cameras` in alphabetical order."""
    seen = [encoder.apply(part(params, camera), images[camera]) for camera in cameras]
    hidden = jnp.concatenate(seen, 1) @ params["head/w0"] + params["head/b0"]
    return jax.nn.relu(hidden) @ params["head/w1"] + params["head/b1"]


def augment(key: jax.Array, images: Images, pad_px: int, light: float) -> Images:
    """Each frame shifted by up to `pad_px`, brighter or darker and with more or less contrast by `light`."""
    changed = {}
    for one, (camera, frames) in zip(jax.random.split(key, len(images)), sorted(images.items()), strict=True):
        shift, gain, offset = jax.random.split(one, 3)
        moved = random_shift(shift, frames.astype(jnp.float32), pad_px)
        size = (frames.shape[0], 1, 1, 1)
        contrast = jax.random.uniform(gain, size, minval=1.0 - light, maxval=1.0 + light)
        bright = jax.random.uniform(offset, size, minval=-light, maxval=light) * 128.0
        changed[camera] = jnp.clip(moved * contrast + bright, 0.0, 255.0)
    return changed


@functools.partial(jax.jit, static_argnames=("encoder", "cameras", "lr", "decay", "pad_px", "light"))
def update(
    state: Learning,
    key: jax.Array,
    images: Images,
    labels: jax.Array,
    *,
    encoder: Any,
    cameras: tuple[str, ...],
    lr: float,
    decay: float,
    pad_px: int,
    light: float,
) -> tuple[Learning, jax.Array]:
    """One gradient step on frames uint8 [B, H, W, C] with labels [B]; also returns the loss before it."""
    seen = augment(key, images, pad_px, light)

    def loss_of(params: Params) -> jax.Array:
        log_p = jax.nn.log_softmax(logits(params, seen, encoder, cameras))
        return -jnp.take_along_axis(log_p, labels[:, None], 1).mean()

    loss, grads = jax.value_and_grad(loss_of)(state.params)
    params, adam, ok = optim.adam_step(state.params, grads, state.adam, lr=lr)
    # decoupled weight decay (Loshchilov & Hutter 2019): a few hundred frames are soon learned by heart
    keep = 1.0 - lr * decay * ok.astype(jnp.float32)
    params = {name: array * keep for name, array in params.items()}
    return Learning(params, nearer(state.mean, params, adam.steps, ok), adam), loss


def nearer(mean: Params, params: Params, steps: jax.Array, ok: jax.Array) -> Params:
    """The moving mean of weights after so many steps, if `ok`."""
    tau = jnp.maximum(AVERAGE, 1.0 / jnp.maximum(1, steps))
    return {name: jnp.where(ok, old + tau * (params[name] - old), old) for name, old in mean.items()}


@functools.partial(jax.jit, static_argnames=("encoder", "cameras"))
def answer(params: Params, images: Images, *, encoder: Any, cameras: tuple[str, ...]) -> jax.Array:
    """Logits [B, K] of frames as they are."""
    return logits(params, images, encoder, cameras)
