"""Steps end on a grid for as long as commands keep up with it."""

import pytest

from sandlot.robots.rhythm import Rhythm


def test_small_delays_do_not_move_the_grid():
    rhythm = Rhythm(0.1)
    ends = [rhythm.begin(now_s) for now_s in (10.0, 10.102, 10.201, 10.324)]
    assert ends == pytest.approx([10.1, 10.2, 10.3, 10.4]) and rhythm.restarts == 0


def test_a_late_command_gets_a_whole_period():
    rhythm = Rhythm(0.1)
    rhythm.begin(10.0)
    assert rhythm.begin(10.13) == pytest.approx(10.23) and rhythm.restarts == 1
    assert rhythm.begin(10.23) == pytest.approx(10.33)


def test_a_pause_is_no_jitter():
    rhythm = Rhythm(0.1)
    assert rhythm.jitter_ms() == {}
    for now_s in (10.0, 10.1, 10.203):
        rhythm.begin(now_s)
    rhythm.pause()
    assert rhythm.begin(20.0) == pytest.approx(20.1)
    rhythm.begin(20.1)
    figures = rhythm.jitter_ms()
    assert (
        figures["command_jitter_p99_ms"] == pytest.approx(3.0, abs=0.1) and figures["command_restarts"] == 0
    )
