import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots.car import practice
from sandlot.robots.car.practice import Cause, Mode, PracticeConfig, PracticeState
from sandlot.robots.car.spec import CarCommand, CarReading

CONFIG = PracticeConfig()


AHEAD = CarCommand(2.0, 0.0)


def reading(x=0.0, y=0.0, *, command=AHEAD, jolt=0.0, up=9.81):
    return CarReading(
        stamp_s=0.0,
        position_m=np.array([x, y]),
        heading_rad=0.0,
        velocity_mps=np.array([2.0, 0.0]),
        yaw_rate_radps=0.0,
        accel_mps2=np.array([0.0, 0.0, up]),
        jolt_mps2=jolt,
        wheel_mps=2.0,
        battery_v=11.8,
        command=command,
    )


def drive(seen, state=None, config=CONFIG, begin_s=0.0, **said):
    """Every state and order while these readings come at 10 Hz."""
    state, found = state or practice.put_right(PracticeState(), begin_s), []
    for k, one in enumerate(seen):
        state, order = practice.tick(state, one, begin_s + 0.1 * k, config, **said)
        found.append((state, order))
    return found


def test_nothing_happens_to_a_car_that_drives():
    found = drive([reading(0.2 * k) for k in range(100)])
    assert {state.mode for state, _ in found} == {Mode.LEARNING}
    assert all(order == practice.Order() for _, order in found)


def test_a_collision_ends_driving_once_and_is_driven_away_from_backwards():
    found = drive([reading(), reading(0.2, jolt=25.0), *[reading(0.2)] * 3])
    assert [order.ended for _, order in found] == [None, Cause.COLLISION, None, None, None]
    stands, moves = found[1][1], found[4][1]
    assert stands.command == CarCommand(0.0, 0.0)
    assert moves.command.speed_mps == -CONFIG.recovery_mps


def test_after_driving_backwards_a_recovery_drives_ahead():
    back = reading(command=CarCommand(-0.8, 0.0), jolt=25.0)
    found = drive([back, *[reading(command=CarCommand())] * 4])
    assert found[-1][1].command.speed_mps == CONFIG.recovery_mps


def test_a_recovery_ends_where_it_is_clear_then_pauses_and_learns_on():
    way = [reading(jolt=25.0), reading(), reading(), reading(-0.3), reading(-0.61), *[reading(-0.65)] * 3]
    modes = [state.mode for state, _ in drive(way)]
    assert modes[3:] == [Mode.RECOVERY, Mode.PAUSE, Mode.PAUSE, Mode.LEARNING, Mode.LEARNING]


def test_a_blocked_recovery_tries_the_other_direction_once():
    orders = [order for _, order in drive([reading(jolt=25.0), *[reading()] * 40])]
    signs = [np.sign(o.command.speed_mps) for o in orders if o.command and o.command.speed_mps]
    assert signs[0] == -1 and signs[-1] == 1
    assert int(np.abs(np.diff(signs)).sum()) == 2  # from -1 to 1, once


def test_it_turns_the_nose_to_the_checkpoint():
    """Backwards with the wheels to the right turns the nose to the left."""
    found = drive([reading(jolt=25.0), *[reading()] * 3], goal_rad=1.0)
    assert found[-1][1].command.steering_rad == pytest.approx(-0.4)


def test_three_seconds_within_the_radius_is_stuck_and_not_before():
    found = drive([reading(0.009 * k) for k in range(31)])
    assert [k for k, (_, order) in enumerate(found) if order.ended] == [30]
    assert found[30][1].ended is Cause.STUCK
    assert not any(order.ended for _, order in drive([reading(0.06 * k) for k in range(60)]))


def test_upside_down_ends_driving_and_waits_for_a_person():
    found = drive([reading(), *[reading(up=-9.81)] * 10])
    ended = [order.ended for _, order in found]
    assert ended.count(Cause.INVERTED) == 1
    assert ended.index(Cause.INVERTED) in (5, 6)  # more than 0.4 s after it stood last
    assert found[-1][0].mode is Mode.ERROR and found[-1][1].command == CarCommand()
    assert practice.put_right(found[-1][0], 2.0).mode is Mode.LEARNING


def test_one_bump_that_lifts_the_car_is_no_roll():
    found = drive([reading(0.2 * k, up=-1.0 if k % 5 == 4 else 9.81) for k in range(40)])
    assert not any(order.ended for _, order in found)


def test_a_person_cuts_driving_once_and_gives_it_back():
    taken = drive([reading(0.2 * k) for k in range(3)], taken_over=True)
    assert [order.ended for _, order in taken] == [Cause.TELEOP, None, None]
    assert all(order.command is None for _, order in taken)
    assert Cause.TELEOP not in practice.TRUE_ENDS
    back = drive([reading(1.0), reading(1.2)], state=taken[-1][0], begin_s=0.3)
    assert [state.mode for state, _ in back] == [Mode.LEARNING, Mode.LEARNING]


def test_a_fault_stops_and_is_no_end_of_the_task():
    (state, order), *_ = drive([reading()], fault="camera frozen")
    assert (state.mode, order.ended, order.command) == (Mode.ERROR, Cause.FAULT, CarCommand())
    assert Cause.FAULT not in practice.TRUE_ENDS


def test_a_car_that_never_gets_away_calls_a_person():
    state, now_s, collisions = practice.put_right(PracticeState(), 0.0), 0.0, 0
    while state.mode is not Mode.ERROR and now_s < 200.0:
        jolt = 25.0 if state.mode is Mode.LEARNING else 0.0
        state, order = practice.tick(state, reading(jolt=jolt), now_s, CONFIG)
        collisions += order.ended is Cause.COLLISION
        now_s += 0.1
    assert state.mode is Mode.ERROR
    assert collisions == CONFIG.tries + 1


def test_a_harder_collision_costs_more_but_not_without_bound():
    costs = [practice.cost(Cause.COLLISION, jolt, CONFIG) for jolt in (0.0, 10.0, 25.0, 1000.0)]
    assert costs == [10.0, 12.0, 15.0, 15.0]
    assert practice.cost(Cause.TELEOP, 0.0, CONFIG) == practice.cost(Cause.FAULT, 0.0, CONFIG) == 0.0


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.floats(-3, 3),
            st.floats(-3, 3),
            st.floats(0, 60),
            st.floats(-12, 12),
            st.booleans(),
            st.booleans(),
        ),
        max_size=80,
    )
)
def test_whatever_comes_it_drives_slowly_and_ends_driving_only_from_driving(seen):
    state = practice.put_right(PracticeState(), 0.0)
    for k, (x, y, jolt, up, taken_over, fault) in enumerate(seen):
        before = state.mode
        state, order = practice.tick(
            state, reading(x, y, jolt=jolt, up=up), 0.1 * k, CONFIG, taken_over=taken_over, fault="f" * fault
        )
        if order.command is not None:
            assert abs(order.command.speed_mps) <= CONFIG.recovery_mps
            assert abs(order.command.steering_rad) <= 0.4
        if order.ended in (Cause.COLLISION, Cause.STUCK):
            assert before is Mode.LEARNING
        if fault:
            assert state.mode is Mode.ERROR and order.command == CarCommand()
        assert all(0.1 * k - at_s <= CONFIG.stuck_s + 1e-3 for at_s, _, _ in state.trail)


@pytest.mark.parametrize("field", ["stuck_s", "recovery_mps", "collision_cost"])
@pytest.mark.parametrize("value", [0.0, math.nan, -1.0])
def test_settings_that_make_no_sense_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        dataclasses.replace(CONFIG, **{field: value})
