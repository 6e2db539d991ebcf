"""What is practised next where two tasks undo each other and nobody resets between them. Pure.

A success hands over to the other direction. A failure is tried again, `tries` times; then the other direction
is tried from where things stand; where it has nothing to do, or fails as often, the reset controllers set up
a trial of it. An object that is stuck is for them at once. So many failures in a row as `call_after` call a
person: nothing is repeated for ever.
"""

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

from sandlot.learners.errors import ConfigError

SURE = 0.8
"""A classifier that gives the first frame of a trial this probability of success has said it."""


class Trial(enum.Enum):
    """How a trial ended."""

    SUCCESS = enum.auto()
    FAILURE = enum.auto()
    STUCK = enum.auto()  # a failure that left things where no direction can begin
    DONE_BEFORE = enum.auto()  # it began in success: there was nothing to do
    BROKEN = enum.auto()  # a fault or a stop ended it: nobody failed


class Begin(enum.Enum):
    """How a trial begins; the value is for the env's `reset`."""

    AS_EVER = enum.auto()  # the env's own reset
    HERE = enum.auto()  # where things stand
    CONTROLLERS = enum.auto()  # the task's reset controllers put things in order first
    PERSON = enum.auto()  # a person does; the simulator's hand in simulation


class TurnConfig(NamedTuple):
    """See `ActorConfig`."""

    tries: int = 3
    call_after: int = 50

    def check(self) -> "TurnConfig":
        """Returns itself, or raises ConfigError."""
        if self.tries < 1 or self.call_after < 0:
            raise ConfigError(
                f"--tries is {self.tries}, --call-after is {self.call_after}; use at least 1 and 0 (never)"
            )
        return self


class Turn(NamedTuple):
    """Whose trial it is, and what came before.

    Attributes:
        direction: 0 forward, 1 backward.
        begin: how the trial begins.
        failures: in a row, in this direction, since anybody put things in order.
        swapped: whether this direction is played because the other one failed.
        fruitless: trials in a row, in both directions, that were no success.
    """

    direction: int = 0
    begin: Begin = Begin.HERE
    failures: int = 0
    swapped: bool = False
    fruitless: int = 0

    def __str__(self) -> str:
        how = self.begin.name
        return f"next={self.direction} begin={how} failures={self.failures} fruitless={self.fruitless}"

    def next(self, trial: Trial, cfg: TurnConfig) -> "Turn":
        """The turn after this one."""
        if trial is Trial.SUCCESS:
            return Turn(1 - self.direction)
        if trial is Trial.BROKEN:
            return self._replace(begin=Begin.HERE)
        fruitless = self.fruitless + 1
        if cfg.call_after and fruitless >= cfg.call_after:
            return Turn(self.direction, Begin.PERSON)
        if trial is Trial.DONE_BEFORE and self.swapped:  # both shall be practised: controllers help
            return Turn(self.direction, Begin.CONTROLLERS, fruitless=fruitless)
        if trial is Trial.DONE_BEFORE:
            return Turn(1 - self.direction, Begin.HERE, 0, True, fruitless)
        return self._after_failure(trial, fruitless, cfg.tries)

    def _after_failure(self, trial: Trial, fruitless: int, tries: int) -> "Turn":
        if trial is Trial.STUCK:
            return Turn(self.direction, Begin.CONTROLLERS, fruitless=fruitless)
        if self.failures + 1 < tries:
            return Turn(self.direction, Begin.HERE, self.failures + 1, self.swapped, fruitless)
        if not self.swapped:
            return Turn(1 - self.direction, Begin.HERE, 0, True, fruitless)
        return Turn(self.direction, Begin.CONTROLLERS, fruitless=fruitless)

    def options(self, cfg: TurnConfig) -> dict[str, Any] | None:
        """For the env's `reset`."""
        return {
            Begin.AS_EVER: None,
            Begin.HERE: {"continue": True},
            Begin.CONTROLLERS: {"scripted": True},
            Begin.PERSON: {"call": f"{cfg.call_after} trials in a row failed"},
        }[self.begin]


def first(*, pair: bool, autoreset: bool) -> Turn:
    """How an actor's trials begin: the first of two practices in turn, or every trial of one alone."""
    if pair:
        return Turn()
    return Turn(begin=Begin.CONTROLLERS if autoreset else Begin.AS_EVER)


def judged(success: bool, stuck: bool) -> Trial:
    """How a trial that is over ended."""
    return Trial.SUCCESS if success else Trial.STUCK if stuck else Trial.FAILURE


def done_before(info: Mapping[str, Any]) -> bool:
    """Whether a trial begins with nothing to do: by the task, or by a classifier at its first sight."""
    said = bool(info.get("success", False) or info.get("nothing_to_do", False))
    return said or float(info.get("p_success", 0.0)) >= SURE
