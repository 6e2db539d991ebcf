"""Training an encoder on a recording: chosen methods together, progress, held-out losses, a finished file."""

import dataclasses
import functools
import json
import logging
import time
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners.agents import augment, networks, optim
from sandlot.learners.agents.types import Adam, Params
from sandlot.learners.errors import ConfigError, WeightsError
from sandlot.perception.encoders.base import Encoder
from sandlot.perception.encoders.blobs import Blobs, find_colours
from sandlot.perception.encoders.file import HEAD_B, HEAD_W, TrainedEncoder, make_encoder
from sandlot.perception.pretrain import methods
from sandlot.perception.pretrain.data import Recording
from sandlot.perception.pretrain.methods import METHODS, Batch, Seen, Sizes

log = logging.getLogger(__name__)

MethodName = Literal["blobs", "iql", "reconstruct", "contrastive", "bc", "truth"]
BLOBS = "blobs"
LEAST_DEVIATION = 0.05
"""What varies by less than this share of what varies most is not blown up to a deviation of 1."""
ENCODE_AT_ONCE = 256
HELD_OUT_BATCHES = 4
PIXEL_DEVIATION = 0.02
"""Least deviation that a pixel's error is measured in: what never changes need not be exact."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """How to make an encoder.

    Attributes:
        method: what it is trained for: one or several of iql, reconstruct, contrastive, bc and truth
            together; or blobs, which finds colours and has nothing to train.
        encoder: the network, conv or resnet10; blobs is its own.
        settings: of the network, as a JSON object, e.g. {"filters": 32}.
        latent: numbers a camera that an env with this encoder observes.
        steps: gradient steps.
        batch_size: transitions in each.
        lr: Adam's step size; it falls to zero along half a cosine.
        shift_px: frames are moved at random by up to so many pixels.
        held_out: share of the episodes that is not trained on.
        seed: of everything random.
    """

    method: tuple[MethodName, ...] = ("blobs",)
    encoder: str = "conv"
    settings: str = "{}"
    latent: int = 32
    steps: int = 3000
    batch_size: int = 128
    lr: float = 1e-3
    shift_px: int = 1
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [name for name in self.method if name not in get_args(MethodName)]
        if unknown or not self.method or (BLOBS in self.method and len(self.method) > 1):
            raise ConfigError(
                f"--method {' '.join(self.method) or 'nothing'}: choose {BLOBS} alone, or from "
                f"{', '.join(METHODS)}"
            )
        if min(self.latent, self.steps, self.batch_size) < 1 or not 0 < self.held_out < 1 or self.lr <= 0:
            raise ConfigError(
                f"latent={self.latent}, steps={self.steps} and batch_size={self.batch_size} must be at "
                f"least 1, lr={self.lr:g} above 0 and held_out={self.held_out:g} between 0 and 1"
            )
        try:
            made = json.loads(self.settings)
        except ValueError as error:
            raise ConfigError(f"--settings {self.settings!r} is not JSON: {error}") from error
        if not isinstance(made, dict):
            raise ConfigError(
                f"--settings {self.settings!r} must be a JSON object, e.g. '{{\"filters\": 32}}'"
            )


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


class State(NamedTuple):
    """Weights, their slow average, and Adam's memory. Fixed weights have no memory."""

    params: Params
    target: Params
    opt: Adam


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
    plan = Plan(
        encoder, tuple(recording.shapes), tuple(config.method), config.lr, config.steps, config.shift_px
    )
    state = _init(jax.random.key(config.seed), recording, is_train, config, encoder)
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
            out = float(np.mean([_loss(state.params, state.target, b, plan=plan) for b in held]))
            if not np.isfinite(mean):
                raise WeightsError(
                    f"the loss is {mean} after {step} steps; try a smaller --lr than {config.lr:g}"
                )
            log.info(
                "event=pretrain step=%d of=%d loss=%.4f held_out_loss=%.4f", step, config.steps, mean, out
            )
            curve.append((step, mean, out))
            total = jnp.zeros(())
    weights = {
        camera: {
            k.removeprefix(f"{camera}/"): np.asarray(v)
            for k, v in state.params.items()
            if k.startswith(f"{camera}/")
        }
        for camera in recording.shapes
    }
    made = _standardised(recording, is_train, weights, config.encoder, encoder)
    return Trained(made, state.params, Report(curve, time.monotonic() - began_s))


def _init(
    key: jax.Array, recording: Recording, chosen: np.ndarray, config: PretrainConfig, encoder: Encoder
) -> State:
    """Fresh weights: CAMERA/NAME of encoders and latents, HEAD/NAME of the methods."""
    params: Params = {}
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
            params[f"mean/{camera}"] = jnp.asarray(small.mean(0))
            params[f"scale/{camera}"] = jnp.asarray(1.0 / np.maximum(small.std(0), PIXEL_DEVIATION))
    return State(params, jax.tree.map(jnp.copy, params), optim.init_adam(_moving(params)))


def _moving(params: Params) -> Params:
    """The weights that are trained."""
    return {k: v for k, v in params.items() if not k.startswith(("mean/", "scale/"))}


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
def _loss(params: Params, target: Params, batch: Batch, *, plan: Plan) -> jax.Array:
    return _total(params, target, batch, plan)


@functools.partial(jax.jit, static_argnames="plan", donate_argnums=0)
def _step(state: State, batch: Batch, key: jax.Array, *, plan: Plan) -> tuple[State, jax.Array]:
    """One gradient step; keeps the old weights when a gradient is not finite."""
    keys = jax.random.split(key, 3)
    shifted = [
        augment.shift_all(k, some, plan.shift_px)
        for k, some in zip(keys, (batch.frames, batch.next_frames, batch.other_frames), strict=True)
    ]
    moved = batch._replace(frames=shifted[0], next_frames=shifted[1], other_frames=shifted[2])
    fixed = {k: v for k, v in state.params.items() if k not in state.opt.mu}
    trained = {k: v for k, v in state.params.items() if k in state.opt.mu}
    loss, grads = jax.value_and_grad(lambda p: _total(p | fixed, state.target, moved, plan))(trained)
    done = state.opt.steps / plan.steps
    lr = plan.lr * 0.5 * (1.0 + jnp.cos(jnp.pi * done))
    trained, opt, ok = optim.adam_step(trained, grads, state.opt, lr=lr)
    params = trained | fixed
    return State(params, optim.average(state.target, params, 0.005, ok), opt), loss


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
    settings = {
        k: v for k, v in dataclasses.asdict(encoder).items() if k != "weights"
    }  # they are in here now
    return TrainedEncoder(name=name, settings=settings, shapes=recording.shapes, weights=scaled)
