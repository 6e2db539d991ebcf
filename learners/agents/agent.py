"""What every agent has: `init`, `update`, and the two that turn a state into arrays and back."""

import functools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from sandlot.learners.agents import bc, gripper, networks, optim, sac, vision
from sandlot.learners.agents.config import CLONES, AgentConfig
from sandlot.learners.agents.types import AgentState, Info, Transition
from sandlot.learners.errors import StoreError
from sandlot.learners.limit import limit_of
from sandlot.learners.schema import EnvSpec


def init(spec: EnvSpec, cfg: AgentConfig, seed: int) -> AgentState:
    """A fresh agent for envs of this spec; the same seed gives the same weights."""
    key_actor, key_critic, key_run = jax.random.split(jax.random.key(seed), 3)
    limited = limit_of(cfg)
    if limited:
        limited.check(spec)
    size = vision.input_size(spec, cfg)
    grip = gripper.init(jax.random.fold_in(key_critic, 2), spec, size, cfg)
    own = spec.action_size if grip is None else len(grip.where.continuous)
    actor = networks.init_actor(key_actor, size, own, cfg)
    actor |= vision.init_neck(jax.random.fold_in(key_actor, 1), spec, cfg)
    critic = {} if cfg.algo in CLONES else networks.init_critics(key_critic, size, spec.action_size, cfg)
    log_temp = jnp.log(jnp.float32(cfg.init_temperature))
    return AgentState(
        actor=actor,
        critic=critic,
        target=jax.tree.map(jnp.copy, critic),  # its own memory: the update donates both
        log_temp=log_temp,
        actor_opt=optim.init_adam(actor),
        critic_opt=optim.init_adam(critic),
        temp_opt=optim.init_adam({"log_temp": log_temp}),
        rng=jax.random.key_data(key_run),
        step=jnp.zeros((), jnp.int32),
        vision=vision.init(jax.random.fold_in(key_critic, 1), spec, cfg),
        gripper=grip,
    )


@functools.partial(jax.jit, static_argnames=("cfg", "offline"), donate_argnums=0)
def update(
    state: AgentState, batches: Transition, cfg: AgentConfig, offline: bool = False
) -> tuple[AgentState, Info]:
    """As many gradient steps as `batches` has minibatches [U, B], in one compiled scan.

    The given state's memory is reused: keep only the returned one. A network whose gradient is not finite
    keeps its weights and its optimiser for that step, and `info["skipped"]` counts it.

    Args:
        state: the agent.
        batches: minibatches, leading axes [U, B].
        cfg: the settings; a new value compiles anew.
        offline: pretraining by Cal-QL (wsrl only); everything else is ordinary learning.
    """
    if cfg.algo in CLONES:
        return bc.update(state, batches, cfg)
    return sac.update(state, batches, cfg, offline=offline)


def state_to_arrays(state: AgentState) -> dict[str, np.ndarray]:
    """Every number of an agent by a flat name (`critic_opt.mu.w0`), for safetensors; exact to the bit."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    return {_name(path): np.array(leaf) for path, leaf in leaves}


def arrays_to_state(template: AgentState, arrays: Mapping[str, np.ndarray]) -> AgentState:
    """The agent that `state_to_arrays` described; `template` gives the structure, its values are not read.

    Raises:
        StoreError: a name, shape or type differs from the template's, or a number is not finite.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(template)
    expected = {_name(path): leaf for path, leaf in leaves}
    if expected.keys() != arrays.keys():
        odd = sorted(expected.keys() ^ arrays.keys())[:4]
        raise StoreError(
            f"agent arrays {odd} are missing or unknown; this checkpoint is of another agent config"
        )
    for name, leaf in expected.items():
        got = arrays[name]
        if got.shape != leaf.shape or got.dtype != leaf.dtype:
            raise StoreError(
                f"agent array '{name}' is {got.dtype}{list(got.shape)}, this agent needs {leaf.dtype}"
                f"{list(leaf.shape)}; use the config the checkpoint was written with"
            )
        if not np.isfinite(got).all():
            raise StoreError(
                f"agent array '{name}' holds numbers that are not finite; load an older checkpoint"
            )
    return jax.tree_util.tree_unflatten(tree, [jnp.array(arrays[_name(path)]) for path, _ in leaves])


def _name(path: tuple) -> str:
    return ".".join(str(getattr(part, "name", getattr(part, "key", ""))) for part in path)
