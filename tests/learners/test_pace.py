"""Pacing by a clock that the test moves: no test here waits."""

import pytest

from sandlot.learners import pace
from sandlot.learners.pace import Pacer, allowance


class Clock:
    """A steady clock that only `sleep` moves."""

    def __init__(self):
        self.now_s = 100.0

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def never():
    return False


def test_the_allowance_is_shared_and_less_what_the_learner_does_not_know():
    info = {"may_take": 100.0, "actors": 2.0, "known.me": 30.0}
    assert allowance(info, "me", 40) == 100 / 2 - 10
    assert allowance(info, "other", 7) == 50 - 7  # of this one the learner knows nothing yet
    assert allowance({}, "me", 0) == 0  # before the learner spoke


def test_real_time_keeps_the_period_whatever_the_step_took(clock):
    pacer, began = Pacer("realtime", 0.1, never), []
    for took_s in (0.03, 0.09, 0.0, 0.05):
        pacer.wait(lambda: 0.0)  # no allowance is needed
        began.append(clock.now_s)
        clock.now_s += took_s
    assert began == pytest.approx([100.0, 100.1, 100.2, 100.3])
    assert pacer.jitter_ms()["loop_p99_ms"] == pytest.approx(0, abs=1e-6)
    assert (pacer.missed, pacer.taken) == (0, 4)


def test_a_missed_deadline_is_counted_and_not_hurried_after(clock):
    pacer = Pacer("realtime", 0.1, never)
    pacer.wait(lambda: 0.0)
    clock.now_s += 0.35
    pacer.wait(lambda: 0.0)
    assert clock.now_s == pytest.approx(100.35)  # at once, and a new rhythm begins here
    pacer.wait(lambda: 0.0)
    assert clock.now_s == pytest.approx(100.45)
    assert pacer.missed == 1
    assert pacer.jitter_ms()["loop_p99_ms"] > 200  # the long period shows


def test_a_reset_is_no_period(clock):
    pacer = Pacer("realtime", 0.1, never)
    pacer.wait(lambda: 0.0)
    clock.now_s += 5
    pacer.episode_began()
    pacer.wait(lambda: 0.0)
    assert (pacer.missed, pacer.jitter_ms()) == (0, {})


def test_in_the_learners_pace_it_waits_for_allowance(clock):
    answers = iter([0.0, 0.5, 1.0])
    Pacer("learner", 0.1, never).wait(lambda: next(answers))
    assert next(answers, None) is None  # asked until it was 1
    assert clock.now_s == pytest.approx(100 + 2 * pace.POLL_S)


def test_a_stop_ends_the_wait_for_allowance(clock):
    Pacer("learner", 0.1, lambda: True).wait(lambda: 0.0)
    assert clock.now_s == 100.0


def test_free_never_waits(clock):
    pacer = Pacer("free", 0.1, never)
    pacer.wait(lambda: 0.0)
    assert (clock.now_s, pacer.taken) == (100.0, 1)
