"""From features to where the thing is, without a label: hindsight and stillness.

In a demonstration the gripper first opens or closes where the object is. So every frame before that has a
label that proprioception alone provides: where the hand will be then, seen from where it is now. There are
few such frames, all on a demonstration's path. Play has many more, and one fact about them is known: while
the hand moves about, the thing lies still. So what is said of two frames of one scene must point at the same
place.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners.agents import optim
from sandlot.learners.agents.types import Adam, Params
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import EnvSpec
from sandlot.perception.pretrain.data import Recording

PLACE, HAND = "tool_position", "gripper_command"
HIDDEN, STEPS, BATCH, LR, DECAY = 128, 2500, 64, 2e-3, 1e-4
SCALE = 1.5  # of a place's unit, so that what is said has a deviation near 1
OUTLIER = 0.3  # a scene is sometimes disturbed: beyond this an error counts linearly


class Draws(NamedTuple):
    """Rows of every step: of demonstrations, and two of one scene of play, each [steps, B]."""

    shown: Any
    one: Any
    other: Any


def train(recording: Recording, features: np.ndarray, chosen: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """The scene's network, from features [M, Z] and the state to where the hand will be; chosen frames only.

    Raises:
        ConfigError: the state has no such entries, or there are no demonstrations to look back on.
    """
    goal, known = hindsight(recording)
    shown = np.flatnonzero(known & chosen)
    if not len(shown):
        raise ConfigError("--scene looks back on demonstrations, and there are none here; record some")
    x = np.concatenate([features, recording.state], axis=1)
    mean, scale = x[chosen].mean(0), 1.0 / np.maximum(x[chosen].std(0), 0.05)
    rng = np.random.default_rng(seed)
    play = np.flatnonzero(chosen & ~known)
    play = play if len(play) else shown
    one = rng.choice(play, (STEPS, BATCH))
    first, last = (
        np.searchsorted(recording.episode, recording.episode[one], side) for side in ("left", "right")
    )
    draws = Draws(rng.choice(shown, (STEPS, BATCH)), one, rng.integers(first, last))
    place = SCALE * recording.state[:, columns(recording.spec, PLACE)]
    made = _fit((x - mean) * scale, goal, place, draws, seed)
    # the network reads what is observed, so the standardisation goes into its first layer
    made["b0"] = made["b0"] - (mean * scale) @ made["w0"]
    made["w0"] = scale[:, None] * made["w0"]
    return {name: np.ascontiguousarray(array, np.float32) for name, array in made.items()}


def hindsight(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Where the hand first acts, from where it is now, [M, 3]; and whether a frame was demonstrated."""
    place = SCALE * recording.state[:, columns(recording.spec, PLACE)]
    hand = recording.state[:, columns(recording.spec, HAND)][:, 0]
    goal = np.zeros_like(place)
    known = np.isin(recording.episode, recording.episode[recording.obs[recording.shown]])
    for episode in np.unique(recording.episode[known]):
        rows = np.flatnonzero(recording.episode == episode)
        acts = np.flatnonzero(np.diff(hand[rows]) != 0)
        when = rows[acts[0] + 1] if len(acts) else rows[-1]
        goal[rows] = place[np.maximum(when, rows)] - place[rows]  # once it holds the thing: here
    return goal, known


def columns(spec: EnvSpec, name: str) -> slice:
    """Where an entry stands in the state."""
    start = 0
    for entry in spec.state:
        if entry.name == name:
            return slice(start, start + entry.size)
        start += entry.size
    raise ConfigError(
        f"--scene needs the state entry '{name}', and task '{spec.task}' has none; leave it out"
    )


def _fit(
    x: np.ndarray, goal: np.ndarray, place: np.ndarray, draws: Draws, seed: int
) -> dict[str, np.ndarray]:
    """Adam over all draws in one compiled scan."""
    inputs, out = x.shape[1], goal.shape[1]
    params: Params = {}
    for (name, size), key in zip(
        {"0": (inputs, HIDDEN), "1": (HIDDEN, HIDDEN), "_out": (HIDDEN, out)}.items(),
        jax.random.split(jax.random.key(seed), 3),
        strict=True,
    ):
        params |= {
            f"w{name}": jax.random.normal(key, size) / np.sqrt(size[0]),
            f"b{name}": jnp.zeros(size[1]),
        }
    x_, goal_, place_ = (jnp.asarray(a, jnp.float32) for a in (x, goal, place))

    def said(p: Params, rows: jax.Array) -> jax.Array:
        h = jnp.tanh(x_[rows] @ p["w0"] + p["b0"])
        return jnp.tanh(h @ p["w1"] + p["b1"]) @ p["w_out"] + p["b_out"]

    def loss(p: Params, at: Draws) -> jax.Array:
        shown = _huber(said(p, at.shown) - goal_[at.shown]).mean()
        still = said(p, at.one) + place_[at.one] - said(p, at.other) - place_[at.other]
        size = sum(jnp.square(v).sum() for k, v in p.items() if k.startswith("w"))
        return shown + _huber(still).mean() + DECAY * size

    def step(carry: tuple[Params, Adam], at: Draws) -> tuple[tuple[Params, Adam], None]:
        p, opt = carry
        lr = LR * 0.5 * (1.0 + jnp.cos(jnp.pi * opt.steps / STEPS))
        p, opt, _ = optim.adam_step(p, jax.grad(loss)(p, at), opt, lr=lr)
        return (p, opt), None

    start = (params, optim.init_adam(params))
    (params, _), _ = jax.jit(lambda s, d: jax.lax.scan(step, s, d))(start, Draws(*map(jnp.asarray, draws)))
    return {name: np.asarray(array, np.float64) for name, array in params.items()}


def _huber(error: jax.Array) -> jax.Array:
    """Squared for small errors, linear beyond `OUTLIER`."""
    size = jnp.abs(error)
    return jnp.where(size < OUTLIER, 0.5 * error * error, OUTLIER * (size - 0.5 * OUTLIER))
