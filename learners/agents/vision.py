"""How an agent sees: an encoder for each camera, and the critics' bottleneck behind it.

frames [B, H, W, C] -> encoder -> features [B, F] -> bottleneck (dense, LayerNorm, tanh) -> [B, L], for each
camera; side by side and before the state they are what an MLP reads (`networks.inputs`). The critics'
gradient trains encoders and their own bottleneck. The policy has another bottleneck (in its own weights) on
features that pass no gradient. There is one encoder for obs and next_obs, and for the targets too; only the
bottleneck has a moving average. That spares a forward pass of every frame (as in DrQ-v2, Yarats et al. 2021,
2107.09645), and the policy always reads the features that it was trained on.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from sandlot.learners import plugins
from sandlot.learners.agents import augment, networks, optim
from sandlot.learners.agents.config import CLONES, AgentConfig
from sandlot.learners.agents.types import Params, Transition, Vision
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import EnvSpec
from sandlot.learners.sight import encoder_of


class Look(NamedTuple):
    """One minibatch as it is seen by an encoder."""

    batch: Transition  # with "features" {camera: [B, F]} in obs and next_obs, and no images
    seen: jax.Array  # what the critics read at obs, [B, I]
    back: Callable[[jax.Array], Params]  # from the gradient of `seen` to the trained weights'


def init(key: jax.Array, spec: EnvSpec, cfg: AgentConfig) -> Vision | None:
    """Fresh encoders, or those of a file, and the critics' bottleneck; None for a spec without cameras.

    Raises:
        ConfigError: a file is named although no frames are observed.
        SandlotError: the file is none, or does not fit these encoders and cameras; says why.
    """
    if not spec.images:
        if cfg.encoder_init:
            raise ConfigError(
                f"--agent.encoder-init is {cfg.encoder_init}, but the agent observes no frames; name cameras "
                "and leave --encoder out, or leave this out"
            )
        return None
    encoder = encoder_of(cfg)
    start = plugins.load("weights", "encoder")(cfg, encoder, spec.images) if cfg.encoder_init else {}
    key_neck, *keys = jax.random.split(key, 1 + len(spec.images))
    weights = {
        # a weakly typed array would be a strong one after the first update, which then compiles anew
        f"{networks.ENCODER}.{camera}.{name}": jnp.asarray(array, jnp.float32)
        for camera, k in zip(sorted(spec.images), keys, strict=True)
        for name, array in (start.get(camera) or encoder.init(k, spec.images[camera])).items()
    }
    neck = {} if cfg.algo in CLONES else init_neck(key_neck, spec, cfg)
    fresh = Vision(weights, neck, jax.tree.map(jnp.copy, neck), {}, {})
    zeros = optim.init_adam(trained(fresh, cfg))
    return fresh._replace(mu=zeros.mu, nu=zeros.nu)


def init_neck(key: jax.Array, spec: EnvSpec, cfg: AgentConfig) -> Params:
    """A bottleneck from every camera's features; empty without cameras."""
    found: Params = {}
    for camera, k in zip(sorted(spec.images), jax.random.split(key, max(1, len(spec.images))), strict=False):
        size = encoder_of(cfg).size(spec.images[camera]) * cfg.frame_stack
        mlp = networks.init_mlp(k, (size, cfg.latent), layer_norm=False)
        front = f"{networks.BOTTLENECK}.{camera}"
        found |= {f"{front}.w": mlp["w_out"], f"{front}.b": mlp["b_out"]}
        found |= {f"{front}.scale": jnp.ones(cfg.latent), f"{front}.shift": jnp.zeros(cfg.latent)}
    return found


def input_size(spec: EnvSpec, cfg: AgentConfig) -> int:
    """How many numbers an MLP reads."""
    return spec.state_size + cfg.latent * len(spec.images)


def trained(vision: Vision, cfg: AgentConfig) -> Params:
    """The weights that the critics' gradient moves; an encoder may say which of its own `trains`."""
    if cfg.encoder_frozen:
        return vision.neck
    trains = getattr(encoder_of(cfg), "trains", lambda name: True)
    moving = {name: a for name, a in vision.encoder.items() if trains(name.rpartition(".")[2])}
    return {**moving, **vision.neck}


def shifted(key: jax.Array, batch: Transition, cfg: AgentConfig) -> tuple[Params, Params]:
    """The frames of obs and next_obs by camera, each shifted at random by itself."""
    key_obs, key_next = jax.random.split(key)
    return tuple(
        augment.shift_all(k, obs["images"], cfg.augment_px)
        for k, obs in ((key_obs, batch.obs), (key_next, batch.next_obs))
    )  # type: ignore[return-value]


def encode(weights: Params, frames: Params, cfg: AgentConfig) -> Params:
    """Features [B, F] of every camera's frames [B, H, W, C].

    A stack's frames [B, K, H, W, C] are encoded one by one, their features side by side: [B, K * F].
    """
    encoder, features = encoder_of(cfg), {}
    for camera, views in frames.items():
        one_by_one = views.reshape(-1, *views.shape[-3:])
        features[camera] = encoder.apply(networks.of(weights, camera), one_by_one).reshape(len(views), -1)
    return features


def look(vision: Vision, batch: Transition, key: jax.Array, cfg: AgentConfig) -> Look:
    """Shifts and encodes a minibatch, each frame once, ready for the critics' gradient."""
    frames, next_frames = shifted(key, batch, cfg)

    def see(weights: Params) -> tuple[jax.Array, Params]:
        obs = {
            "state": batch.obs["state"],
            "features": encode({**vision.encoder, **weights}, frames, cfg),
        }
        return networks.inputs(weights, obs), obs["features"]

    seen, back, features = jax.vjp(see, trained(vision, cfg), has_aux=True)
    shown = _shown(batch, features, encode(vision.encoder, next_frames, cfg))
    return Look(shown, seen, lambda gradient: back(gradient)[0])


def encoded(vision: Vision | None, batch: Transition, key: jax.Array, cfg: AgentConfig) -> Transition:
    """The minibatch with features instead of frames; as it is for an agent that observes no camera."""
    if vision is None:
        return batch
    return _shown(batch, *(encode(vision.encoder, frames, cfg) for frames in shifted(key, batch, cfg)))


def move(
    vision: Vision, grads: Params, cfg: AgentConfig, *, size: jax.Array, root: jax.Array, ok: jax.Array
) -> Vision:
    """The weights after Adam's step, and the bottleneck's target behind them."""
    new, mu, nu = optim.apply(trained(vision, cfg), grads, vision.mu, vision.nu, size=size, root=root, ok=ok)
    neck = {name: new[name] for name in vision.neck}
    encoder = {name: new.get(name, array) for name, array in vision.encoder.items()}
    return Vision(encoder, neck, optim.average(vision.target, neck, cfg.tau, ok), mu, nu)


def _shown(batch: Transition, here: Params, there: Params) -> Transition:
    return batch._replace(
        obs={"state": batch.obs["state"], "features": here},
        next_obs={"state": batch.next_obs["state"], "features": there},
    )
