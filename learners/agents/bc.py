"""Cloning: the policy imitates the batch's actions. What is in a batch makes it one of two agents.

`bc` clones demonstrations, and does not practise.

`hg_dagger` begins as that clone, then plays while a person watches, and goes on cloning demonstrations and
the steps that the person corrected; never a step of its own. That is HG-DAgger (Kelly et al. 2019,
1810.02890): there a novice plays, an expert takes over when they see fit and gives back, only what the expert
did while they drove is added to the data, and the novice is trained anew on all of it after each round of
play. Here it learns on without rounds. The paper's novice is an ensemble whose disagreement, its doubt, is
compared with the doubt at which experts took over, for an estimate of risk; that part of it is not here.
"""

import functools

import jax
import jax.numpy as jnp

from sandlot.learners.agents import networks, optim, vision
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Adam, AgentState, Info, Params, Transition

EDGE = 1.0 - 1e-6
"""Actions are pulled this far inside (-1, 1): tanh never reaches its ends."""


def loss(actor: Params, batch: Transition, keep: list[jax.Array] | None, cfg: AgentConfig) -> jax.Array:
    """Negative log-likelihood of the batch's actions, or squared distance of the policy's mode to them."""
    mean, log_std = networks.actor_output(actor, networks.inputs(actor, batch.obs), cfg, keep)
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
    frames = vision.shifted(jax.random.fold_in(key, 3), batch, cfg)[0] if state.vision else {}

    def loss_of(weights: Params) -> jax.Array:
        if state.vision is None:
            return loss(weights, batch, keep, cfg)
        features = vision.encode({**state.vision.encoder, **weights}, frames, cfg)
        obs = {"state": batch.obs["state"], "features": features}
        return loss(weights, batch._replace(obs=obs), keep, cfg)

    weights, opt = together(state, cfg)
    value, grads = jax.value_and_grad(loss_of)(weights)
    weights, opt, ok = optim.adam_step(weights, grads, opt, lr=cfg.actor_lr, warmup=cfg.lr_warmup_steps)
    info = {"actor_loss": value, "skipped": (~ok).astype(jnp.int32)}
    return apart(state, weights, opt)._replace(step=state.step + 1), info


def together(state: AgentState, cfg: AgentConfig) -> tuple[Params, Adam]:
    """The weights of the policy and of what it sees with, and Adam's memory of both."""
    opt = state.actor_opt
    if state.vision is None:
        return state.actor, opt
    weights = {**state.actor, **vision.trained(state.vision, cfg)}
    return weights, Adam(opt.steps, {**opt.mu, **state.vision.mu}, {**opt.nu, **state.vision.nu})


def apart(state: AgentState, weights: Params, opt: Adam) -> AgentState:
    """The reverse of `together`: the state with these weights."""
    actor, mu, nu = ({name: part[name] for name in state.actor} for part in (weights, opt.mu, opt.nu))
    state = state._replace(actor=actor, actor_opt=Adam(opt.steps, mu, nu))
    if state.vision is None:
        return state
    sight = state.vision
    encoder = {name: weights.get(name, array) for name, array in sight.encoder.items()}
    mu, nu = ({name: part[name] for name in sight.mu} for part in (opt.mu, opt.nu))
    return state._replace(vision=sight._replace(encoder=encoder, mu=mu, nu=nu))


def dropout_masks(key: jax.Array, samples: int, cfg: AgentConfig) -> list[jax.Array]:
    """One mask [B, H] for each hidden layer, divided by the chance to keep."""
    chance = 1.0 - cfg.bc_dropout
    keys = jax.random.split(key, len(cfg.actor_hidden))
    pairs = zip(keys, cfg.actor_hidden, strict=True)
    return [jax.random.bernoulli(k, chance, (samples, width)) / chance for k, width in pairs]
