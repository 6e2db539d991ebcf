"""Critics that say how returns are distributed, and the risk that a policy takes of it; see docs/agents.md.

Each critic gives probabilities to the same `atoms`, evenly spaced returns in `value_range` (C51, Bellemare et
al. 2017, 1707.06887). Common atoms make the ensemble's mixture a mean of probabilities, and its CVaR a sum:
quantiles would need no range, but sorting for both. Each critic learns from its own target, so critics agree
only where data made them agree. Where they do not, the mixture has a heavy lower tail, and a policy that
climbs its CVaR keeps away (RACER, Stachowicz & Levine 2024, 2405.04714).

E = critics, B = samples, N = atoms, I = inputs.
"""

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners.agents import losses, networks
from sandlot.learners.agents.config import AgentConfig
from sandlot.learners.agents.types import Info, Params, Transition


def atoms(cfg: AgentConfig) -> jax.Array:
    """The returns that have a probability, float32 [N], lowest first."""
    return jnp.asarray(np.linspace(*cfg.value_range, cfg.atoms, dtype=np.float32))


def spacing(cfg: AgentConfig) -> float:
    """The distance of two atoms."""
    return (cfg.value_range[1] - cfg.value_range[0]) / (cfg.atoms - 1)


def probabilities(params: Params, x: jax.Array, cfg: AgentConfig) -> jax.Array:
    """What every critic gives to every atom, [E, B, N], for state and action side by side [B, I]."""
    return jax.nn.softmax(networks.outputs_of(params, x, cfg))


def project(chances: jax.Array, moved: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Probabilities of the atoms, [E, B, N], for `chances` [E, B, N] of other returns, `moved` [B, N].

    Each return shares its probability between the two atoms around it so that the mean stays; beyond the
    range it counts as the range's end. What is not finite stays so: else an update would not notice it.
    """
    inside = jnp.where(jnp.isfinite(moved), jnp.clip(moved, *cfg.value_range), jnp.nan)
    at = (inside - cfg.value_range[0]) / spacing(cfg)
    low = jnp.clip(jnp.floor(at), 0, cfg.atoms - 2).astype(jnp.int32)
    # of one distribution at a time: on a CPU XLA scatters nine times as fast as it multiplies by [B, N, N]
    one = jax.vmap(lambda chance, low, up: _shared(chance * (1 - up), low) + _shared(chance * up, low + 1))
    return jax.vmap(one, (0, None, None))(chances, low, at - low)


def _shared(chance: jax.Array, atom: jax.Array) -> jax.Array:
    """Probabilities [N] of the atoms, each the sum of the chances [N] that are given to it."""
    return jnp.zeros_like(chance).at[atom].add(chance)


def target(
    params: Params, x: jax.Array, logp: jax.Array, *, batch: Transition, temp: jax.Array, cfg: AgentConfig
) -> jax.Array:
    """What each critic should say, [E, B, N]: its own target's distribution, moved as one value would be.

    Args:
        params: weights of the target critics.
        x: next observation and next action side by side, [B, I].
        logp: log density of the next actions, [B].
        batch: reward and discount [B].
        temp: entropy temperature.
        cfg: the settings.
    """
    places = jnp.asarray(atoms(cfg))[None, :, None]
    moved = losses.td_target(batch, places, logp, temp, cfg)  # [N, B]
    return project(probabilities(params, x, cfg), moved.T, cfg)


def loss(params: Params, x: jax.Array, goal: jax.Array, cfg: AgentConfig) -> tuple[jax.Array, jax.Array]:
    """Cross entropy of the critics' distributions to `goal` [E, B, N], and the mean of all their returns."""
    logs = jax.nn.log_softmax(networks.outputs_of(params, x, cfg))
    return -(goal * logs).sum(-1).mean(), (jnp.exp(logs) @ atoms(cfg)).mean()


def cvar(chances: jax.Array, cfg: AgentConfig) -> jax.Array:
    """Mean of the worst 1 - `risk` share of returns, [..], for probabilities [.., N]; their mean at risk 0.

    By parts: the highest atom minus, for every step between two atoms, its length times the share of the
    worst returns that lies below it.
    """
    share = 1.0 - cfg.risk
    below = jnp.minimum(jnp.cumsum(chances, axis=-1)[..., :-1], share)
    return cfg.value_range[1] - spacing(cfg) / share * below.sum(-1)


def worth(params: Params, x: jax.Array, cfg: AgentConfig) -> jax.Array:
    """The CVaR of the critics' mixture [1, B], or with `actor_reduce` min of each critic [E, B]."""
    chances = probabilities(params, x, cfg)
    return cvar(chances.mean(axis=0, keepdims=True) if cfg.actor_reduce == "mean" else chances, cfg)


def info_of(goal: jax.Array, cfg: AgentConfig) -> Info:
    """The targets' mean return, and their share at the ends of the range: much, and it is too narrow."""
    ends = goal[..., 0] + goal[..., -1]
    return {"target_mean": (goal @ atoms(cfg)).mean(), "at_range_end": ends.mean()}
