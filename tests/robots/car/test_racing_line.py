import math

import numpy as np
import pytest

from sandlot.robots.car.pursuit import action_for, follow
from sandlot.robots.car.racing_line import Grip, Line, racing_line, speeds
from sandlot.robots.car.spec import CarCommand, CarLimits, CarReading


def circle(radius_m, count=200):
    angle = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    return radius_m * np.column_stack([np.cos(angle), np.sin(angle)])


def stadium(straight_m=8.0, radius_m=2.0):
    """Two straights and two half circles, driven to the left, 0.1 m apart."""
    x = np.arange(0.0, straight_m, 0.1)
    turn = np.arange(0.0, np.pi, 0.1 / radius_m)
    below = np.column_stack([x, np.zeros_like(x)])
    right = np.column_stack([straight_m + radius_m * np.sin(turn), radius_m - radius_m * np.cos(turn)])
    above = np.column_stack([straight_m - x, np.full_like(x, 2 * radius_m)])
    left = np.column_stack([-radius_m * np.sin(turn), radius_m + radius_m * np.cos(turn)])
    return np.concatenate([below, right, above, left])


def room(centre_m, half_m):
    return np.tile([-half_m, half_m], (len(centre_m), 1))


def test_on_a_circle_the_speed_is_what_grip_allows():
    found = speeds(circle(1.0), Grip(lateral_mps2=4.0, fastest_mps=10.0))
    np.testing.assert_allclose(found, 2.0, rtol=1e-3)


def test_on_a_ring_it_is_the_inner_circle():
    """The least bent closed line inside a ring is the inner one.

    Second differences of a circle of n points are r (2 pi / n)^2: they grow with the radius.
    """
    line = racing_line(circle(3.0), room(circle(3.0), 0.5))
    np.testing.assert_allclose(np.linalg.norm(line.points_m, axis=1), 2.5, atol=0.02)


def test_it_cuts_corners_keeps_within_the_room_and_is_faster():
    centre = stadium()
    line = racing_line(centre, room(centre, 0.6))
    away = np.array([np.linalg.norm(centre - p, axis=1).min() for p in line.points_m])
    assert away.max() <= 0.62
    assert away.max() > 0.5
    middle = Line(centre, speeds(centre, Grip()))
    assert line.lap_s < 0.95 * middle.lap_s


def test_speeds_change_no_faster_than_drive_and_brakes_allow():
    centre, grip = stadium(), Grip(drive_mps2=2.0, brake_mps2=3.0)
    speed = speeds(centre, grip)
    gaps = np.linalg.norm(np.roll(centre, -1, axis=0) - centre, axis=1)
    change = (np.roll(speed, -1) ** 2 - speed**2) / (2 * gaps)
    assert change.max() <= 2.0 + 1e-6
    assert change.min() >= -3.0 - 1e-6


STAND = CarCommand()


def car(x, y, heading, speed, command=STAND):
    return CarReading(
        stamp_s=0.0,
        position_m=np.array([x, y]),
        heading_rad=heading,
        velocity_mps=np.array([speed, 0.0]),
        yaw_rate_radps=0.0,
        accel_mps2=np.array([0.0, 0.0, 9.81]),
        jolt_mps2=0.0,
        wheel_mps=speed,
        battery_v=11.8,
        command=command,
    )


@pytest.mark.parametrize("side", [-1, 1])
def test_a_car_beside_the_line_is_steered_back_to_it(side):
    line = racing_line(stadium(), room(stadium(), 0.01))
    wanted = follow(line, car(2.0, 0.3 * side, 0.0, 1.5))
    assert np.sign(wanted.steering_rad) == -side


def test_a_kinematic_car_follows_a_line_to_a_hand_width():
    line, limits = racing_line(stadium(), room(stadium(), 0.3), Grip(fastest_mps=2.5)), CarLimits()
    x, y, heading, command, away = *line.points_m[0], 0.0, CarCommand(), []
    for _ in range(300):
        command, _ = limits.apply(
            command, action_for(command, follow(line, car(x, y, heading, command.speed_mps, command)), limits)
        )
        for _ in range(10):
            heading += 0.01 * command.speed_mps * math.tan(command.steering_rad) / 0.33
            x += 0.01 * command.speed_mps * math.cos(heading)
            y += 0.01 * command.speed_mps * math.sin(heading)
        away.append(np.linalg.norm(line.points_m - (x, y), axis=1).min())
    assert max(away[30:]) < 0.25
