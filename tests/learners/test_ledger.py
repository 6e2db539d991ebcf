"""What the time goes to, by a clock that the test moves."""

import pytest

from sandlot.learners.ledger import Ledger, Recent, Totals, Use, practice_figures, reset_table
from sandlot.learners.real_time import ResetNote


def ledger_by_hand(life=1.0):
    """20 s: 12 of them stepping, 5 resetting, 3 waiting for a person."""
    ledger = Ledger(life)
    for use, now_s in (
        (Use.RESETTING, 100.0),
        (Use.STEPPING, 105.0),
        (Use.PERSON, 110.0),
        (Use.STEPPING, 113.0),
    ):
        ledger.enter(use, now_s)
    return ledger


def test_at_every_moment_the_seconds_sum_to_the_time_since_the_first_one():
    ledger = ledger_by_hand()
    for now_s in (113.0, 114.5, 120.0):
        sums = Totals()
        sums.hear("a", ledger.figures(now_s))
        assert sum(sums.sums()[use] for use in Use) == pytest.approx(now_s - 100.0)
    assert sums.sums()[Use.STEPPING] == 12.0 and sums.sums()[Use.PERSON] == 3.0


def test_figures_by_hand():
    ledger, totals = ledger_by_hand(), Totals()
    ledger.count("calls")
    ledger.note_resets([ResetNote("go_home", 2.0, 1, 20), ResetNote("put_back", 6.0, 3, 60, "it slipped")])
    totals.hear("a", {"steps": 9.0, **ledger.figures(120.0)})
    got = practice_figures(totals.sums(), {Use.STEPPING: 3.0, Use.FAULT: 1.0}, trials=4, interventions=2)
    assert got["utilisation"] == 12 / 20 and got["utilisation_10min"] == 3 / 4
    assert got["time_person_s"] == 3 and got["time_learner_s"] == 0 and got["calls"] == 1
    assert got["trials_per_hour"] == 4 * 180 and got["interventions_per_hour"] == 2 * 180
    assert (got["resets"], got["reset_tries"], got["reset_steps"], got["reset_s"]) == (2, 4, 80, 4.0)
    assert reset_table(totals.sums())["put_back"] == {
        "count": 1, "seconds": 6, "tries": 3, "steps": 60, "failed": 1,
    }  # fmt: skip
    assert practice_figures({}, {}, 0, 0) == {} and reset_table({}) == {}


def test_nothing_is_lost_or_counted_twice_when_actor_or_learner_start_anew():
    totals = Totals()
    totals.hear("a", ledger_by_hand(1.0).figures(115.0))  # 15 s
    resumed = Totals(totals.state())  # the learner was killed; the actor lives on
    resumed.hear("a", ledger_by_hand(1.0).figures(120.0))
    assert sum(resumed.sums()[use] for use in Use) == 20
    resumed.hear("a", ledger_by_hand(2.0).figures(113.0))  # then the actor was
    resumed.hear("b", ledger_by_hand(3.0).figures(113.0))
    assert sum(resumed.sums()[use] for use in Use) == 20 + 13 + 13
    resumed.hear("b", {"steps": 1.0})  # one that has not begun says nothing of its time
    assert sum(Totals(resumed.state()).sums()[use] for use in Use) == 46


def test_the_last_ten_minutes():
    recent = Recent()
    assert recent.update(0.0, {"x": 5.0}) == {"x": 0.0}
    assert recent.update(60.0, {"x": 8.0, "y": 1.0}) == {"x": 3.0, "y": 1.0}
    assert recent.update(650.0, {"x": 9.0, "y": 1.0}) == {
        "x": 4.0,
        "y": 1.0,
    }
    assert recent.update(661.0, {"x": 9.5, "y": 1.0}) == {"x": 1.5, "y": 0.0}
