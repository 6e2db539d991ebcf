"""SAC and RLPD: an update ratio's worth of critic steps as one scan, the policy's step after or in it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sandlot.learners.agents import calql, ensemble, gripper, losses, networks, optim, vision
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Adam, AgentState, Info, Params, Transition


class Sample(NamedTuple):
    """One minibatch as the scan reads it."""

    batch: Transition  # [B, ..]
    pair: Any  # what critics read: state and action side by side, [B, S + A]; with cameras made in the step
    key: jax.Array
    ready: Any  # next action [B, A] and its log density [B], when they were sampled before the scan
    back: Callable[[jax.Array], Params] | None = None  # from the gradient of what was seen to `Vision`'s


class Carry(NamedTuple):
    """What the scan hands on: an agent whose critics sit in groups."""

    state: AgentState  # with empty critics
    groups: tuple[ensemble.Group, ...]


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
    carry, infos = jax.lax.scan(
        functools.partial(one_step, cfg=cfg, offline=offline),
        open_state(state._replace(rng=jax.random.key_data(rng)), cfg),
        Sample(batches, pair, keys[:-1], ready),
    )
    state = close_state(carry)
    critics = tuple(group.params for group in carry.groups)
    skipped = infos.pop("skipped").sum()
    info = {name: value.mean() for name, value in infos.items()}
    if cfg.actor_every == 0:
        last = _whole(batches) if cfg.actor_on_whole_batch else jax.tree.map(lambda x: x[-1], batches)
        last = vision.encoded(state.vision, last, jax.random.fold_in(keys[-1], 3), cfg)
        state, actor_info = step_actor(state, critics, last, keys[-1], cfg)
        skipped += actor_info.pop("skipped")
        info |= actor_info
    return state, info | {"skipped": skipped, "temperature": jnp.exp(state.log_temp)}


def open_state(state: AgentState, cfg: AgentConfig) -> Carry:
    """The state with its critics in groups."""
    empty = state._replace(critic={}, target={}, critic_opt=Adam(state.critic_opt.steps, {}, {}))
    return Carry(empty, ensemble.split(state, ensemble.group_count(cfg)))


def close_state(carry: Carry) -> AgentState:
    """The reverse of `open_state`."""
    whole = ensemble.join(carry.groups)
    opt = Adam(carry.state.critic_opt.steps, whole.mu, whole.nu)
    return carry.state._replace(critic=whole.params, target=whole.target, critic_opt=opt)


def one_step(carry: Carry, sample: Sample, *, cfg: AgentConfig, offline: bool) -> tuple[Carry, Info]:
    """One critic step, and a policy step where `actor_every` falls due."""
    if carry.state.vision is not None:
        look = vision.look(carry.state.vision, sample.batch, jax.random.fold_in(sample.key, 3), cfg)
        pair = jnp.concatenate([look.seen, sample.batch.action], axis=-1)
        sample = sample._replace(batch=look.batch, pair=pair, back=look.back)
    (state, groups), info = step_critics(carry, sample, cfg, offline=offline)
    if cfg.actor_every:
        key = jax.random.fold_in(sample.key, 1)

        def act(s: AgentState) -> tuple[AgentState, Info]:
            return step_actor(s, tuple(g.params for g in groups), sample.batch, key, cfg)

        due = state.step % cfg.actor_every == 0
        state, actor_info = jax.lax.cond(due, act, lambda s: (s, _no_actor_info()), state)
        info = info | actor_info | {"skipped": info["skipped"] + actor_info["skipped"]}
    elif cfg.zero_grad_actor_steps:
        state = _drift(state, cfg)
    return Carry(state, groups), info


def step_critics(carry: Carry, sample: Sample, cfg: AgentConfig, *, offline: bool) -> tuple[Carry, Info]:
    """One gradient step of all critics and their target; nothing moves when a gradient is not finite."""
    state, groups = carry
    key_subset, key_penalty = jax.random.split(jax.random.fold_in(sample.key, 2))
    target = _target(carry, sample, key_subset, cfg, offline=offline)
    values, grads, d_seen = _critic_grads(groups, sample, target, cfg)
    if offline:
        values, grads, d_seen = _with_penalty(carry, sample, key_penalty, cfg, (values, grads, d_seen))
    grip_loss, grip_grads, d_seen = _gripper_grads(state, sample, d_seen, cfg)
    sight = [sample.back(d_seen)] if sample.back else []
    ok = functools.reduce(jnp.logical_and, [optim.usable(g) for g in [*grads, *grip_grads, *sight]])
    steps = state.critic_opt.steps + ok.astype(jnp.int32)
    size, root = optim.rates(jnp.maximum(steps, 1), cfg.critic_lr, cfg.lr_warmup_steps)
    moved = tuple(_move(g, d, cfg, size=size, root=root, ok=ok) for g, d in zip(groups, grads, strict=True))
    if state.vision is not None:
        state = state._replace(vision=vision.move(state.vision, sight[0], cfg, size=size, root=root, ok=ok))
    if state.gripper is not None:
        moved_grip = gripper.move(state.gripper, grip_grads[0], cfg, size=size, root=root, ok=ok)
        state = state._replace(gripper=moved_grip)
    state = state._replace(critic_opt=Adam(steps, {}, {}), step=state.step + 1)
    info = {
        "critic_loss": values[0],
        "q_mean": values[1],
        "target_mean": target.mean(),
        "skipped": (~ok).astype(jnp.int32),
    }
    return Carry(state, moved), info | grip_loss


def _critic_grads(
    groups: tuple[ensemble.Group, ...], sample: Sample, target: jax.Array, cfg: AgentConfig
) -> tuple[list[jax.Array], list[Params], jax.Array]:
    """Loss and mean value, the gradients of every group, and that of what the critics read at obs [B, I]."""
    results = [ensemble.loss_and_grads(group.params, sample.pair, target, cfg) for group in groups]
    values = [sum((value[i] for value, _, _ in results), jnp.zeros(())) for i in (0, 1)]
    d_pair = functools.reduce(jnp.add, [dx for _, _, dx in results])
    return values, [grad for _, grad, _ in results], d_pair[:, : -sample.batch.action.shape[-1]]


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


def _with_penalty(carry: Carry, sample: Sample, key: jax.Array, cfg: AgentConfig, plain: tuple) -> tuple:
    """What `_critic_grads` gave, with Cal-QL's penalty in it."""
    (loss, q_mean), grads, d_seen = plain
    seen = sample.pair[:, : -sample.batch.action.shape[-1]]
    penalty = functools.partial(calql.penalty, actor=carry.state.actor, batch=sample.batch, key=key, cfg=cfg)
    extra = [jax.value_and_grad(penalty, argnums=(0, 1))(g.params, seen) for g in carry.groups]
    loss += sum(value for value, _ in extra)
    grads = [jax.tree.map(jnp.add, mine, more) for mine, (_, (more, _)) in zip(grads, extra, strict=True)]
    return [loss, q_mean], grads, d_seen + sum(dx for _, (_, dx) in extra)


def _target(carry: Carry, sample: Sample, key: jax.Array, cfg: AgentConfig, *, offline: bool) -> jax.Array:
    """What the critics should say about this minibatch, [B]."""
    state, groups = carry
    batch = sample.batch
    drawn = ensemble.drawn_target(groups, losses.draw_subset(key, cfg), cfg)
    seen = networks.inputs(state.vision.target if state.vision else {}, batch.next_obs)
    if offline and cfg.max_target_backup:
        next_q, logp = calql.best_next(drawn, seen, actor=state.actor, batch=batch, key=sample.key, cfg=cfg)
    else:
        action, logp = (
            sample.ready if sample.ready is not None else next_action(state.actor, batch, sample.key, cfg)
        )
        online = networks.inputs(state.vision.neck if state.vision else {}, batch.next_obs)
        action = gripper.whole(state.gripper, action, gripper.greedy(state.gripper, online, cfg))
        next_q = networks.q_values(drawn, seen, action, cfg)
    return losses.td_target(batch, next_q, logp, jnp.exp(state.log_temp), cfg)


def _move(
    group: ensemble.Group, grads: Params, cfg: AgentConfig, *, size: jax.Array, root: jax.Array, ok: jax.Array
) -> ensemble.Group:
    """A group after Adam's step, and its target behind it."""
    params, mu, nu = optim.apply(group.params, grads, group.mu, group.nu, size=size, root=root, ok=ok)
    return ensemble.Group(params, optim.average(group.target, params, cfg.tau, ok), mu, nu)


def step_actor(
    state: AgentState, critics: tuple[Params, ...], batch: Transition, key: jax.Array, cfg: AgentConfig
) -> tuple[AgentState, Info]:
    """One gradient step of the policy and one of the temperature; each is skipped alone when not finite."""
    temp = jnp.exp(state.log_temp)
    noise_key, next_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, (len(batch.action), networks.own_size(state.actor)))
    neck = state.vision.neck if state.vision else {}
    told = gripper.greedy(state.gripper, networks.inputs(neck, batch.obs), cfg)
    loss_of = functools.partial(
        losses.actor_loss,
        critics=critics,
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
    return networks.squash(*networks.actor_output(actor, networks.inputs(actor, batch.next_obs), cfg), noise)


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
