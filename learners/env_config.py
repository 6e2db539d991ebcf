"""What an actor is told of its env and its pace. It imports no JAX, so an actor need not either."""

import dataclasses
from typing import Annotated, Any, Literal

import tyro

Pace = Literal["learner", "realtime", "free"]
Stale = Literal["continue", "stop"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnvConfig:
    """Which env an actor steps.

    Attributes:
        cameras: cameras to observe with, e.g. `wrist side`; none means state only.
        randomize: draw dynamics, latency and sensor noise anew at every reset.
        mjcf: an MJCF file of another arm instead of the built-in one.
    """

    cameras: tuple[str, ...] = ()
    randomize: bool = False
    mjcf: str = ""

    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments for `sandlot.learners.envs.make`, only those that were set."""
        return {k: v for k, v in dataclasses.asdict(self).items() if v}


EnvArgs = Annotated[EnvConfig, tyro.conf.arg(name="")]
"""An EnvConfig whose flags have no prefix: `--cameras`, not `--env.cameras`."""
