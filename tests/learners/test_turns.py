"""Whose turn it is after what: nothing is repeated for ever."""

import itertools

import pytest

from sandlot.learners.errors import ConfigError
from sandlot.learners.turns import Begin, Trial, Turn, TurnConfig, done_before, first, judged

CFG = TurnConfig(tries=2, call_after=9)
FAILED = (Trial.FAILURE, Trial.STUCK, Trial.DONE_BEFORE)


def play(*trials, turn=None):
    turn = turn or first(pair=True, autoreset=False)
    for trial in trials:
        turn = turn.next(trial, CFG)
    return turn.direction, turn.begin


def test_success_hands_over_and_nothing_is_reset():
    assert play() == (0, Begin.HERE)
    assert play(Trial.SUCCESS) == (1, Begin.HERE)
    assert play(Trial.SUCCESS, Trial.SUCCESS) == (0, Begin.HERE)


def test_a_failure_is_tried_again_then_the_other_way_then_the_controllers_have_a_go():
    failures = [play(*[Trial.FAILURE] * n) for n in range(5)]
    assert failures == [
        (0, Begin.HERE), (0, Begin.HERE), (1, Begin.HERE), (1, Begin.HERE), (1, Begin.CONTROLLERS),
    ]  # fmt: skip


def test_where_the_other_direction_has_nothing_to_do_the_controllers_set_it_up():
    assert play(Trial.FAILURE, Trial.FAILURE, Trial.DONE_BEFORE) == (1, Begin.CONTROLLERS)
    assert play(Trial.DONE_BEFORE) == (1, Begin.HERE)
    assert play(Trial.DONE_BEFORE, Trial.DONE_BEFORE) == (1, Begin.CONTROLLERS)


def test_both_directions_are_practised_while_neither_succeeds():
    """The object stays in the first bin unless the controllers move it: forward can begin, or backward."""
    turn, played, first_bin = Turn(), [0, 0], True
    for _ in range(48):
        if turn.begin is Begin.CONTROLLERS:
            first_bin = turn.direction == 0
        done = first_bin == (turn.direction == 1)
        played[turn.direction] += not done
        turn = turn.next(Trial.DONE_BEFORE if done else Trial.FAILURE, TurnConfig(tries=3, call_after=0))
    assert played == [18, 18]


def test_what_is_stuck_is_for_the_controllers_at_once_and_a_fault_is_nobodys_failure():
    assert play(Trial.STUCK) == (0, Begin.CONTROLLERS)
    assert play(Trial.STUCK, Trial.BROKEN) == (0, Begin.HERE)
    assert play(*[Trial.BROKEN] * 100) == (0, Begin.HERE)


@pytest.mark.parametrize("kinds", [*itertools.product(FAILED, repeat=2)])
def test_whatever_fails_a_person_is_called_at_last(kinds):
    turn, begins = Turn(), []
    for trial in itertools.islice(itertools.cycle(kinds), 3 * CFG.call_after):
        turn = turn.next(trial, CFG)
        begins.append(turn.begin)
    called = [i for i, begin in enumerate(begins) if begin is Begin.PERSON]
    assert called == [8, 17, 26]
    assert Turn(begin=Begin.PERSON).options(CFG) == {"call": "9 trials in a row failed"}


def test_nobody_is_called_who_does_not_want_to_be():
    turn = Turn()
    for _ in range(200):
        turn = turn.next(Trial.FAILURE, TurnConfig(tries=2, call_after=0))
        assert turn.begin is not Begin.PERSON


def test_one_task_alone_begins_as_ever_or_by_its_controllers():
    assert first(pair=False, autoreset=False).options(CFG) is None
    assert first(pair=False, autoreset=True).options(CFG) == {"scripted": True}
    assert judged(True, True) is Trial.SUCCESS and judged(False, True) is Trial.STUCK
    assert judged(False, False) is Trial.FAILURE


def test_a_config_that_makes_no_sense_is_refused_by_name():
    with pytest.raises(ConfigError, match="--tries is 0"):
        TurnConfig(tries=0).check()


def test_a_trial_that_begins_in_success_is_seen_by_the_task_or_by_a_classifier():
    assert done_before({"success": True}) and done_before({"success": False, "p_success": 0.97})
    assert done_before({"success": False, "nothing_to_do": True})
    assert not done_before({}) and not done_before({"success": False, "p_success": 0.6})
