"""The policy and the critics as plain functions of a dict of weights; shapes are given as [batch, features].

E = critics, B = samples, S = state numbers, A = action numbers, H = hidden units.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp

from sandlot.learners import limit
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Params
from sandlot.learners.limit import limit_of

LAYER_NORM_EPS = 1e-6
ENCODER, BOTTLENECK = "encoder", "bottleneck"
"""Weights that see are named `encoder.<camera>.<name>` and `bottleneck.<camera>.<w, b, scale, shift>`."""


def init_mlp(
    key: jax.Array,
    sizes: tuple[int, ...],
    *,
    layer_norm: bool,
    ensemble: int | None = None,
    shared_head: bool = False,
) -> Params:
    """Xavier-uniform weights for the layers `sizes`; with `ensemble`, every array gains a leading axis [E].

    With `shared_head` all members start from, and keep, one output layer without that axis.
    """
    lead = () if ensemble is None else (ensemble,)
    params: Params = {}
    last = len(sizes) - 2
    for i, (key_i, fan_in, fan_out) in enumerate(
        zip(jax.random.split(key, last + 1), sizes[:-1], sizes[1:], strict=True)
    ):
        name, front = ("_out", () if shared_head else lead) if i == last else (str(i), lead)
        bound = math.sqrt(6.0 / (fan_in + fan_out))
        params[f"w{name}"] = jax.random.uniform(key_i, (*front, fan_in, fan_out), jnp.float32, -bound, bound)
        params[f"b{name}"] = jnp.zeros((*front, fan_out))
        if layer_norm and i < last:
            params[f"scale{name}"] = jnp.ones((*front, fan_out))
            params[f"shift{name}"] = jnp.zeros((*front, fan_out))
    return params


def init_actor(key: jax.Array, input_size: int, action_size: int, cfg: AgentConfig) -> Params:
    """Weights of the policy: its output is mean and log standard deviation side by side, [.., 2 A]."""
    sizes = (input_size, *cfg.actor_hidden, 2 * action_size)
    params = init_mlp(key, sizes, layer_norm=cfg.actor_layer_norm)
    return params | ({limit.WEIGHT: jnp.full((1,), limit.FIRST)} if limit_of(cfg) else {})


def init_critics(key: jax.Array, input_size: int, action_size: int, cfg: AgentConfig) -> Params:
    """Weights of the whole ensemble, leading axis [E]."""
    sizes = (input_size + action_size, *cfg.critic_hidden, max(1, cfg.atoms))
    return init_mlp(
        key, sizes, layer_norm=cfg.critic_layer_norm, ensemble=cfg.n_critics, shared_head=cfg.shared_q_head
    )


def of(params: Params, camera: str) -> Params:
    """The weights of a camera's encoder by the encoder's own names."""
    front = f"{ENCODER}.{camera}."
    return {name.removeprefix(front): array for name, array in params.items() if name.startswith(front)}


def inputs(params: Params, obs: dict[str, Any]) -> jax.Array:
    """What an MLP reads at obs: all cameras' features through the bottleneck in `params`, then the state.

    Without `obs["features"]` ({camera: [.., F]}) that is the state alone.
    """
    if "features" not in obs:
        return obs["state"]
    seen = []
    for camera in sorted(obs["features"]):
        w, b, scale, shift = (
            params[f"{BOTTLENECK}.{camera}.{part}"] for part in ("w", "b", "scale", "shift")
        )
        seen.append(jnp.tanh(normalise(obs["features"][camera] @ w + b, scale, shift)))
    return jnp.concatenate([*seen, obs["state"]], axis=-1)


def own_size(actor: Params) -> int:
    """How many numbers of an action the policy itself decides."""
    return actor["b_out"].shape[-1] // 2


def hidden_count(params: Params) -> int:
    """How many hidden layers a dict of weights holds."""
    return sum(name[0] == "w" for name in params) - 1


def activate(x: jax.Array, activation: str) -> jax.Array:
    """ReLU or tanh."""
    return jax.nn.relu(x) if activation == "relu" else jnp.tanh(x)


def normalise(x: jax.Array, scale: jax.Array, shift: jax.Array) -> jax.Array:
    """LayerNorm over the last axis."""
    mean = x.mean(-1, keepdims=True)
    centred = x - mean
    return (
        centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + LAYER_NORM_EPS) * scale + shift
    )


def actor_output(
    params: Params, state: jax.Array, cfg: AgentConfig, keep: list[jax.Array] | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mean and log standard deviation before tanh, each [.., A].

    Args:
        params: the policy's weights.
        state: [.., S].
        cfg: activation and limits of the log standard deviation.
        keep: dropout masks of the hidden layers, already divided by the chance to keep; None for no dropout.
    """
    mean, log_std = jnp.split(mlp(params, state, cfg, keep), 2, axis=-1)
    return mean, jnp.clip(log_std, cfg.log_std_min, cfg.log_std_max)


def mlp(params: Params, x: jax.Array, cfg: AgentConfig, keep: list[jax.Array] | None = None) -> jax.Array:
    """One network's last layer, [.., outputs], for inputs [.., I]; `keep` as in `actor_output`."""
    for i in range(hidden_count(params)):
        x = x @ params[f"w{i}"] + params[f"b{i}"]
        if f"scale{i}" in params:
            x = normalise(x, params[f"scale{i}"], params[f"shift{i}"])
        x = activate(x, cfg.activation)
        x = x if keep is None else x * keep[i]
    return x @ params["w_out"] + params["b_out"]


def sample(
    actor: Params, obs: dict[str, Any], noise: jax.Array, cfg: AgentConfig
) -> tuple[jax.Array, jax.Array]:
    """The policy's action [B, A] at obs for this standard normal noise, and its log density [B]."""
    action, logp = squash(*actor_output(actor, inputs(actor, obs), cfg), noise)
    arch = limit_of(cfg)
    if arch is None:
        return action, logp
    highest = limit.ceiling(jnp, actor[limit.WEIGHT], obs["state"], arch)
    # entropy is no reason to let it go faster
    return limit.below(jnp, action, highest), logp + limit.log_squeeze(jnp, jax.lax.stop_gradient(highest))


def squash(mean: jax.Array, log_std: jax.Array, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Action tanh(mean + std * noise) [.., A] and its log density [..]."""
    raw = mean + jnp.exp(log_std) * noise
    gauss = -0.5 * jnp.square(noise) - log_std - 0.5 * math.log(2 * math.pi)
    return jnp.tanh(raw), (gauss - log_tanh_slope(raw)).sum(-1)


def log_tanh_slope(raw: jax.Array) -> jax.Array:
    """log(1 - tanh(raw)^2), written so that it neither overflows nor rounds to log 0."""
    return 2.0 * (math.log(2.0) - raw - jax.nn.softplus(-2.0 * raw))


def q_values(params: Params, state: jax.Array, action: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Every critic's value of state [B, S] and action [B, A]: [E, B]."""
    return q_of(params, jnp.concatenate([state, action], axis=-1), cfg)


def q_of(params: Params, x: jax.Array, cfg: AgentConfig) -> jax.Array:
    """The same for state and action side by side, [B, S + A]."""
    return outputs_of(params, x, cfg)[..., 0]


def outputs_of(params: Params, x: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Every critic's last layer, [E, B, 1], or [E, B, N] where returns have a distribution over N atoms."""
    for i in range(hidden_count(params)):
        x = jnp.matmul(x, params[f"w{i}"]) + params[f"b{i}"][:, None]
        if f"scale{i}" in params:
            x = normalise(x, params[f"scale{i}"][:, None], params[f"shift{i}"][:, None])
        x = activate(x, cfg.activation)
    bias = params["b_out"] if params["b_out"].ndim == 1 else params["b_out"][:, None]
    return jnp.matmul(x, params["w_out"]) + bias
