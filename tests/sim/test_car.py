"""The simulated car: what it does on open ground, at a wall, and how late its sensors tell of it."""

import math
from dataclasses import astuple, replace

import numpy as np
import pytest

from sandlot.robots.car.env import Car, Witnessed
from sandlot.robots.car.spec import CONTROL_HZ, CarCommand, CarLimits, CarScene
from sandlot.sim.car import SimCar
from sandlot.sim.car_model import WHEELBASE_M
from sandlot.sim.car_physics import CarPhysics, Variation
from sandlot.sim.car_tracks import Track, track


def _field(wall_at_m=None):
    """80 m x 80 m of open ground, with a wall across the way at x = `wall_at_m`."""
    corners = np.array([[-40.0, -40.0], [40.0, -40.0], [40.0, 40.0], [-40.0, 40.0]])
    walls = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    if wall_at_m is not None:
        walls = np.concatenate([walls, [[[wall_at_m, -10.0], [wall_at_m, 10.0]]]])
    return Track("field", np.array([[0.0, 0.0], [0.1, 0.0]]), 39.0, walls, (), True, 0)


@pytest.fixture(scope="module")
def open_ground():
    return CarPhysics(_field())


@pytest.fixture(scope="module")
def at_wall():
    return CarPhysics(_field(wall_at_m=4.0))


def _started(physics, speed_mps, seconds):
    physics.put((0.0, 0.0), 0.0, Variation())
    physics.run(CarCommand(speed_mps, 0.0), seconds)
    return physics


def test_it_drives_straight_and_reaches_its_speed(open_ground):
    # 8 m/s^2 less what the wheels' own inertia takes, after 80 ms of lag: 3 m/s needs about half a second.
    early = _started(open_ground, 3.0, 0.2).odometry().velocity_mps[0]
    assert 0.6 < early < 1.6
    moved = _started(open_ground, 3.0, 0.8).odometry()
    assert moved.velocity_mps[0] == pytest.approx(3.0, abs=0.1)
    assert moved.wheel_mps == pytest.approx(3.0, abs=0.1)
    open_ground.run(CarCommand(3.0, 0.0), 2.0)
    assert abs(open_ground.odometry().position_m[1]) < 0.02
    assert abs(open_ground.odometry().heading_rad) < 0.01


@pytest.mark.parametrize("steering_rad", [0.1, -0.2, 0.4])
def test_it_turns_slowly_round_wheelbase_over_tangent(open_ground, steering_rad):
    _started(open_ground, 0.8, 0.5)
    open_ground.run(CarCommand(0.8, steering_rad), 2.0)
    seen = open_ground.odometry()
    radius_m = seen.velocity_mps[0] / seen.yaw_rate_radps
    assert radius_m == pytest.approx(WHEELBASE_M / math.tan(steering_rad), rel=0.08)


def test_at_speed_it_slides_as_far_as_friction_lets_it(open_ground):
    # 3.5 m/s round 0.78 m would take 15.7 m/s^2; tyres of friction 1 give 9.81.
    _started(open_ground, 3.5, 1.2)
    before = open_ground.data.qvel[:2].copy()
    for _ in range(12):
        open_ground.run(CarCommand(3.5, 0.4), 0.05)
        after = open_ground.data.qvel[:2].copy()
        assert np.linalg.norm(after - before) / 0.05 < 1.15 * 9.81
        before = after
    assert abs(open_ground.odometry().velocity_mps[1]) > 0.5  # sideways


def test_hard_driving_never_feels_like_a_collision(open_ground):
    limits, strongest = CarLimits(), 0.0
    for seed in range(4):
        rng, command = np.random.default_rng(seed), CarCommand()
        open_ground.put((0.0, 0.0), 0.0, Variation())
        open_ground.inertial()
        for period in range(40):
            if period % 5 == 0:
                action = rng.choice([-1.0, 1.0, 1.0, 0.0], 2)
            command, _ = limits.apply(command, action)
            open_ground.run(command, 0.1)
            strongest = max(strongest, open_ground.inertial()[1])
    assert 8.0 < strongest < 20.0
    assert open_ground.up() > 0.9


def test_it_brakes_from_three_metres_a_second(open_ground):
    _started(open_ground, 3.0, 1.5)
    began_m, ran_s = open_ground.odometry().position_m[0], 0.0
    while abs(open_ground.odometry().velocity_mps[0]) > 0.05:
        open_ground.run(CarCommand(0.0, 0.0), 0.02)
        ran_s += 0.02
    assert 0.35 < ran_s < 0.9
    assert 0.5 < open_ground.odometry().position_m[0] - began_m < 1.2  # 3^2 / (2 * 8) and the lag's 0.24


def test_it_drives_backwards(open_ground):
    _started(open_ground, -1.0, 1.5)
    seen = open_ground.odometry()
    assert seen.velocity_mps[0] == pytest.approx(-1.0, abs=0.05)
    assert seen.wheel_mps == pytest.approx(-1.0, abs=0.05)
    assert -1.5 < seen.position_m[0] < -1.0


@pytest.mark.parametrize("speed_mps", [0.5, 2.0, 4.0])
def test_a_wall_stops_it_and_counts_once(at_wall, speed_mps):
    before = at_wall.collisions
    _started(at_wall, speed_mps, 0.0)
    at_wall.inertial()
    jolts, highest_m = [], 0.0
    for _ in range(round(4.0 / speed_mps / 0.1) + 15):
        at_wall.run(CarCommand(speed_mps, 0.0), 0.1)
        jolts.append(at_wall.inertial()[1])
        highest_m = max(highest_m, at_wall.data.qpos[2])
    assert at_wall.collisions - before == 1  # and it goes on pushing
    assert at_wall.touching
    assert max(jolts) > 20.0
    assert highest_m < 0.03 and at_wall.up() > 0.98
    assert 4.0 - 0.44 - 0.1 < at_wall.odometry().position_m[0] < 4.0 - 0.4  # its nose is 0.44 m ahead of it


@pytest.mark.parametrize("speed_mps", [2.0, 4.0])
def test_it_neither_climbs_nor_passes_a_wall_that_it_grazes(at_wall, speed_mps):
    before, heading_rad = at_wall.collisions, math.radians(75.0)  # 15 degrees from the wall's plane
    at_wall.put((3.5, -4.0), heading_rad, Variation())
    for _ in range(30):
        at_wall.run(CarCommand(speed_mps, -0.2), 0.05)
        assert at_wall.data.qpos[2] < 0.03 and at_wall.up() > 0.95
        assert at_wall.odometry().position_m[0] < 4.0
    assert at_wall.collisions > before


def test_another_hit_within_half_a_second_is_the_same_collision(at_wall):
    before = at_wall.collisions
    _started(at_wall, 1.0, 4.5)
    assert at_wall.collisions - before == 1
    at_wall.run(CarCommand(-1.0, 0.0), 1.0)  # away from it, for longer than that
    assert not at_wall.touching
    at_wall.run(CarCommand(1.0, 0.0), 2.0)
    assert at_wall.collisions - before == 2


def test_the_battery_sags_under_load(open_ground):
    rest_v = _started(open_ground, 0.0, 0.2).odometry().battery_v
    loaded_v = _started(open_ground, 4.0, 0.3).odometry().battery_v
    assert loaded_v < rest_v - 0.1


def _scene(found, along=0, place=0):
    (x, y), heading_rad = found.pose(along)
    return CarScene((float(x), float(y)), heading_rad, place)


def _driven(car, seed=0, steps=15):
    rng, found = np.random.default_rng(seed), []
    for _ in range(steps):
        car.act(rng.uniform(-1, 1, 2))
        found.append(car.observe())
    return found


def test_it_is_a_car_of_the_env():
    car = SimCar()
    assert isinstance(car, Witnessed) and car.control_hz == CONTROL_HZ
    typed: Car = car
    assert typed.cameras == {} and typed.images() == {} and not typed.taken_over


def test_at_rest_it_feels_gravity_and_knows_where_it_is():
    car = SimCar()
    car.reset(_scene(car.track, 10), np.random.default_rng(3))
    seen = [car.observe()]
    for _ in range(20):
        car.drive(CarCommand())
        seen.append(car.observe())
    assert np.mean([r.accel_mps2 for r in seen], axis=0) == pytest.approx([0.0, 0.0, 9.81], abs=0.06)
    assert max(r.jolt_mps2 for r in seen) < 0.3
    assert seen[-1].position_m == pytest.approx(car.track.centre_m[10], abs=0.03)
    assert car.upright() and not car.touching and car.collisions == 0
    assert seen[-1].battery_v == pytest.approx(12.56, abs=0.05)
    assert np.std([r.wheel_mps for r in seen]) > 0.001  # a sensor that repeats itself is broken


def test_odometry_is_fifty_milliseconds_old_and_the_stamp_forty():
    car = SimCar()
    car.reset(_scene(car.track), np.random.default_rng(0))
    true = [car.true_position_m]
    for _ in range(6):
        began = car.true_position_m
        car.drive(CarCommand(2.0, 0.0))
        assert car.time_s - car.observe().stamp_s == pytest.approx(0.04)
        true.append(car.true_position_m)
    # At 2 m/s a car gets on by 0.2 m a period; what is known of it lies half of that back.
    assert np.linalg.norm(true[-1] - true[-2]) == pytest.approx(0.2, abs=0.02)
    seen = car.observe().position_m
    assert np.linalg.norm(true[-1] - seen) == pytest.approx(0.1, abs=0.03)
    assert np.linalg.norm(seen - began) == pytest.approx(0.1, abs=0.03)


def test_a_command_is_clamped_and_what_is_not_finite_brakes():
    car = SimCar(limits=replace(CarLimits(), fastest_mps=2.0))
    car.drive(CarCommand(9.0, -3.0))
    assert car.observe().command == CarCommand(2.0, -0.4)
    car.drive(CarCommand(-9.0, 0.1))
    assert car.observe().command == CarCommand(-1.0, 0.1)
    car.drive(CarCommand(math.nan, math.inf))
    assert car.observe().command == CarCommand(0.0, 0.1)


def test_an_action_changes_the_command_and_comes_back_as_executed():
    car = SimCar()
    car.reset(_scene(car.track), np.random.default_rng(0))
    np.testing.assert_allclose(car.act(np.array([1.0, -0.5])), [1.0, -0.5])
    assert car.observe().command.speed_mps == pytest.approx(0.4)
    assert car.observe().command.steering_rad == pytest.approx(-0.05)


@pytest.mark.parametrize("randomize", [False, True])
def test_the_same_seed_and_actions_give_the_same_readings(randomize):
    cars = [SimCar(randomize=randomize) for _ in range(2)]
    for car in cars:
        car.reset(_scene(car.track), np.random.default_rng(5))
    first, second = (_driven(car) for car in cars)
    for one, other in zip(first, second, strict=True):
        for a, b in zip(astuple(one), astuple(other), strict=True):
            np.testing.assert_array_equal(a, b)
    cars[0].reset(_scene(cars[0].track), np.random.default_rng(6))
    other = _driven(cars[0])[-1]
    assert not np.array_equal(other.position_m, first[-1].position_m)


def test_randomised_cars_differ_in_more_than_noise():
    car, ends = SimCar(randomize=True), []
    for seed in range(4):
        car.reset(_scene(car.track), np.random.default_rng(seed))
        for _ in range(5):
            car.drive(CarCommand(3.0, 0.0))
        ends.append(np.linalg.norm(car.true_position_m - car.track.centre_m[0]))
    assert np.ptp(ends) > 0.01


def test_a_hand_puts_it_on_its_wheels_and_out_of_a_wall():
    car = SimCar()
    car.reset(_scene(car.track), np.random.default_rng(0))
    car._physics.data.qpos[2:7] = [0.3, 0.0, 1.0, 0.0, 0.0]  # on its roof
    for _ in range(5):
        car.drive(CarCommand())
    assert not car.upright() and car.observe().accel_mps2[2] < 0.0
    before = car.time_s
    car.right_up()
    assert car.upright() and car.time_s > before
    assert car.observe().accel_mps2[2] == pytest.approx(9.81, abs=0.3)
    corner = car.track.walls_m[0, 0]
    car._physics.data.qpos[:2] = corner
    counted = car.collisions
    car.right_up()
    assert car.track.clearance_m(car.true_position_m) > 0.5
    nose_first = car.track.pose()[0], car.track.pose()[1] + math.pi / 2  # across the way, its nose at a wall
    left = np.array([math.cos(nose_first[1]), math.sin(nose_first[1])])
    car._physics.put(nose_first[0] + 0.46 * left, nose_first[1])  # 0.44 m ahead of its place, in the wall
    assert car.collisions == counted  # to be put down at a wall is no collision
    car.right_up()
    assert not car.touching and car.collisions == counted
    assert math.cos(car.true_heading_rad - car.track.pose(car.track.nearest(car.true_position_m))[1]) > 0.99


def test_with_many_places_a_scene_says_where():
    car = SimCar(many_places=True)
    one = track(7)
    car.reset(_scene(one, place=7), np.random.default_rng(0))
    np.testing.assert_array_equal(car.track.walls_m, one.walls_m)
    before = car.time_s
    car.reset(_scene(track(8), place=8), np.random.default_rng(0))
    assert car.track.name == "place 8" and car.time_s > before
    fixed = SimCar("yard")
    fixed.reset(_scene(fixed.track, place=7), np.random.default_rng(0))
    assert fixed.track.name == "yard"
