"""Between a command and the wheels: battery, servo, and the geometry of steering, in hand-worked numbers."""

import math

import pytest

from sandlot.robots.car.spec import CarCommand
from sandlot.sim.car_drive import Drive, DriveConfig
from sandlot.sim.car_model import ackermann


def test_top_speed_falls_with_the_battery():
    config = DriveConfig()
    drive = Drive(config)
    for _ in range(1000):
        drive.advance(CarCommand(4.0, 0.0), 0.0, 4.0, 0.01)
    assert drive.speed_mps == pytest.approx(4.0, abs=1e-6)
    drive.used_ah = 0.95 * config.capacity_ah  # 12.6 - 0.95 * 2.4 = 10.32 V at rest
    for _ in range(1000):
        drive.advance(CarCommand(4.0, 0.0), 0.0, 4.0, 0.01)
    assert drive.speed_mps == pytest.approx(0.36 * (10.32 - 0.05 * 0.8), abs=0.01)


def test_the_motor_lags_and_brakes_to_a_stand():
    drive = Drive(DriveConfig())
    for _ in range(8):
        drive.advance(CarCommand(2.0, 0.0), 0.0, 0.0, 0.01)
    assert drive.speed_mps == pytest.approx(2.0 * (1 - math.exp(-1)))  # one time constant of 80 ms
    for _ in range(100):
        drive.advance(CarCommand(0.0, 0.0), 0.0, 0.0, 0.01)
    assert abs(drive.speed_mps) < 1e-4


def test_what_a_push_takes_from_the_battery():
    drive = Drive(DriveConfig(stall_a_per_n=0.1, idle_a=1.0, loss=0.2))
    drive.advance(CarCommand(), 20.0, 2.0, 1.0)  # 40 W at the wheels, 50 W from the battery at 12.55 V
    assert drive.used_ah == pytest.approx((1.0 + 2.0 + 50.0 / 12.55) / 3600.0)
    assert drive.battery_v == pytest.approx(12.6 - 0.05 * (3.0 + 50.0 / 12.55), abs=1e-3)


def test_an_empty_battery_is_changed():
    drive = Drive(DriveConfig(capacity_ah=0.001))
    for _ in range(4):
        drive.advance(CarCommand(), 0.0, 0.0, 1.0)  # 0.8 A for 4 s of 4.5 s
    assert drive.battery_v < 10.6
    drive.advance(CarCommand(), 0.0, 0.0, 1.0)
    assert drive.battery_v > 12.5


def test_the_steering_servo_has_a_rate():
    drive = Drive(DriveConfig(servo_lag_s=1e-6))
    for _ in range(10):
        drive.advance(CarCommand(0.0, 0.4), 0.0, 0.0, 0.01)
    assert drive.steering_rad == pytest.approx(0.32)  # 3.2 rad/s for 0.1 s


def test_the_wheels_of_a_turning_car_roll_round_one_centre():
    angles, speeds = ackermann(1.0, math.atan(0.33))  # the rear axle's middle turns round 1 m to its left
    assert angles == pytest.approx([math.atan(0.33 / 0.875), math.atan(0.33 / 1.125)])
    assert speeds == pytest.approx([math.hypot(0.33, 0.875), math.hypot(0.33, 1.125), 0.875, 1.125])
