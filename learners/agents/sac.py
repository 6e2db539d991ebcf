"""SAC and RLPD: an update ratio's worth of critic steps as one scan, the policy's step after or in it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sandlot.learners.agents import calql, distributional, ensemble, gripper, losses, networks, optim, vision
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Adam, AgentState, Info, Params, Transition
from sandlot.learners.limit import WEIGHT, limit, limit_of


class Sample(NamedTuple):
    """One minibatch as the scan reads it."""

    batch: Transition  # [B, ..]
    pair: Any  # what critics read: state and action side by side, [B, S + A]; with cameras made in the step
    key: jax.Array
    ready: Any  # next action [B, A] and its log density [B], when they were sampled before the scan
    back: Callable[[jax.Array], Params] | None = None  # from the gradient of what was seen to `Vision`'s


def update(
    state: AgentState, batches: Transition, cfg: AgentConfig, *, offline: bool
) -> tuple[AgentState, Info]:
    """U critic steps on minibatches [U, B]; the policy and the temperature step when `cfg` says.

    While no policy step and no encoder's step falls inside the scan, all next actions are sampled before it,
    in one large product.
    """
    key, rng = jax.random.split(jax.random.wrap_key_data(state.rng))
    keys = jax.random.split(key, batches.reward.shape[0] + 1)
    sees = state.vision is not None
    acts_at_end = cfg.actor_every == 0 and not cfg.zero_grad_actor_steps and not sees
    ready = (
        jax.vmap(functools.partial(next_action, state.actor, cfg=cfg))(batches, keys[:-1])
        if acts_at_end
        else None
    )
    pair = None if sees else jnp.concatenate([batches.obs["state"], batches.action], axis=-1)
    state, infos = jax.lax.scan(
        functools.partial(one_step, cfg=cfg, offline=offline),
        state._replace(rng=jax.random.key_data(rng)),
        Sample(batches, pair, keys[:-1], ready),
    )
    skipped = infos.pop("skipped").sum()
    info = {name: value.mean() for name, value in infos.items()}
    if cfg.actor_every == 0:
        last = _whole(batches) if cfg.actor_on_whole_batch else jax.tree.map(lambda x: x[-1], batches)
        last = vision.encoded(state.vision, last, jax.random.fold_in(keys[-1], 3), cfg)
        state, actor_info = step_actor(state, last, keys[-1], cfg)
        skipped += actor_info.pop("skipped")
        info |= actor_info
    info |= {"skipped": skipped, "temperature": jnp.exp(state.log_temp)}
    arch = limit_of(cfg)
    return state, info | ({"limit": limit(jnp, state.actor[WEIGHT], arch)[0]} if arch else {})


def one_step(
    state: AgentState, sample: Sample, *, cfg: AgentConfig, offline: bool
) -> tuple[AgentState, Info]:
    """One critic step, and a policy step where `actor_every` falls due."""
    if state.vision is not None:
        look = vision.look(state.vision, sample.batch, jax.random.fold_in(sample.key, 3), cfg)
        pair = jnp.concatenate([look.seen, sample.batch.action], axis=-1)
        sample = sample._replace(batch=look.batch, pair=pair, back=look.back)
    state, info = step_critics(state, sample, cfg, offline=offline)
    if cfg.actor_every:
        key = jax.random.fold_in(sample.key, 1)
        due = state.step % cfg.actor_every == 0
        act = functools.partial(step_actor, batch=sample.batch, key=key, cfg=cfg)
        state, actor_info = jax.lax.cond(due, act, lambda s: (s, _no_actor_info()), state)
        info = info | actor_info | {"skipped": info["skipped"] + actor_info["skipped"]}
    elif cfg.zero_grad_actor_steps:
        state = _drift(state, cfg)
    return state, info


def step_critics(
    state: AgentState, sample: Sample, cfg: AgentConfig, *, offline: bool
) -> tuple[AgentState, Info]:
    """One gradient step of all critics and their target; nothing moves when a gradient is not finite."""
    key_subset, key_penalty = jax.random.split(jax.random.fold_in(sample.key, 2))
    target = _target(state, sample, key_subset, cfg, offline=offline)
    (loss, q_mean), grads, d_seen = _critic_grads(state, sample, target, cfg)
    if offline:
        more_loss, more, more_seen = _penalty(state, sample, key_penalty, cfg)
        loss, grads, d_seen = loss + more_loss, jax.tree.map(jnp.add, grads, more), d_seen + more_seen
    grip_loss, grip_grads, d_seen = _gripper_grads(state, sample, d_seen, cfg)
    sight = [sample.back(d_seen)] if sample.back else []
    ok = functools.reduce(jnp.logical_and, [optim.usable(g) for g in [grads, *grip_grads, *sight]])
    steps = state.critic_opt.steps + ok.astype(jnp.int32)
    size, root = optim.rates(jnp.maximum(steps, 1), cfg.critic_lr, cfg.lr_warmup_steps)
    _, mu, nu = state.critic_opt
    critic, mu, nu = optim.apply(state.critic, grads, mu, nu, size=size, root=root, ok=ok)
    state = state._replace(
        critic=critic,
        target=optim.average(state.target, critic, cfg.tau, ok),
        critic_opt=Adam(steps, mu, nu),
        step=state.step + 1,
    )
    if state.vision is not None:
        state = state._replace(vision=vision.move(state.vision, sight[0], cfg, size=size, root=root, ok=ok))
    if state.gripper is not None:
        moved_grip = gripper.move(state.gripper, grip_grads[0], cfg, size=size, root=root, ok=ok)
        state = state._replace(gripper=moved_grip)
    info = {
        "critic_loss": loss,
        "q_mean": q_mean,
        **(distributional.info_of(target, cfg) if cfg.atoms else {"target_mean": target.mean()}),
        "skipped": (~ok).astype(jnp.int32),
    }
    return state, info | grip_loss


def _critic_grads(
    state: AgentState, sample: Sample, target: jax.Array, cfg: AgentConfig
) -> tuple[tuple[jax.Array, jax.Array], Params, jax.Array]:
    """Loss and mean value, the gradients, and that of what the critics read at obs [B, I] or, unused, 0."""
    slopes = sample.back is not None
    found, grads, d_pair = ensemble.loss_and_grads(state.critic, sample.pair, target, cfg, slopes=slopes)
    d_seen = jnp.zeros(()) if d_pair is None else d_pair[:, : -sample.batch.action.shape[-1]]
    return found, grads, d_seen


def _gripper_grads(
    state: AgentState, sample: Sample, d_seen: jax.Array, cfg: AgentConfig
) -> tuple[Info, list[Params], jax.Array]:
    """Loss and gradients of the gripper's DQN, if there is one, and `d_seen` with its share."""
    if state.gripper is None:
        return {}, [], d_seen
    online, behind = (state.vision.neck, state.vision.target) if state.vision else ({}, {})
    next_obs = sample.batch.next_obs
    there, there_behind = networks.inputs(online, next_obs), networks.inputs(behind, next_obs)
    goal = gripper.target(state.gripper, sample.batch, there, there_behind, cfg)
    seen = sample.pair[:, : -sample.batch.action.shape[-1]]
    loss, grads, more = gripper.loss_and_grads(state.gripper, sample.batch, seen, goal, cfg)
    return {"gripper_loss": loss}, [grads], d_seen + more


def _penalty(
    state: AgentState, sample: Sample, key: jax.Array, cfg: AgentConfig
) -> tuple[jax.Array, Params, jax.Array]:
    """Cal-QL's penalty, its gradients, and that of what the critics read at obs."""
    seen = sample.pair[:, : -sample.batch.action.shape[-1]]
    penalty = functools.partial(calql.penalty, actor=state.actor, batch=sample.batch, key=key, cfg=cfg)
    value, (grads, d_seen) = jax.value_and_grad(penalty, argnums=(0, 1))(state.critic, seen)
    return value, grads, d_seen


def _target(
    state: AgentState, sample: Sample, key: jax.Array, cfg: AgentConfig, *, offline: bool
) -> jax.Array:
    """What the critics should say about this minibatch, [B]; with `atoms` [E, B, N]."""
    batch, temp = sample.batch, jnp.exp(state.log_temp)
    drawn = ensemble.drawn(state.target, losses.draw_subset(key, cfg), cfg)
    seen = networks.inputs(state.vision.target if state.vision else {}, batch.next_obs)
    if offline and cfg.max_target_backup:
        next_q, logp = calql.best_next(drawn, seen, actor=state.actor, batch=batch, key=sample.key, cfg=cfg)
    else:
        action, logp = (
            sample.ready if sample.ready is not None else next_action(state.actor, batch, sample.key, cfg)
        )
        online = networks.inputs(state.vision.neck if state.vision else {}, batch.next_obs)
        action = gripper.whole(state.gripper, action, gripper.greedy(state.gripper, online, cfg))
        if cfg.atoms:
            pair = jnp.concatenate([seen, action], axis=-1)
            return distributional.target(state.target, pair, logp, batch=batch, temp=temp, cfg=cfg)
        next_q = ensemble.values(drawn, seen, action, cfg)
    return losses.td_target(batch, next_q, logp, temp, cfg)


def step_actor(
    state: AgentState, batch: Transition, key: jax.Array, cfg: AgentConfig
) -> tuple[AgentState, Info]:
    """One gradient step of the policy and one of the temperature; each is skipped alone when not finite."""
    temp = jnp.exp(state.log_temp)
    noise_key, next_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, (len(batch.action), networks.own_size(state.actor)))
    neck = state.vision.neck if state.vision else {}
    told = gripper.greedy(state.gripper, networks.inputs(neck, batch.obs), cfg)
    loss_of = functools.partial(
        losses.actor_loss,
        value=functools.partial(ensemble.values, state.critic, cfg=cfg),
        neck=neck,
        obs=batch.obs,
        complete=lambda action: gripper.whole(state.gripper, action, told),
        noise=noise,
        temp=temp,
        cfg=cfg,
    )
    (loss, entropy), grads = jax.value_and_grad(loss_of, has_aux=True)(state.actor)
    if cfg.temperature_on_next_obs:
        entropy = -next_action(state.actor, batch, next_key, cfg)[1].mean()
    goal = cfg.entropy_per_action * networks.own_size(state.actor)
    temp_loss, temp_grad = jax.value_and_grad(losses.temperature_loss)(state.log_temp, entropy, goal)
    state, skipped = _move_actor(state, grads, temp_grad, cfg)
    return state, {"actor_loss": loss, "entropy": entropy, "temp_loss": temp_loss, "skipped": skipped}


def next_action(
    actor: Params, batch: Transition, key: jax.Array, cfg: AgentConfig
) -> tuple[jax.Array, jax.Array]:
    """The policy's actions [B, A] at next_obs and their log densities [B]."""
    noise = jax.random.normal(key, (len(batch.action), networks.own_size(actor)))
    return networks.sample(actor, batch.next_obs, noise, cfg)


def _move_actor(
    state: AgentState, grads: Params, temp_grad: jax.Array, cfg: AgentConfig
) -> tuple[AgentState, jax.Array]:
    """Adam's step of policy and temperature, and how many of the two were skipped."""
    warmup = cfg.lr_warmup_steps
    actor, actor_opt, ok = optim.adam_step(
        state.actor, grads, state.actor_opt, lr=cfg.actor_lr, warmup=warmup
    )
    temp, temp_opt, temp_ok = optim.adam_step(
        {"log_temp": state.log_temp}, {"log_temp": temp_grad}, state.temp_opt, lr=cfg.temp_lr, warmup=warmup
    )
    new = state._replace(actor=actor, actor_opt=actor_opt, log_temp=temp["log_temp"], temp_opt=temp_opt)
    return new, (~ok).astype(jnp.int32) + (~temp_ok).astype(jnp.int32)


def _drift(state: AgentState, cfg: AgentConfig) -> AgentState:
    """SERL's quirk: Adam moves policy and temperature on although they had no gradient."""
    return _move_actor(state, jax.tree.map(jnp.zeros_like, state.actor), jnp.zeros(()), cfg)[0]


def _whole(batches: Transition) -> Transition:
    """All minibatches as one: [U, B, ..] -> [U * B, ..]."""
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batches)


def _no_actor_info() -> Info:
    zero = jnp.zeros(())
    return {"actor_loss": zero, "entropy": zero, "temp_loss": zero, "skipped": jnp.zeros((), jnp.int32)}
