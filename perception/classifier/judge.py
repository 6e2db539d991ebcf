"""From probabilities to success: stages in order, debounce and hysteresis. Pure functions of one step.

A stage is reached when enough steps said so, and none of those in between denied it. Nothing is reached that
was not seen absent before in the same episode: a classifier that always says yes never gives a reward.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """When a stage counts as reached.

    Attributes:
        enter: for each stage, the probability from which a step counts.
        leave: the same below which the counting starts again; in between nothing changes.
        debounce: so many steps must count.
    """

    enter: tuple[float, ...]
    leave: tuple[float, ...]
    debounce: int

    def __post_init__(self) -> None:
        if len(self.enter) != len(self.leave) or self.debounce < 2:
            raise ConfigError(
                f"enter={self.enter}, leave={self.leave}, debounce={self.debounce}: one pair of thresholds "
                "a stage, and at least 2 steps"
            )


class Standing(NamedTuple):
    """How far an episode has come.

    Attributes:
        stage: how many stages were reached; all of them are success.
        counted: steps that counted towards the next one.
        absent: for each stage, whether it was seen not reached in this episode.
    """

    stage: int
    counted: int
    absent: tuple[bool, ...]


def begin(rule: Rule) -> Standing:
    """The standing before anything was seen."""
    return Standing(0, 0, (False,) * len(rule.enter))


def advance(standing: Standing, reached: np.ndarray, rule: Rule, *, news: bool = True) -> Standing:
    """The standing after one step.

    Args:
        standing: the one before.
        reached: for each stage, the probability that it is reached, in [0, 1].
        rule: the thresholds.
        news: whether the frames are new evidence; those that are not count neither for nor against.
    """
    stage, counted, absent = standing
    if stage == len(rule.enter) or not news:
        return standing
    absent = tuple(a or bool(p < low) for a, p, low in zip(absent, reached, rule.leave, strict=True))
    if reached[stage] < rule.leave[stage] or not absent[stage]:
        counted = 0
    elif reached[stage] >= rule.enter[stage]:
        counted += 1
    if counted >= rule.debounce:
        return Standing(stage + 1, 0, absent)
    return Standing(stage, counted, absent)


def succeeded(standing: Standing) -> bool:
    """Whether the last stage was reached."""
    return standing.stage == len(standing.absent)
