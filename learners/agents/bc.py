"""Behaviour cloning: the policy imitates the batch's actions."""

import functools

import jax
import jax.numpy as jnp

from sandlot.learners.agents import networks, optim
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import AgentState, Info, Params, Transition

EDGE = 1.0 - 1e-6
"""Actions are pulled this far inside (-1, 1): tanh never reaches its ends."""


def loss(actor: Params, batch: Transition, keep: list[jax.Array] | None, cfg: AgentConfig) -> jax.Array:
    """Negative log-likelihood of the batch's actions, or squared distance of the policy's mode to them."""
    mean, log_std = networks.actor_output(actor, batch.obs["state"], cfg, keep)
    if cfg.bc_loss == "mse":
        return jnp.square(jnp.tanh(mean) - batch.action).mean()
    # a policy that copies exactly would have infinite density, hence the floor of 0.01
    log_std = jnp.maximum(log_std, jnp.log(0.01))
    raw = jnp.arctanh(jnp.clip(batch.action, -EDGE, EDGE))
    noise = (raw - mean) * jnp.exp(-log_std)
    return -networks.squash(mean, log_std, noise)[1].mean()


def update(state: AgentState, batches: Transition, cfg: AgentConfig) -> tuple[AgentState, Info]:
    """U gradient steps of the policy on minibatches [U, B]."""
    key, rng = jax.random.split(jax.random.wrap_key_data(state.rng))
    keys = jax.random.split(key, batches.reward.shape[0])
    step = functools.partial(one_step, cfg=cfg)
    state, infos = jax.lax.scan(step, state._replace(rng=jax.random.key_data(rng)), (batches, keys))
    return state, {"actor_loss": infos["actor_loss"].mean(), "skipped": infos["skipped"].sum()}


def one_step(state: AgentState, inputs: tuple, *, cfg: AgentConfig) -> tuple[AgentState, Info]:
    """One gradient step; nothing moves when it is not finite."""
    batch, key = inputs
    keep = dropout_masks(key, batch.reward.shape[0], cfg) if cfg.bc_dropout else None
    value, grads = jax.value_and_grad(loss)(state.actor, batch, keep, cfg)
    actor, opt, ok = optim.adam_step(
        state.actor, grads, state.actor_opt, lr=cfg.actor_lr, warmup=cfg.lr_warmup_steps
    )
    info = {"actor_loss": value, "skipped": (~ok).astype(jnp.int32)}
    return state._replace(actor=actor, actor_opt=opt, step=state.step + 1), info


def dropout_masks(key: jax.Array, samples: int, cfg: AgentConfig) -> list[jax.Array]:
    """One mask [B, H] for each hidden layer, divided by the chance to keep."""
    chance = 1.0 - cfg.bc_dropout
    keys = jax.random.split(key, len(cfg.actor_hidden))
    pairs = zip(keys, cfg.actor_hidden, strict=True)
    return [jax.random.bernoulli(k, chance, (samples, width)) / chance for k, width in pairs]
