"""The critics together: their values, loss and gradients, by the way that is fastest here.

On a CPU most of a SAC step's time goes into these. Critics with ReLU, LayerNorm and heads of their own are
then computed by `critic_kernels`; all others, and critics on another device, by JAX from `networks.q_of`.
Critics of return distributions are `distributional`.
"""

import functools
from types import ModuleType

import jax
import jax.numpy as jnp

from sandlot.learners.agents import distributional, networks, xla_call
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Params


def by_kernels(cfg: AgentConfig) -> bool:
    """Whether `critic_kernels` covers these critics, and this machine."""
    covered = cfg.activation == "relu" and cfg.critic_layer_norm and not cfg.shared_q_head and not cfg.atoms
    return covered and xla_call.available()


def drawn(params: Params, members: jax.Array, cfg: AgentConfig) -> Params:
    """The weights of the drawn critics only, leading axis [n_min]."""
    shared = {"w_out", "b_out"} if cfg.shared_q_head else set()
    return {name: array if name in shared else array[members] for name, array in params.items()}


def values(params: Params, state: jax.Array, action: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Every critic's value of state [B, S] and action [B, A]: [E, B]; with `atoms` their CVaR instead.

    Only for targets and for the policy, which climbs it by its action: the weights count as constants.
    """
    params, x = jax.lax.stop_gradient(params), jnp.concatenate([state, action], axis=-1)
    if cfg.atoms:
        return distributional.worth(params, x, cfg)
    return _kernels().values(params, x) if by_kernels(cfg) else networks.q_of(params, x, cfg)


def loss_and_grads(
    params: Params, x: jax.Array, target: jax.Array, cfg: AgentConfig, *, slopes: bool = True
) -> tuple[tuple[jax.Array, jax.Array], Params, jax.Array | None]:
    """The mean squared distance of the critics' values to `target`, or with `atoms` the cross entropy.

    Args:
        params: the critics' weights [E, ..].
        x: state and action side by side, [B, I].
        target: what the values should be, [B], or the distributions [E, B, N].
        cfg: the settings.
        slopes: whether the gradient of x is wanted.

    Returns:
        The loss and the values' mean over E * B, the gradients by weight name, and the gradient of x [B, I]
        or None.
    """
    if by_kernels(cfg):
        count = cfg.n_critics * len(x)
        squares, total, grads, dx = _kernels().loss_and_grads(params, x, target, slopes=slopes)
        return (squares / count, total / count), grads, dx

    def loss(p: Params, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if cfg.atoms:
            return distributional.loss(p, x, target, cfg)
        q = networks.q_of(p, x, cfg)
        return jnp.square(q - target).mean(), q.mean()

    found, (grads, dx) = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(params, x)
    return found, grads, dx


@functools.cache
def _kernels() -> ModuleType:
    """Compiled on a CPU only, and when first needed."""
    from sandlot.learners.agents import critic_kernels  # noqa: PLC0415 - compiles while it is imported

    return critic_kernels
