"""Laps by hand, round a square of 4 m."""

import math

import numpy as np
import pytest

from sandlot.robots.car.course import Course
from sandlot.robots.car.laps import LapState, begin, drive, summary

SQUARE = Course(name="square", checkpoints_m=((0, 0), (4, 0), (4, 4), (0, 4)))


def driven(order, state=None, start_s=0.0, **at):
    """Goes from corner to corner, one second each; `at` maps an index of `order` to what happens there."""
    state, laps = state or LapState(), []
    for k, corner in enumerate(order):
        happens = at.get(f"at_{k}", {})
        state, lap = drive(
            state, SQUARE, np.array(SQUARE.checkpoints_m[corner]) + 0.5, start_s + k, **happens
        )
        laps += [lap] if lap else []
    return state, laps


def test_a_lap_is_from_start_line_to_start_line():
    state, laps = driven([0, 1, 2, 3, 0, 1, 2, 3, 0])
    assert [(lap.began_s, lap.time_s, lap.clean) for lap in laps] == [(0, 4, True), (4, 4, True)]
    assert state.goal == 1 and state.passed == 9


def test_the_way_to_the_line_is_no_lap_and_a_short_cut_ends_none():
    _, laps = driven([2, 3, 0, 1, 2, 3], LapState(goal=2))
    assert laps == []
    state, laps = driven([0, 1, 3, 0, 0])
    assert laps == [] and state.goal == 2
    _, laps = driven([2, 3, 0], state, 5.0)
    assert [lap.time_s for lap in laps] == [7.0]


RING = Course(
    name="ring",
    checkpoints_m=tuple((9.0 * math.cos(a), 9.0 * math.sin(a)) for a in np.arange(16) * math.pi / 8),
)


def test_a_checkpoint_that_was_passed_at_a_distance_is_counted_with_the_next():
    state, lap = LapState(), None
    for k, at in enumerate([0, 1, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1]):
        state, lap = drive(state, RING, np.array(RING.checkpoints_m[at]), float(k))
    assert lap is not None and lap.time_s == 13.0  # the line, too
    assert state.goal == 2 and state.passed == 18


def test_a_short_cut_over_more_than_an_eighth_of_the_course_passes_nothing():
    state, _ = drive(LapState(), RING, np.array(RING.checkpoints_m[0]), 0.0)
    cut, lap = drive(state, RING, np.array(RING.checkpoints_m[4]), 1.0)
    assert cut == state and lap is None


def test_collisions_and_interventions_belong_to_their_lap():
    state, laps = driven(
        [0, 1, 2, 3, 0, 1, 2, 3, 0],
        at_2={"collided": True},
        at_3={"collided": True},
        at_6={"taken_over": True},
    )
    assert [(lap.collisions, lap.interventions) for lap in laps] == [(2, 0), (0, 1)]
    assert not any(lap.clean for lap in laps) and state.collisions == 0
    found = summary(laps, -10.0)
    assert (found["laps"], found["clean_laps"], found["first_lap_s"], found["first_clean_lap_s"]) == (
        2,
        0,
        14,
        None,
    )
    assert (found["median_collisions"], found["interventions"], found["best_lap_s"]) == (1.0, 1, 4.0)
    assert summary([], 0.0)["median_lap_s"] is None


@pytest.mark.parametrize(
    ("position", "heading", "goal"),
    [((2, 0), 0.0, 1), ((2, 0), math.pi, 0), ((4, 2), math.pi / 2, 2), ((-1, 0), math.pi, 0)],
)
def test_a_car_is_put_down_anywhere(position, heading, goal):
    assert begin(SQUARE, np.array(position, float), heading).goal == goal
