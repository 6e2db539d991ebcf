"""A limit that is learned, of a number of the state that the policy's first action number raises.

RACER (Stachowicz & Levine 2024, 2405.04714) lets a car learn how fast it may ask to go: it begins slow, and
the limit rises as the critics, that look at the worst returns, come to expect more of going faster. Here the
limit is one more weight of the policy, moved by the policy's own gradient.

The same code for JAX and numpy: `xp` is either.
"""

import math
from typing import TYPE_CHECKING, Any

import msgspec

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import EnvSpec

if TYPE_CHECKING:  # the agents import JAX; an actor must not
    from sandlot.learners.agents import AgentConfig

WEIGHT = "limit"
"""The name of the weight, [1]; the limit is where its sigmoid lies between the lowest and the highest."""
FIRST = -2.2
"""Its first value: a tenth of the way."""
LEAST = 0.2
"""Of the action's range of 2 so much is always left, at its lower end: above the limit it can but go down."""


class LimitArch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is limited.

    Attributes:
        number: which number of the state.
        step: what an action of 1 adds to it.
        low: lowest limit.
        high: highest.
    """

    number: int
    step: float
    low: float
    high: float

    def check(self, spec: EnvSpec) -> None:
        """Raises ConfigError unless there is such a number."""
        if self.number >= spec.state_size:
            raise ConfigError(
                f"agent setting 'limit_number' is {self.number}, but task '{spec.task}' observes "
                f"{spec.state_size} numbers, 0 to {spec.state_size - 1}; name the one that the first action "
                "number raises"
            )


def limit_of(cfg: "AgentConfig") -> LimitArch | None:
    """The limit that a config asks for."""
    if cfg.limit_number < 0:
        return None
    return LimitArch(cfg.limit_number, cfg.limit_step, *cfg.limit_range)


def limit(xp: Any, weight: Any, arch: LimitArch) -> Any:
    """The limit that a weight [1] stands for, [1], in the state's unit."""
    return arch.low + (arch.high - arch.low) / (1.0 + xp.exp(-weight))


def ceiling(xp: Any, weight: Any, state: Any, arch: LimitArch) -> Any:
    """The highest first action number [..] that keeps the state [.., S] below its limit, in (-1, 1]."""
    room = (limit(xp, weight, arch)[0] - state[..., arch.number]) / arch.step
    return xp.clip(room, LEAST - 1.0, 1.0)


def below(xp: Any, action: Any, highest: Any) -> Any:
    """The action [.., A] with its first number squeezed from [-1, 1] to [-1, highest]."""
    first = (action[..., :1] + 1.0) * (highest[..., None] + 1.0) / 2.0 - 1.0
    return xp.concatenate([first, action[..., 1:]], axis=-1)


def log_squeeze(xp: Any, highest: Any) -> Any:
    """What squeezing adds to the log density of an action, [..]."""
    return math.log(2.0) - xp.log(highest + 1.0)
