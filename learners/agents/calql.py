"""Cal-QL: pretraining that keeps the value of unseen actions low, never below what was really returned."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from sandlot.learners.agents import networks
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Params, Transition


def sample_many(actor: Params, obs: dict[str, Any], key: jax.Array, cfg: AgentConfig, size: int) -> tuple:
    """`cql_actions` policy actions for each of B obs: actions [N, B, A] and log densities [N, B]."""
    state = networks.inputs(actor, obs)
    noise = jax.random.normal(key, (cfg.cql_actions, state.shape[0], size))
    return networks.squash(*networks.actor_output(actor, state, cfg), noise)


def many_q(critic: Params, state: jax.Array, actions: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Every critic's value of actions [N, B, A] at state [B, S]: [E, N, B]."""
    n, b, size = actions.shape
    states = jnp.broadcast_to(state, (n, *state.shape)).reshape(n * b, -1)
    return networks.q_values(critic, states, actions.reshape(n * b, size), cfg).reshape(-1, n, b)


def penalty(
    critic: Params, seen: jax.Array, *, actor: Params, batch: Transition, key: jax.Array, cfg: AgentConfig
) -> jax.Array:
    """Sum of alpha * (log-sum-exp of Q over samples - Q of the data's action), over E_all * B.

    The samples are uniform, the policy's at obs and the policy's at next_obs, `cql_actions` of each; all are
    valued at obs, of which the critics read `seen` [B, I]. With `calibrate`, the policy's values count as at
    least the Monte-Carlo return.
    """
    size = batch.action.shape[-1]
    key_u, key_a, key_n = jax.random.split(key, 3)
    uniform = jax.random.uniform(key_u, (cfg.cql_actions, *batch.action.shape), minval=-1.0, maxval=1.0)
    here, logp_here = sample_many(actor, batch.obs, key_a, cfg, size)
    there, logp_there = sample_many(actor, batch.next_obs, key_n, cfg, size)
    q = many_q(critic, seen, jnp.concatenate([uniform, here, there]), cfg)  # [E, 3N, B]
    if cfg.calibrate:
        q = jnp.concatenate(
            [q[:, : cfg.cql_actions], jnp.maximum(q[:, cfg.cql_actions :], batch.mc_return)], axis=1
        )
    if cfg.cql_importance:
        flat = jnp.full_like(logp_here, -size * math.log(2.0))  # density of uniform actions in [-1, 1]^A
        q = q - jnp.concatenate([flat, logp_here, logp_there])
    data_q = networks.q_values(critic, seen, batch.action, cfg)
    gap = jax.nn.logsumexp(q, axis=1) - math.log(q.shape[1]) - data_q  # [E, B]
    return cfg.cql_alpha * gap.sum() / (cfg.n_critics * gap.shape[1])


def best_next(
    drawn: Params, seen: jax.Array, *, actor: Params, batch: Transition, key: jax.Array, cfg: AgentConfig
) -> tuple:
    """The best of `cql_actions` next actions, values [n_min, B] and log density [B]; critics read `seen`."""
    actions, logp = sample_many(actor, batch.next_obs, key, cfg, batch.action.shape[-1])
    q = many_q(drawn, seen, actions, cfg)  # [n_min, N, B]
    best = q.min(axis=0).argmax(axis=0)  # [B]
    rows = jnp.arange(best.shape[0])
    return q[:, best, rows], logp[best, rows]
