"""Training an encoder on a recording: chosen methods together, progress, held-out losses, a finished file."""

import functools
import json
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from sandlot.learners.agents import augment, networks, optim
from sandlot.learners.agents.types import Adam, Params
from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.perception.encoders.base import Encoder
from sandlot.perception.encoders.blobs import Blobs, find_colours
from sandlot.perception.encoders.file import HEAD_B, HEAD_W, TrainedEncoder, make_encoder
from sandlot.perception.pretrain import methods
from sandlot.perception.pretrain.config import BLOBS, PretrainConfig
from sandlot.perception.pretrain.data import Recording
from sandlot.perception.pretrain.methods import METHODS, Batch, Seen, Sizes

log = logging.getLogger(__name__)

ALL = "all"
LEAST_DEVIATION = 0.05
"""What varies by less than this share of what varies most is not blown up to a deviation of 1."""
ENCODE_AT_ONCE = 256
HELD_OUT_BATCHES = 4
PIXEL_DEVIATION = 0.02
"""Least deviation that a pixel's error is measured in: what never changes need not be exact."""


class Report(NamedTuple):
    """What came of it: (step, training loss, held-out loss) along the way, and seconds."""

    curve: list[tuple[int, float, float]]
    seconds: float


class Trained(NamedTuple):
    """An encoder, all weights with the methods' own heads, and the report."""

    encoder: TrainedEncoder
    params: Params
    report: Report


class Plan(NamedTuple):
    """What the jitted step needs to know; hashable."""

    encoder: Encoder
    cameras: tuple[str, ...]
    method: tuple[str, ...]
    lr: float
    steps: int
    shift_px: int
    named: Callable[[jax.Array], Params]


class State(NamedTuple):
    """All trained weights as one vector, which compiles in a fraction of the time, and their slow average.

    `fixed` weights are not trained.
    """

    params: Params
    target: Params
    opt: Adam
    fixed: Params


def train(recording: Recording, config: PretrainConfig) -> Trained:
    """Trains an encoder and gives it with its heads standardised on the training frames.

    Raises:
        WeightsError: the loss was not finite.
    """
    if config.method == (BLOBS,):
        return _found_blobs(recording, config)
    if "truth" in config.method and not recording.truth_entries:
        raise ConfigError(
            "--method truth needs what a simulation knows; `sandlot pretrain collect` records it"
        )
    began_s = time.monotonic()
    encoder = make_encoder(config.encoder, json.loads(config.settings))
    is_train, is_held = recording.split(config.held_out, config.seed)
    state, named = _init(jax.random.key(config.seed), recording, is_train, config, encoder)
    plan = Plan(
        encoder,
        tuple(recording.shapes),
        tuple(config.method),
        config.lr,
        config.steps,
        config.shift_px,
        named,
    )
    rng = np.random.default_rng(config.seed)
    draw = functools.partial(_draw, recording, method=plan.method, size=config.batch_size, rng=rng)
    held = [draw(is_held) for _ in range(HELD_OUT_BATCHES)]
    curve: list[tuple[int, float, float]] = []
    every = max(1, config.steps // 20)
    total = jnp.zeros(())
    for step in range(1, config.steps + 1):
        state, loss = _step(state, draw(is_train), jax.random.key(rng.integers(2**31)), plan=plan)
        total += loss
        if step % every == 0:
            mean = float(total) / every
            out = float(np.mean([_loss(state, b, plan=plan) for b in held]))
            if not np.isfinite(mean):
                raise WeightsError(
                    f"the loss is {mean} after {step} steps; try a smaller --lr than {config.lr:g}"
                )
            log.info(
                "event=pretrain step=%d of=%d loss=%.4f held_out_loss=%.4f", step, config.steps, mean, out
            )
            curve.append((step, mean, out))
            total = jnp.zeros(())
    params = _weights(state, plan)
    weights = {
        camera: {
            k.removeprefix(f"{camera}/"): np.asarray(v)
            for k, v in params.items()
            if k.startswith(f"{camera}/")
        }
        for camera in recording.shapes
    }
    made = _standardised(recording, is_train, weights, config.encoder, encoder)
    return Trained(made, params, Report(curve, time.monotonic() - began_s))


def _init(
    key: jax.Array, recording: Recording, chosen: np.ndarray, config: PretrainConfig, encoder: Encoder
) -> tuple[State, Callable[[jax.Array], Params]]:
    """Fresh weights, CAMERA/NAME of encoders and HEAD/NAME of the methods, and what names a vector."""
    params: Params = {}
    fixed: Params = {}
    shapes = recording.shapes
    for camera, k in zip(shapes, jax.random.split(key, len(shapes)), strict=True):
        own = encoder.init(k, shapes[camera])
        size = encoder.size(shapes[camera])
        own[HEAD_W] = jax.random.normal(k, (size, config.latent)) / np.sqrt(size)
        own[HEAD_B] = jnp.zeros(config.latent)
        params |= {f"{camera}/{name}": jnp.asarray(array) for name, array in own.items()}
    sizes = Sizes(
        latents=dict.fromkeys(shapes, config.latent),
        state=recording.state.shape[1],
        action=recording.action.shape[1],
        truth=recording.truth.shape[1],
        shapes=shapes,
    )
    heads = {name: layers for m in config.method for name, layers in METHODS[m].heads(sizes).items()}
    for (name, layers), k in zip(heads.items(), jax.random.split(key, len(heads)), strict=True):
        made = networks.init_mlp(k, layers, layer_norm=True)
        params |= {f"{name}/{inner}": array for inner, array in made.items()}
    if "reconstruct" in config.method:
        for camera in shapes:
            small = np.asarray(methods.shrink(jnp.asarray(recording.frames[camera][chosen][::4])))
            fixed[f"mean/{camera}"] = jnp.asarray(small.mean(0))
            fixed[f"scale/{camera}"] = jnp.asarray(1.0 / np.maximum(small.std(0), PIXEL_DEVIATION))
    vector, named = jax.flatten_util.ravel_pytree(params)
    whole = {ALL: vector}
    return State(whole, {ALL: jnp.copy(vector)}, optim.init_adam(whole), fixed), named


def _weights(state: State, plan: Plan) -> Params:
    """All weights by name."""
    return plan.named(state.params[ALL]) | state.fixed


def _draw(
    recording: Recording, chosen: np.ndarray, *, method: tuple[str, ...], size: int, rng: np.random.Generator
) -> Batch:
    """A batch of transitions that begin in the chosen frames; half of them shown ones for cloning."""
    r = recording
    can = np.flatnonzero(chosen[r.obs])
    row = rng.choice(can, size)
    shown = can[r.shown[can]]
    if "bc" in method and len(shown):
        row[: size // 2] = rng.choice(shown, size // 2)
    at = r.obs[row]
    needs = {need for m in method for need in METHODS[m].needs}
    ahead = at + 1 if "next" in needs else at[:0]
    # frames of an episode lie side by side
    first, last = (
        np.searchsorted(r.episode, r.episode[at]),
        np.searchsorted(r.episode, r.episode[at], "right"),
    )
    other = rng.integers(first, last) if "other" in needs else at[:0]

    def frames(index: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[index] for name, array in r.frames.items()}

    return Batch(
        frames(at), r.state[at], r.action[row], r.reward[row], r.discount[row], r.shown[row], r.truth[at],
        frames(ahead), r.state[ahead], frames(other), r.state[other], r.episode[at],
    )  # fmt: skip


def encode(params: Params, frames: dict[str, Any], plan: Plan) -> dict[str, jax.Array]:
    """Latents [B, K] of each camera's frames."""
    found = {}
    for camera in plan.cameras:
        own = {k.removeprefix(f"{camera}/"): v for k, v in params.items() if k.startswith(f"{camera}/")}
        found[camera] = plan.encoder.apply(own, frames[camera]) @ own[HEAD_W] + own[HEAD_B]
    return found


def _total(params: Params, target: Params, batch: Batch, plan: Plan) -> jax.Array:
    """The sum of the methods' losses."""
    counts = [len(batch.state), len(batch.next_state), len(batch.other_state)]
    frames = {
        c: jnp.concatenate([batch.frames[c], batch.next_frames[c], batch.other_frames[c]])
        for c in plan.cameras
    }
    by_camera = encode(params, frames, plan)
    z = jnp.concatenate([by_camera[c] for c in plan.cameras], axis=-1)
    here, ahead, other = jnp.split(z, np.cumsum(counts)[:-1])
    seen = Seen(here, ahead, other, {c: v[: counts[0]] for c, v in by_camera.items()})
    losses = [METHODS[name].loss(params, target, seen, batch) for name in plan.method]
    return jnp.stack(losses).sum()


@functools.partial(jax.jit, static_argnames="plan")
def _loss(state: State, batch: Batch, *, plan: Plan) -> jax.Array:
    target = plan.named(state.target[ALL])
    return _total(_weights(state, plan), target, batch, plan)


@functools.partial(jax.jit, static_argnames="plan", donate_argnums=0)
def _step(state: State, batch: Batch, key: jax.Array, *, plan: Plan) -> tuple[State, jax.Array]:
    """One gradient step; keeps the old weights when a gradient is not finite."""
    target = plan.named(state.target[ALL])
    moved = _shifted(key, batch, plan.shift_px)

    def total(params: Params) -> jax.Array:
        return _total(plan.named(params[ALL]) | state.fixed, target, moved, plan)

    loss, grads = jax.value_and_grad(total)(state.params)
    lr = plan.lr * 0.5 * (1.0 + jnp.cos(jnp.pi * state.opt.steps / plan.steps))
    params, opt, ok = optim.adam_step(state.params, grads, state.opt, lr=lr)
    return State(params, optim.average(state.target, params, 0.005, ok), opt, state.fixed), loss


def _shifted(key: jax.Array, batch: Batch, pad_px: int) -> Batch:
    """The batch with every frame moved at random."""
    if not pad_px:
        return batch
    keys = jax.random.split(key, 3)
    names = [
        n for n in ("frames", "next_frames", "other_frames") if all(map(len, getattr(batch, n).values()))
    ]
    moved = {n: augment.shift_all(k, getattr(batch, n), pad_px) for n, k in zip(names, keys, strict=False)}
    return batch._replace(**moved)


def _found_blobs(recording: Recording, config: PretrainConfig) -> Trained:
    """An encoder of the recording's colours; there is no loss, and no random shift to be robust to."""
    began_s = time.monotonic()
    encoder = Blobs(**json.loads(config.settings))
    is_train, _ = recording.split(config.held_out, config.seed)
    rng = np.random.default_rng(config.seed)
    weights = {}
    for camera, frames in recording.frames.items():
        size = encoder.size(recording.shapes[camera])
        colours = find_colours(frames[is_train], encoder, rng)
        weights[camera] = {"colour": colours, HEAD_W: np.eye(size), HEAD_B: np.zeros(size)}
    made = _standardised(recording, is_train, weights, BLOBS, encoder)
    return Trained(made, {}, Report([], time.monotonic() - began_s))


def _standardised(
    recording: Recording,
    chosen: np.ndarray,
    weights: dict[str, dict[str, np.ndarray]],
    name: str,
    encoder: Encoder,
) -> TrainedEncoder:
    """The encoder alone, each number that it gives with mean 0 and deviation 1 over the chosen frames."""
    scaled = {}
    for camera, own in weights.items():
        frames = recording.frames[camera][chosen]
        parts = np.array_split(frames, -(-len(frames) // ENCODE_AT_ONCE))
        z = np.concatenate([encoder.apply_numpy(own, part) for part in parts]) @ own[HEAD_W]
        deviation = np.maximum(z.std(0), LEAST_DEVIATION * z.std(0).max() + 1e-9)
        head = {HEAD_W: own[HEAD_W] / deviation, HEAD_B: -z.mean(0) / deviation}
        scaled[camera] = {k: np.ascontiguousarray(v, np.float32) for k, v in (own | head).items()}
    settings = {k: v for k, v in vars(encoder).items() if k != "weights"}  # they are in here now
    return TrainedEncoder(name=name, settings=settings, shapes=recording.shapes, weights=scaled)
