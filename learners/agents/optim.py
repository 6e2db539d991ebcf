"""Adam that refuses gradients which are not finite, and the target network's moving average."""

import jax
import jax.numpy as jnp

from sandlot.learners.agents.types import Adam, Params

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def init_adam(params: Params) -> Adam:
    """Zero memory for weights of these shapes."""
    zeros = jax.tree.map(jnp.zeros_like, params)
    return Adam(jnp.zeros((), jnp.int32), zeros, jax.tree.map(jnp.zeros_like, params))


def usable(grads: Params) -> jax.Array:
    """Whether the squared norm of the gradient is finite, bool []: then so is every entry and its square."""
    # as products of a vector with itself, which XLA's CPU backend does faster than reductions
    return jnp.isfinite(sum((jnp.vdot(g, g) for g in grads.values()), jnp.zeros(())))


def rates(steps: jax.Array, lr: float | jax.Array, warmup: int) -> tuple[jax.Array, jax.Array]:
    """Step size and root-scale with both bias corrections, for Adam's step number `steps` >= 1."""
    t = steps.astype(jnp.float32)
    rise = jnp.minimum(1.0, t / warmup) if warmup else jnp.float32(1.0)
    return lr * rise / (1.0 - BETA1**t), 1.0 / jnp.sqrt(1.0 - BETA2**t)


def apply(
    params: Params, grads: Params, mu: Params, nu: Params, *, size: jax.Array, root: jax.Array, ok: jax.Array
) -> tuple[Params, Params, Params]:
    """Adam's weights and memory one step on; all of them as they were where `ok` is False.

    `size` and `root` come from `rates`.
    """
    new_mu = {k: jnp.where(ok, BETA1 * mu[k] + (1 - BETA1) * g, mu[k]) for k, g in grads.items()}
    new_nu = {k: jnp.where(ok, BETA2 * nu[k] + (1 - BETA2) * g * g, nu[k]) for k, g in grads.items()}
    new = {
        k: jnp.where(ok, p - size * new_mu[k] / (jnp.sqrt(new_nu[k]) * root + EPS), p)
        for k, p in params.items()
    }
    return new, new_mu, new_nu


def adam_step(
    params: Params, grads: Params, opt: Adam, *, lr: float | jax.Array, warmup: int = 0
) -> tuple[Params, Adam, jax.Array]:
    """One step of Adam; when a gradient is not usable, everything stays as it was and the flag is False."""
    ok = usable(grads)
    steps = opt.steps + ok.astype(jnp.int32)
    size, root = rates(jnp.maximum(steps, 1), lr, warmup)
    new, mu, nu = apply(params, grads, opt.mu, opt.nu, size=size, root=root, ok=ok)
    return new, Adam(steps, mu, nu), ok


def average(target: Params, online: Params, tau: float | jax.Array, ok: jax.Array) -> Params:
    """The target moved by `tau` towards the online weights, if `ok`."""
    return {k: jnp.where(ok, t + tau * (online[k] - t), t) for k, t in target.items()}
