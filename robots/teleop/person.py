"""A scripted person: watches a policy beside the task's expert, and corrects it as briefly as they can.

They see what a supervisor sees: what the policy did, and what the expert would have done. When the two have
differed for longer than their patience they take over, do as the expert does, and let go after a few steps:
while they drive they cannot see what the policy would do, so the only way to learn whether it gets on is to
let it. When it does not, the next correction of the episode is twice as long. Nothing here reads a clock.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.teleop.mapping import AXES, GRIPPER, Button, Hands


@dataclass(frozen=True, kw_only=True)
class PersonConfig:
    """How a scripted person supervises.

    Attributes:
        tolerance: how far the policy may differ from the expert, on average over what they look back on; 1 is
            the largest step of one axis. Less is stricter.
        patience_steps: they look back on at least so many steps of the policy, and at most on twice as many,
            drawn anew each time: people have a reaction time.
        correction_steps: how long the first correction of an episode is.
        most_steps: how long one may become.
        late: share of an episode's time after which they help without looking for a difference: it is slow.
        hand_noise: standard deviation of their hand about the expert's action.
        seed: of hand and reaction time.
    """

    tolerance: float = 0.7
    patience_steps: int = 8
    correction_steps: int = 4
    most_steps: int = 16
    late: float = 0.7
    hand_noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("patience_steps", "correction_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"person's {name}={getattr(self, name)} must be at least 1")
        if self.most_steps < self.correction_steps:
            rule = f"must not be below correction_steps ({self.correction_steps})"
            raise ConfigError(f"person's most_steps={self.most_steps} {rule}")
        for name, high in (("tolerance", 4.0), ("late", 1.0), ("hand_noise", 1.0)):
            if not 0.0 <= getattr(self, name) <= high:
                raise ConfigError(f"person's {name}={getattr(self, name)} must lie in [0, {high:g}]")
        if self.seed < 0:
            raise ConfigError(f"person's seed={self.seed} must not be negative")


class Mind(NamedTuple):
    """What a person has in mind of an episode.

    Attributes:
        patience: steps of the policy that they look back on this time.
        seen: by how much the policy differed in its last steps [A], newest last, since they let go.
        left: steps of their correction to come; they drive while there are any.
        corrections: begun in this episode.
    """

    patience: int
    seen: tuple[np.ndarray, ...] = ()
    left: int = 0
    corrections: int = 0

    @property
    def drives(self) -> bool:
        """Whether the next step is theirs."""
        return self.left > 0


def after(mind: Mind, difference: np.ndarray, share: float, cfg: PersonConfig, patience: int) -> Mind:
    """What they have in mind after a step.

    Args:
        mind: before the step.
        difference: by how much the step differed from the expert's [A]; not looked at when it was theirs.
        share: of the episode's time that is over, in [0, 1].
        cfg: how they supervise.
        patience: how far they look back next time, should they let go now.
    """
    if mind.drives:
        left = mind.left - 1
        return mind._replace(left=left) if left else mind._replace(left=0, seen=(), patience=patience)
    seen = (*mind.seen, difference)[-mind.patience :]
    mind = mind._replace(seen=seen)
    if len(seen) < mind.patience:
        return mind
    # the average: a policy that tries things out differs in every step, but not always to the same side
    if share < cfg.late and float(np.linalg.norm(np.mean(seen, axis=0))) <= cfg.tolerance:
        return mind
    length = min(cfg.correction_steps * 2**mind.corrections, cfg.most_steps)
    return mind._replace(left=length, corrections=mind.corrections + 1)


def difference(did: np.ndarray, expert: np.ndarray) -> np.ndarray:
    """By how much an action differs from the expert's [A]; a gripper that is left as it is agrees."""
    found = np.asarray(did, np.float64) - expert
    if len(found) > GRIPPER and did[GRIPPER] * expert[GRIPPER] >= 0.0:
        found[GRIPPER] = 0.0
    return found


class ScriptedPerson:
    """A person with one env's controls in their hands; the same seed and steps give the same hands.

    Args:
        cfg: how they supervise.
        max_steps: an episode's time, in steps.
    """

    def __init__(self, cfg: PersonConfig, max_steps: int) -> None:
        self._cfg, self._max_steps = cfg, max_steps
        self._rng = np.random.default_rng(cfg.seed)
        self.begin()

    @property
    def drives(self) -> bool:
        """Whether the next step is theirs."""
        return self._mind.drives

    def begin(self) -> None:
        """An episode begins: they let go."""
        self._mind, self._steps = Mind(self._patience()), 0

    def hands(self, expert: np.ndarray) -> Hands:
        """What their hands do where the expert would do this [A]: drive, or nothing."""
        if not self.drives:
            return Hands()
        axes = np.zeros(AXES)
        axes[: len(expert)] = expert + self._rng.normal(0.0, self._cfg.hand_noise, len(expert))
        if len(expert) > GRIPPER:
            axes[GRIPPER] = expert[GRIPPER]  # a button, not a stick
        return Hands(tuple(np.clip(axes, -1.0, 1.0).tolist()), frozenset({Button.TAKE_OVER}))

    def saw(self, did: np.ndarray, expert: np.ndarray) -> None:
        """A step is over: what the policy asked for, and what the expert would have done [A]."""
        self._steps += 1
        share, away = self._steps / self._max_steps, difference(did, expert)
        self._mind = after(self._mind, away, share, self._cfg, self._patience())

    def _patience(self) -> int:
        least = self._cfg.patience_steps
        return int(self._rng.integers(least, 2 * least, endpoint=True))
