"""The losses of SAC and RLPD, each a pure function of weights and one minibatch [B, ..]."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from sandlot.learners.agents import networks
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Params, Transition


def draw_subset(key: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Indices of the `n_min` target critics that count this time, int32 [n_min]."""
    if cfg.subset_with_replacement:
        return jax.random.randint(key, (cfg.n_min,), 0, cfg.n_critics)
    return jax.random.permutation(key, cfg.n_critics)[: cfg.n_min]


def td_target(
    batch: Transition, next_q: jax.Array, next_logp: jax.Array, temp: jax.Array, cfg: AgentConfig
) -> jax.Array:
    """What the critics should say, [B].

    Args:
        batch: reward and discount [B].
        next_q: the drawn target critics at next_obs, [n_min, B].
        next_logp: log density of the next actions, [B].
        temp: entropy temperature.
        cfg: gamma and the two entropy switches.
    """
    worth = next_q.min(axis=0)
    discount = cfg.gamma * batch.discount
    if not cfg.entropy_backup:
        return batch.reward + discount * worth
    if cfg.unmasked_entropy_backup:
        return batch.reward + discount * worth - temp * next_logp
    return batch.reward + discount * (worth - temp * next_logp)


def actor_loss(
    actor: Params,
    *,
    value: Callable[[jax.Array, jax.Array], jax.Array],
    neck: Params,
    obs: dict[str, Any],
    complete: Callable[[jax.Array], jax.Array] = lambda action: action,
    noise: jax.Array,
    temp: jax.Array,
    cfg: AgentConfig,
) -> tuple[jax.Array, jax.Array]:
    """Mean of temp * log pi - Q, and the policy's entropy estimate on this batch.

    `value` is what every critic says of state and action, [E, B]; `neck` is their bottleneck, empty without
    cameras. `complete` adds to an action what the policy itself does not decide.
    """
    action, logp = networks.sample(actor, obs, noise, cfg)
    q = value(networks.inputs(neck, obs), complete(action))
    worth = q.mean(axis=0) if cfg.actor_reduce == "mean" else q.min(axis=0)
    return (temp * logp - worth).mean(), -logp.mean()


def temperature_loss(log_temp: jax.Array, entropy: jax.Array, goal: float) -> jax.Array:
    """Falls when the temperature falls while the policy's entropy is above its goal (nats)."""
    return jnp.exp(log_temp) * (entropy - goal)
