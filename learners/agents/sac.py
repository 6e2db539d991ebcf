"""SAC and RLPD: one update ratio's worth of critic steps as one scan, then one step of the policy."""

import functools

import jax
import jax.numpy as jnp

from sandlot.learners.agents import calql, losses, networks, optim
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import AgentState, Info, Transition


def update(
    state: AgentState, batches: Transition, cfg: AgentConfig, *, offline: bool
) -> tuple[AgentState, Info]:
    """U critic steps on minibatches [U, B]; the policy and the temperature step when `cfg` says.

    While no policy step falls inside the scan, all next actions are sampled before it, in one large product.
    """
    key, rng = jax.random.split(jax.random.wrap_key_data(state.rng))
    keys = jax.random.split(key, batches.reward.shape[0] + 1)
    acts_at_end = cfg.actor_every == 0 and not cfg.zero_grad_actor_steps
    ready = sample_next(state, batches, keys[:-1], cfg) if acts_at_end and not offline else None
    step = functools.partial(one_step, cfg=cfg, offline=offline)
    state, infos = jax.lax.scan(
        step, state._replace(rng=jax.random.key_data(rng)), (batches, keys[:-1], ready)
    )
    skipped = infos.pop("skipped").sum()
    info = {name: value.mean() for name, value in infos.items()}
    if cfg.actor_every == 0:
        last = _whole(batches) if cfg.actor_on_whole_batch else jax.tree.map(lambda x: x[-1], batches)
        state, actor_info = step_actor(state, last, keys[-1], cfg)
        skipped += actor_info.pop("skipped")
        info |= actor_info
    return state, info | {"skipped": skipped, "temperature": jnp.exp(state.log_temp)}


def one_step(carry: AgentState, inputs: tuple, *, cfg: AgentConfig, offline: bool) -> tuple[AgentState, Info]:
    """One critic step, and a policy step where `actor_every` falls due."""
    batch, key, ready = inputs
    state, info = step_critic(carry, batch, key, ready, cfg, offline=offline)
    if cfg.actor_every:
        due = state.step % cfg.actor_every == 0
        run = functools.partial(step_actor, batch=batch, key=jax.random.fold_in(key, 1), cfg=cfg)
        state, actor_info = jax.lax.cond(due, run, lambda s: (s, _no_actor_info()), state)
        info = info | actor_info | {"skipped": info["skipped"] + actor_info["skipped"]}
    elif cfg.zero_grad_actor_steps:
        state = _drift(state, cfg)
    return state, info


def step_critic(
    state: AgentState,
    batch: Transition,
    key: jax.Array,
    ready: tuple | None,
    cfg: AgentConfig,
    *,
    offline: bool,
) -> tuple[AgentState, Info]:
    """One gradient step of all critics and their target; nothing moves when the gradient is not finite."""
    key_subset, key_cql = jax.random.split(jax.random.fold_in(key, 2))
    next_action, next_logp = ready if ready is not None else sample_next_one(state, batch, key, cfg)
    members = losses.draw_subset(key_subset, cfg)
    drawn = losses.take_members(state.target, members, cfg)
    if offline and cfg.max_target_backup:
        next_q, next_logp = calql.best_next(drawn, state.actor, batch, key, cfg)
    else:
        next_q = networks.q_values(drawn, batch.next_obs["state"], next_action, cfg)
    target = losses.td_target(batch, next_q, next_logp, jnp.exp(state.log_temp), cfg)
    (loss, q_mean), grads = jax.value_and_grad(losses.critic_loss, has_aux=True)(
        state.critic, batch, target, cfg
    )
    if offline:
        penalty, extra = jax.value_and_grad(calql.penalty)(state.critic, state.actor, batch, key_cql, cfg)
        loss, grads = loss + penalty, jax.tree.map(jnp.add, grads, extra)
    critic, opt, ok = optim.adam_step(
        state.critic, grads, state.critic_opt, lr=cfg.critic_lr, warmup=cfg.lr_warmup_steps
    )
    target_params = optim.average(state.target, critic, cfg.tau, ok)
    new = state._replace(critic=critic, critic_opt=opt, target=target_params, step=state.step + 1)
    info = {
        "critic_loss": loss,
        "q_mean": q_mean,
        "target_mean": target.mean(),
        "skipped": (~ok).astype(jnp.int32),
    }
    return new, info


def step_actor(
    state: AgentState, batch: Transition, key: jax.Array, cfg: AgentConfig
) -> tuple[AgentState, Info]:
    """One gradient step of the policy and one of the temperature; each is skipped alone when not finite."""
    temp = jnp.exp(state.log_temp)
    noise_key, next_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, batch.action.shape)
    (loss, entropy), grads = jax.value_and_grad(losses.actor_loss, has_aux=True)(
        state.actor, state.critic, batch.obs["state"], noise, temp, cfg
    )
    if cfg.temperature_on_next_obs:
        next_noise = jax.random.normal(next_key, batch.action.shape)
        out = networks.actor_output(state.actor, batch.next_obs["state"], cfg)
        entropy = -networks.squash(*out, next_noise)[1].mean()
    goal = cfg.entropy_per_action * batch.action.shape[-1]
    temp_loss, temp_grad = jax.value_and_grad(losses.temperature_loss)(state.log_temp, entropy, goal)
    warmup = cfg.lr_warmup_steps
    actor, actor_opt, ok = optim.adam_step(
        state.actor, grads, state.actor_opt, lr=cfg.actor_lr, warmup=warmup
    )
    log_temp, temp_opt, temp_ok = optim.adam_step(
        {"log_temp": state.log_temp}, {"log_temp": temp_grad}, state.temp_opt, lr=cfg.temp_lr, warmup=warmup
    )
    new = state._replace(actor=actor, actor_opt=actor_opt, log_temp=log_temp["log_temp"], temp_opt=temp_opt)
    skipped = (~ok).astype(jnp.int32) + (~temp_ok).astype(jnp.int32)
    return new, {"actor_loss": loss, "entropy": entropy, "temp_loss": temp_loss, "skipped": skipped}


def sample_next(state: AgentState, batches: Transition, keys: jax.Array, cfg: AgentConfig) -> tuple:
    """The policy's actions [U, B, A] at next_obs and their log densities [U, B], all at once."""
    shape = batches.action.shape[1:]
    noise = jax.vmap(lambda k: jax.random.normal(k, shape))(keys)
    return networks.squash(*networks.actor_output(state.actor, batches.next_obs["state"], cfg), noise)


def sample_next_one(state: AgentState, batch: Transition, key: jax.Array, cfg: AgentConfig) -> tuple:
    """The same for one minibatch, with the policy of this moment."""
    noise = jax.random.normal(key, batch.action.shape)
    return networks.squash(*networks.actor_output(state.actor, batch.next_obs["state"], cfg), noise)


def _whole(batches: Transition) -> Transition:
    """All minibatches as one: [U, B, ..] -> [U * B, ..]."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batches)


def _no_actor_info() -> Info:
    zero = jnp.zeros(())
    return {"actor_loss": zero, "entropy": zero, "temp_loss": zero, "skipped": jnp.zeros((), jnp.int32)}


def _drift(state: AgentState, cfg: AgentConfig) -> AgentState:
    """SERL's quirk: Adam moves policy and temperature on although they had no gradient."""
    warmup = cfg.lr_warmup_steps
    zeros = jax.tree.map(jnp.zeros_like, state.actor)
    actor, actor_opt, _ = optim.adam_step(state.actor, zeros, state.actor_opt, lr=cfg.actor_lr, warmup=warmup)
    none = {"log_temp": jnp.zeros(())}
    temp, temp_opt, _ = optim.adam_step(
        {"log_temp": state.log_temp}, none, state.temp_opt, lr=cfg.temp_lr, warmup=warmup
    )
    return state._replace(actor=actor, actor_opt=actor_opt, log_temp=temp["log_temp"], temp_opt=temp_opt)
