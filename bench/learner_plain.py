"""RLPD's update written the straightforward way: the learner's own is measured and checked against it.

`jax.grad` of one batched network, every target critic evaluated, the drawn ones picked afterwards, the next
action sampled inside the scan. It shares the agent's state, random keys and network definitions, so both give
the same weights up to rounding.
"""

import functools

import jax
import jax.numpy as jnp

from sandlot.learners.agents import AgentConfig, AgentState, Info, Transition, losses, networks
from sandlot.learners.agents.types import Adam, Params

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


@functools.partial(jax.jit, static_argnames="cfg", donate_argnums=0)
def update(state: AgentState, batches: Transition, cfg: AgentConfig) -> tuple[AgentState, Info]:
    """U critic steps, then one step of policy and temperature on the last minibatch."""
    key, rng = jax.random.split(jax.random.wrap_key_data(state.rng))
    keys = jax.random.split(key, batches.reward.shape[0] + 1)

    def body(state: AgentState, inputs: tuple) -> tuple[AgentState, jax.Array]:
        return _critic_step(state, *inputs, cfg)

    state, loss = jax.lax.scan(body, state._replace(rng=jax.random.key_data(rng)), (batches, keys[:-1]))
    last = jax.tree.map(lambda x: x[-1], batches)
    return _actor_step(state, last, keys[-1], cfg), {"critic_loss": loss.mean()}


def _critic_step(state: AgentState, batch: Transition, key: jax.Array, cfg: AgentConfig) -> tuple:
    subset_key, _ = jax.random.split(jax.random.fold_in(key, 2))
    next_state = batch.next_obs["state"]
    noise = jax.random.normal(key, batch.action.shape)
    action, logp = networks.squash(*networks.actor_output(state.actor, next_state, cfg), noise)
    all_q = networks.q_values(state.target, next_state, action, cfg)  # every target critic
    next_q = all_q[losses.draw_subset(subset_key, cfg)]
    target = losses.td_target(batch, next_q, logp, jnp.exp(state.log_temp), cfg)

    def loss_of(critic: Params) -> jax.Array:
        return jnp.square(networks.q_values(critic, batch.obs["state"], batch.action, cfg) - target).mean()

    loss, grads = jax.value_and_grad(loss_of)(state.critic)
    critic, opt = _adam(state.critic, grads, state.critic_opt, cfg.critic_lr)
    moved = jax.tree.map(lambda t, p: t + cfg.tau * (p - t), state.target, critic)
    return state._replace(critic=critic, critic_opt=opt, target=moved, step=state.step + 1), loss


def _actor_step(state: AgentState, batch: Transition, key: jax.Array, cfg: AgentConfig) -> AgentState:
    noise = jax.random.normal(jax.random.split(key)[0], batch.action.shape)
    loss_of = functools.partial(
        losses.actor_loss,
        value=functools.partial(networks.q_values, state.critic, cfg=cfg),
        neck={},
        obs=batch.obs,
        noise=noise,
        temp=jnp.exp(state.log_temp),
        cfg=cfg,
    )
    (_, entropy), grads = jax.value_and_grad(loss_of, has_aux=True)(state.actor)
    goal = cfg.entropy_per_action * batch.action.shape[-1]
    temp_grad = jax.grad(losses.temperature_loss)(state.log_temp, entropy, goal)
    actor, actor_opt = _adam(state.actor, grads, state.actor_opt, cfg.actor_lr)
    temp, temp_opt = _adam({"log_temp": state.log_temp}, {"log_temp": temp_grad}, state.temp_opt, cfg.temp_lr)
    return state._replace(actor=actor, actor_opt=actor_opt, log_temp=temp["log_temp"], temp_opt=temp_opt)


def _adam(params: Params, grads: Params, opt: Adam, lr: float) -> tuple[Params, Adam]:
    steps = opt.steps + 1
    t = steps.astype(jnp.float32)
    mu = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, opt.mu, grads)
    nu = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, opt.nu, grads)
    new = jax.tree.map(
        lambda p, m, v: p - lr * (m / (1 - BETA1**t)) / (jnp.sqrt(v / (1 - BETA2**t)) + EPS), params, mu, nu
    )
    return new, Adam(steps, mu, nu)
