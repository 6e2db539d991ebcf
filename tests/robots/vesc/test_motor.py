"""The emulated motor by hand: speeds, brakes, limits."""

import pytest

from sandlot.robots.vesc.motor import ERPM_PER_MPS, Motor, MotorConfig
from sandlot.robots.vesc.protocol import Command


def run(motor, command, value, seconds, start_s):
    """Plays a command, given every 10 ms; returns the time after it."""
    for k in range(round(seconds * 100)):
        motor.set(command, value, start_s + 0.01 * k)
        motor.advance(start_s + 0.01 * k)
    return start_s + seconds


def test_three_metres_a_second_are_reached_held_and_braked_in_time():
    motor = Motor(MotorConfig())
    now_s = run(motor, Command.SET_RPM, 3 * ERPM_PER_MPS, 4.0, 0.0)
    assert motor.erpm == pytest.approx(3 * ERPM_PER_MPS, rel=0.01)
    assert motor.values().battery_v < 11.8 and motor.values().used_ah > 0
    run(motor, Command.SET_BRAKE, 20, 0.8, now_s)
    assert motor.erpm == 0.0 and motor.values().motor_a == 0.0


def test_it_goes_both_ways_and_no_faster_than_its_battery():
    motor = Motor(MotorConfig())
    now_s = run(motor, Command.SET_RPM, -5000, 3.0, 0.0)
    assert motor.erpm == pytest.approx(-5000, rel=0.02)
    assert motor.values().tachometer < 0 < motor.values().tachometer_abs
    now_s = run(motor, Command.SET_CURRENT, 40, 6.0, now_s)
    assert motor.erpm == pytest.approx(40_000)
    now_s = run(motor, Command.SET_DUTY, 0.5, 6.0, now_s)
    assert motor.erpm == pytest.approx(20_000, rel=0.02)
    motor.steer(0.9)
    assert motor.servo == 0.9


def test_a_new_vesc_moves_no_servo_and_a_free_motor_rolls_out():
    motor = Motor(MotorConfig(servo=False, timeout_s=0.1))
    motor.steer(0.9)
    assert motor.servo == 0.5
    now_s = run(motor, Command.SET_RPM, 5000, 3.0, 0.0)
    motor.advance(now_s + 0.05)
    assert not motor.timed_out
    for k in range(300):
        motor.advance(now_s + 0.1 + 0.01 * k)
    assert motor.timed_out and motor.erpm == 0.0 and motor.values().status == 1
