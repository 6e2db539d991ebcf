"""The update ratio: gradient steps per environment step, kept by a token bucket.

Every environment step after the first `start_after` earns `ratio` updates. All counts are exact (fractions of
totals), so nothing drifts. The bucket holds `burst` updates; what runs over is forfeited, and is seen as
`reached < wanted`.
"""

import math
from fractions import Fraction
from typing import Any

import msgspec

from sandlot.learners.errors import ConfigError


class RatioConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The contract.

    Attributes:
        ratio: updates per environment step, any number >= 0; 0.5 is one update every other step.
        chunk: updates come in multiples of this (one jitted scan).
        start_after: environment steps before the first of them earns an update.
        burst: updates the bucket holds at most, >= chunk.
    """

    ratio: float
    chunk: int = 1
    start_after: int = 0
    burst: int = 1_000_000

    def __post_init__(self) -> None:
        """Raises ConfigError for a contract that cannot be kept."""
        if not (math.isfinite(self.ratio) and self.ratio >= 0):
            raise ConfigError(f"update ratio {self.ratio}: must be a number >= 0")
        if self.chunk < 1 or self.start_after < 0:
            raise ConfigError(
                f"update ratio: chunk {self.chunk}, start_after {self.start_after}; use >= 1, >= 0"
            )
        if self.burst < self.chunk:
            raise ConfigError(
                f"update ratio: burst {self.burst} is below the chunk of {self.chunk}; raise it"
            )


class UpdateRatio:
    """Grants updates. `granted` counts those given, `forfeited` those that ran over the bucket."""

    def __init__(self, cfg: RatioConfig) -> None:
        """Nothing is earned yet."""
        self.cfg = cfg
        self.env_steps = self.granted = self.forfeited = 0

    @property
    def wanted(self) -> float:
        """Updates per environment step that the contract asks for."""
        return self.cfg.ratio

    @property
    def reached(self) -> float:
        """Updates granted per environment step that could earn them; 0 before there are any."""
        return self.granted / max(1, self.env_steps - self.cfg.start_after)

    def allow(self, env_steps: int) -> int:
        """Updates to do now, a multiple of the chunk; they count as done.

        Args:
            env_steps: environment steps stored so far, in all; never fewer than before.
        """
        if env_steps < self.env_steps:
            raise ValueError(
                f"update ratio: {env_steps} env steps after {self.env_steps}; they only ever grow"
            )
        self.env_steps = env_steps
        earned = exact(self.cfg.ratio) * max(0, env_steps - self.cfg.start_after)
        held = earned - self.granted - self.forfeited
        self.forfeited += max(0, math.floor(held - self.cfg.burst))
        due = min(math.floor(held), self.cfg.burst) // self.cfg.chunk * self.cfg.chunk
        self.granted += due
        return due

    def state(self) -> dict[str, Any]:
        """What `restore` needs, JSON."""
        return {"env_steps": self.env_steps, "granted": self.granted, "forfeited": self.forfeited}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from where `state` was taken."""
        self.env_steps, self.granted = int(state["env_steps"]), int(state["granted"])
        self.forfeited = int(state["forfeited"])


def exact(ratio: float) -> Fraction:
    """The decimal number that a person wrote: 0.1 is one tenth, not the nearest binary fraction."""
    return Fraction(repr(ratio))


def lead_allowance(env_steps: int, updates: int, max_lead_steps: int, cfg: RatioConfig) -> int:
    """Environment steps that simulated actors may take now, so that the learner can keep the ratio.

    Args:
        env_steps: steps taken so far by all actors.
        updates: updates done so far, forfeited ones included.
        max_lead_steps: how far the actors may be ahead of the step that the updates correspond to.
        cfg: the contract; with a ratio of 0 nothing has to be waited for.
    """
    if cfg.ratio == 0:
        return max_lead_steps
    least = math.ceil(cfg.chunk / exact(cfg.ratio))
    if max_lead_steps < least:
        raise ConfigError(
            f"max_lead_steps {max_lead_steps}: {cfg.chunk} updates at ratio {cfg.ratio} need {least} steps; "
            f"actors and learner would wait for each other, use {least} or more"
        )
    paid_for = cfg.start_after + math.ceil(updates / exact(cfg.ratio))
    return max(0, paid_for + max_lead_steps - env_steps)
