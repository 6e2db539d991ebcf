"""The gripper as a double DQN beside SAC: one value for each joint choice of all grippers.

As in HIL-SERL (Luo et al. 2024, 2410.21845) it shares what the critics see and has a target of its own.
Unlike there, SAC's critics know the gripper's choice: they read the whole action, and wherever the policy
acts, the rest of the action is the greedy choice. Switching costs `gripper_penalty`, in the DQN's reward
alone.
"""

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners.agents import networks, optim
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Gripper, Params, Transition
from sandlot.learners.errors import ConfigError
from sandlot.learners.grip import THIRD, Grips, grips
from sandlot.learners.schema import EnvSpec


def init(key: jax.Array, spec: EnvSpec, input_size: int, cfg: AgentConfig) -> Gripper | None:
    """A fresh DQN for the spec's grippers; None when they are continuous."""
    if cfg.gripper == "continuous":
        return None
    where = grips(spec)
    if cfg.gripper_penalty and not where.command:
        raise ConfigError(
            f"task '{spec.task}' does not observe what its gripper was told (state entry 'gripper_command'), "
            "so switching it cannot be charged for; set --agent.gripper-penalty 0"
        )
    sizes = (input_size, *cfg.critic_hidden, len(where.table))
    params = networks.init_mlp(key, sizes, layer_norm=cfg.critic_layer_norm)
    memory = optim.init_adam(params)
    return Gripper(params, jax.tree.map(jnp.copy, params), memory.mu, memory.nu, where)


def values(params: Params, seen: jax.Array, cfg: AgentConfig) -> jax.Array:
    """The value of every joint choice, [.., 3 ** G], for what the critics read [.., I]."""
    return networks.mlp(params, seen, cfg)


def greedy(gripper: Gripper | None, seen: jax.Array, cfg: AgentConfig) -> jax.Array | None:
    """What the best joint choice tells the grippers, [.., G]; None without a DQN."""
    if gripper is None:
        return None
    return jnp.asarray(gripper.where.table)[values(gripper.params, seen, cfg).argmax(-1)]


def whole(gripper: Gripper | None, rest: jax.Array, told: jax.Array | None) -> jax.Array:
    """The action of the policy's numbers and what the grippers are told; `rest` itself without a DQN."""
    if gripper is None or told is None:
        return rest
    return jnp.concatenate([rest, told], axis=-1)[..., gripper.where.order]


def chosen(action: jax.Array, where: Grips) -> jax.Array:
    """The joint choice that an executed action [.., A] comes to, int [..]."""
    told = action[..., np.array(where.action)]
    thirds = (told > THIRD).astype(jnp.int32) - (told < -THIRD).astype(jnp.int32) + 1
    return (thirds * 3 ** np.arange(len(where.action))[::-1]).sum(-1)


def switched(batch: Transition, where: Grips) -> jax.Array:
    """How many grippers were told something else than before, [B]: staying, or closing twice, is free."""
    if not where.command:
        return jnp.zeros(batch.reward.shape)
    told, before = batch.action[..., np.array(where.action)], batch.obs["state"][..., np.array(where.command)]
    return ((jnp.abs(told) > THIRD) & (told * before < 0)).sum(-1).astype(jnp.float32)


def target(
    gripper: Gripper, batch: Transition, seen: jax.Array, target_seen: jax.Array, cfg: AgentConfig
) -> jax.Array:
    """Double DQN's target [B]: the online values at next_obs choose, the target's say what that is worth.

    `seen` and `target_seen` are what online and target critics read at next_obs, [B, I].
    """
    best = values(gripper.params, seen, cfg).argmax(-1)
    worth = jnp.take_along_axis(values(gripper.target, target_seen, cfg), best[:, None], -1)[:, 0]
    reward = batch.reward - cfg.gripper_penalty * switched(batch, gripper.where)
    return reward + cfg.gamma * batch.discount * worth


def loss_and_grads(
    gripper: Gripper, batch: Transition, seen: jax.Array, goal: jax.Array, cfg: AgentConfig
) -> tuple[jax.Array, Params, jax.Array]:
    """Mean squared distance of the taken choices' values to `goal` [B]; gradients by weight and of `seen`."""
    taken = chosen(batch.action, gripper.where)[:, None]

    def loss(params: Params, seen: jax.Array) -> jax.Array:
        q = jnp.take_along_axis(values(params, seen, cfg), taken, -1)[:, 0]
        return jnp.square(q - goal).mean()

    value, (grads, d_seen) = jax.value_and_grad(loss, argnums=(0, 1))(gripper.params, seen)
    return value, grads, d_seen


def move(
    gripper: Gripper, grads: Params, cfg: AgentConfig, *, size: jax.Array, root: jax.Array, ok: jax.Array
) -> Gripper:
    """The weights after Adam's step, and their target behind them."""
    params, mu, nu = optim.apply(gripper.params, grads, gripper.mu, gripper.nu, size=size, root=root, ok=ok)
    return Gripper(params, optim.average(gripper.target, params, cfg.tau, ok), mu, nu, gripper.where)
