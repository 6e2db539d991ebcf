"""How to learn: pure JAX functions, state in, state and info out.

RLPD, SAC, WSRL, behaviour cloning and HG-DAgger share one config, one state and one `update`. Nothing here
knows an env, a file or a socket; the policy that an actor plays, without JAX, is
`sandlot.learners.policy.Policy`.
"""

from sandlot.learners.agents.agent import arrays_to_state, init, state_to_arrays, update
from sandlot.learners.agents.config import CLONES, AgentConfig
from sandlot.learners.agents.presets import PRESETS, preset
from sandlot.learners.agents.types import AgentState, Info, Transition

__all__ = [
    "CLONES",
    "PRESETS",
    "AgentConfig",
    "AgentState",
    "Info",
    "Transition",
    "arrays_to_state",
    "init",
    "preset",
    "state_to_arrays",
    "update",
]
