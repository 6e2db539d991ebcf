"""The data an agent is made of and learns from."""

from typing import Any, NamedTuple

import jax

from sandlot.learners.grip import Grips

jax.tree_util.register_static(Grips)

Array = Any
"""A JAX array inside the maths; callers may pass numpy arrays, which replay gives."""
Params = dict[str, Any]
"""Weights by name: `w0, b0, scale0, shift0, ..., w_out, b_out`; an ensemble has one more leading axis [E]."""


class Transition(NamedTuple):
    """Minibatches for one update: every array has the leading axes [U, B] (U gradient steps of B samples).

    `discount` is 0 only where the task truly ended; with n-step returns it is the product of the discounts
    on the way times gamma^(n-1), so that the target is always `reward + gamma * discount * Q(next_obs)`.
    """

    obs: dict[str, Any]  # {"state": float32 [U, B, S], "images": {camera: uint8 [U, B, H, W, 3]}}
    action: Array  # float32 [U, B, A] in [-1, 1], as executed
    reward: Array  # float32 [U, B], summed over n steps
    discount: Array  # float32 [U, B] in [0, 1]
    next_obs: dict[str, Any]  # as obs, n steps later
    mc_return: Array  # float32 [U, B], discounted return to the episode's end; read by Cal-QL only


class Adam(NamedTuple):
    """Adam's memory of one network."""

    steps: Array  # int32 []
    mu: Params  # running mean of the gradient
    nu: Params  # running mean of its square


class Vision(NamedTuple):
    """What an agent with cameras knows besides; see `vision.py`. Frozen encoders have no Adam memory."""

    encoder: Params  # of every camera
    neck: Params  # the critics' bottleneck; empty without critics
    target: Params  # its moving average
    mu: Params  # Adam's memory of encoder and neck, whose steps are the critics' (or, cloning, the policy's)
    nu: Params


class Gripper(NamedTuple):
    """A double DQN over joint choices of the grippers; see `gripper.py`. It steps when the critics do."""

    params: Params
    target: Params
    mu: Params
    nu: Params
    where: Grips  # static: part of the tree's structure


class AgentState(NamedTuple):
    """Everything an agent knows; never changed in place. Agents without critics hold empty dicts there."""

    actor: Params
    critic: Params  # leading axis [E]
    target: Params  # leading axis [E]
    log_temp: Array  # float32 [], log of the entropy temperature
    actor_opt: Adam
    critic_opt: Adam
    temp_opt: Adam
    rng: Array  # uint32 [2], threefry key
    step: Array  # int32 [], gradient steps taken or skipped so far
    vision: Vision | None = None  # None when no camera is observed
    gripper: Gripper | None = None  # None when the gripper is continuous


Info = dict[str, jax.Array]
"""Scalars of one update, for people: losses, means, and `skipped` (network steps refused as not finite)."""
