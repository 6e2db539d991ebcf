"""The limits of every reset controller, by a carriage on a rail and a clock that the test moves."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.learners.real_time import ResetNote
from sandlot.robots.errors import ResetFailedError
from sandlot.robots.resets import Patience, Verdict, begin, restore, tick

PATIENCE = Patience(tries=3, state_s=2.0, all_s=20.0, entries=2, frozen_s=1.0)


@dataclass(frozen=True)
class Drive:
    """To the goal; past 5 it says `near`."""

    name = "drive"
    first = "far"
    goal: float = 9.0

    def applies(self, reading, scene):
        return abs(reading - scene) > 0.5

    def problem(self, reading, scene):
        return "off the rail" if abs(reading) > 100 else ""

    def next(self, state, reading, scene):
        if not self.applies(reading, scene):
            return state, None
        return "near" if reading > 5 else "far", np.float32([np.sign(scene - reading)])

    def watched(self, reading):
        return np.array([reading])


def run(readings, patience=PATIENCE, goal=9.0):
    """Ticks twice a second over readings; the last progress and how many commands there were."""
    drive, progress, commands = Drive(), None, 0
    for i, reading in enumerate(readings):
        progress = progress or begin(drive, reading, 0.0)
        progress, action = tick(progress, drive, reading, goal, now_s=0.5 * i, patience=patience)
        if action is None:
            return progress, commands
        commands += 1
    return progress, commands


def test_a_controller_that_gets_there_is_done():
    progress, commands = run([0.0, 3.0, 6.0, 8.0, 9.0])
    assert (progress.verdict, progress.tries, commands) == (Verdict.DONE, 1, 4)
    assert progress.entries == {"far": 1, "near": 1}


def test_a_state_that_lasts_too_long_is_tried_three_times_and_no_more():
    trembling = [0.01 * (i % 2) for i in range(99)]
    progress, commands = run(trembling)
    assert progress.verdict is Verdict.GAVE_UP and progress.tries == 3
    assert progress.why == "state 'far' lasted 2.5 s"
    assert commands == 3 * 5  # 2 s at two a second and the one that begins


def test_going_back_and_forth_ends_it():
    progress, commands = run([4.0 + 2.0 * (i % 2) for i in range(99)])
    assert progress.why == "state 'far' was begun 3 times" and progress.tries == 3 and commands < 15


def test_a_reading_that_stands_still_ends_a_try_sooner_than_its_state():
    progress, commands = run([3.0] * 99)
    assert progress.why == "the robot's reading stood still for 1 s in state 'far'" and commands == 3 * 2


def test_all_tries_together_have_a_limit_too():
    patience = replace(PATIENCE, tries=99, all_s=7.0)
    progress, commands = run([0.01 * (i % 2) for i in range(99)], patience)
    assert progress.why == "state 'far' after 7 s in all" and commands == 15


def test_what_can_never_succeed_is_not_tried():
    progress, commands = run([101.0])
    assert (progress.why, progress.tries, commands) == ("off the rail", 1, 0)


@pytest.mark.parametrize("field", ["tries", "state_s", "all_s", "entries", "frozen_s"])
def test_endless_patience_is_refused(field):
    with pytest.raises(ConfigError, match=f"patience '{field}' is 0"):
        Patience(**{field: 0})


class Rail:
    """A robot at 2 Hz whose reading is where it is."""

    control_hz = 2.0

    def __init__(self, steps=(3.0,)):
        self.at, self.steps, self.acts = 0.0, list(steps), 0

    def observe(self):
        return self.at

    def act(self, action):
        self.acts += 1
        self.at += self.steps[(self.acts - 1) % len(self.steps)] * float(action[0])
        return action


@dataclass(frozen=True)
class Nudge(Drive):
    """Puts right what is behind the start."""

    name = "nudge"

    def applies(self, reading, scene):
        return reading < 0


def test_the_first_that_has_something_to_do_acts_until_none_has():
    rail = Rail()
    rail.at = -3.0
    notes = restore(rail, (Nudge(), Drive()), 9.0, patience=PATIENCE)
    assert notes == [ResetNote("nudge", 0.5, 1, 1), ResetNote("drive", 1.5, 1, 3)]
    assert restore(rail, (), 9.0) == []


def test_a_controller_that_gives_up_says_why_and_commands_no_more():
    rail = Rail([0.01, -0.01])
    with pytest.raises(
        ResetFailedError, match="'drive' gave up after 3 tries and 7.5 s: state 'far'"
    ) as caught:
        restore(rail, (Drive(),), 9.0, patience=PATIENCE)
    (note,) = caught.value.resets
    assert note.failed and note.steps == rail.acts == 15 and caught.value.needs_person


def test_controllers_that_undo_each_other_do_not_go_on_for_ever():
    @dataclass(frozen=True)
    class Away(Drive):
        name = "away"

        def applies(self, reading, scene):
            return reading > 8.0

        def next(self, state, reading, scene):
            return state, None if reading < 1.0 else np.float32([-1.0])

    with pytest.raises(ResetFailedError, match="it was done 3 times, and had to begin again"):
        restore(Rail([3.0]), (Away(), replace(Drive(), goal=9.0)), 9.0, patience=PATIENCE)
