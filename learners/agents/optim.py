"""Adam that refuses gradients which are not finite, and the target network's moving average."""

import jax
import jax.numpy as jnp

from sandlot.learners.agents.types import Adam, Params

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
LARGEST_GRADIENT = 1e18
"""The square of anything larger overflows float32 and would freeze Adam for good."""


def init_adam(params: Params) -> Adam:
    """Zero memory for weights of these shapes."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return Adam(jnp.zeros((), jnp.int32), zeros, jax.tree.map(jnp.zeros_like, params))


def usable(grads: Params) -> jax.Array:
    """Whether every gradient is finite and its square does not overflow, bool []."""
    # column-wise first: XLA's CPU backend vectorises that, a reduction to one scalar it does not
    columns = [
        jnp.abs(g).max(axis=tuple(range(g.ndim - 1))) if g.ndim else jnp.abs(g) for g in grads.values()
    ]
    return jnp.all(jnp.stack([(c <= LARGEST_GRADIENT).all() for c in columns]))


def rates(count: jax.Array, lr: float, warmup: int) -> tuple[jax.Array, jax.Array]:
    """Adam's step size and root-scale with both bias corrections, for step number `count` >= 1."""
    t = count.astype(jnp.float32)
    rise = jnp.minimum(1.0, t / warmup) if warmup else jnp.float32(1.0)
    return lr * rise / (1.0 - BETA1**t), 1.0 / jnp.sqrt(1.0 - BETA2**t)


def adam_step(
    params: Params, grads: Params, opt: Adam, *, lr: float, warmup: int = 0
) -> tuple[Params, Adam, jax.Array]:
    """One step of Adam; when a gradient is not usable, everything stays as it was and the flag is False."""
    ok = usable(grads)
    count = opt.steps + ok.astype(jnp.int32)
    size, root = rates(jnp.maximum(count, 1), lr, warmup)
    mu = {k: jnp.where(ok, BETA1 * opt.mu[k] + (1 - BETA1) * g, opt.mu[k]) for k, g in grads.items()}
    nu = {k: jnp.where(ok, BETA2 * opt.nu[k] + (1 - BETA2) * g * g, opt.nu[k]) for k, g in grads.items()}
    new = {
        k: jnp.where(ok, p - size * mu[k] / (jnp.sqrt(nu[k]) * root + EPS), p) if k in grads else p
        for k, p in params.items()
    }
    return new, Adam(count, mu, nu), ok


def average(target: Params, online: Params, tau: float, ok: jax.Array) -> Params:
    """The target moved by `tau` towards the online weights, if `ok`."""
    return {k: jnp.where(ok, t + tau * (online[k] - t), t) for k, t in target.items()}
