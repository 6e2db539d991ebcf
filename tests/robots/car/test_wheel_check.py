"""Wrong signs and gains are told within seconds of driving; slip, noise, slopes and walls are not."""

import math
import re

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.wheel_check import Sample, WheelCheck, WheelCheckConfig, look

CONFIG = WheelCheckConfig()
DT_S = 0.02


def driven(seconds, seed, *, wheel=1.0, steer=1.0, slip=0.0, slope=0.0, crashes=0, stuck=False, turns=True):
    """Samples of a car that races: speeds and steering drawn anew every 1.5 s, with the sensors' noise.

    `wheel` is what the wheels say for each metre per second, `steer` how the front wheels turn for each rad.
    """
    rng = np.random.default_rng(seed)
    true = wheels = delta = goal = angle = 0.0
    bias, crash_at = rng.normal(0.0, 0.2), set(rng.integers(100, round(seconds / DT_S), crashes).tolist())
    for k in range(round(seconds / DT_S)):
        if k % 75 == 0:
            goal, angle = rng.uniform(0.5, 4.0), rng.uniform(-0.4, 0.4) if turns else 0.0
        want = np.clip((goal - wheels) / 0.15, -5.0, 4.0)
        wheels += want * DT_S
        accel = np.clip((wheels - true) / 0.02, -5.0, 4.0) * (1.0 - slip * (rng.random() < 0.5))
        if k in crash_at:
            accel, goal = -true / DT_S, -1.0
        accel = 0.0 if stuck else accel
        true += accel * DT_S
        wheels += (0.0 if stuck else 1.0 - slip) * (true - wheels) * min(1.0, DT_S / 0.1)
        delta += np.clip(angle - delta, -0.06, 0.06)
        yaw = true * math.tan(steer * delta) / CONFIG.wheelbase_m * (1.0 - 0.3 * slip)
        hill = 9.81 * slope * math.sin(0.7 * k * DT_S)
        said = wheel * (wheels + rng.normal(0.0, 0.03))
        yield Sample(
            k * DT_S, said, delta, accel + bias + hill + rng.normal(0.0, 0.5), yaw + rng.normal(0, 0.03)
        )


def cause_of(samples):
    """The cause, and when it was told."""
    check = WheelCheck()
    for sample in samples:
        check = look(check, sample, CONFIG)
        if check.cause:
            return check.cause, sample.stamp_s
    return "", math.nan


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"slip": 0.5}, {"slope": 0.1}, {"crashes": 5}, {"stuck": True}, {"turns": False},
        {"slip": 0.3, "slope": 0.05, "crashes": 3}, {"wheel": 1.3}, {"wheel": 0.75}, {"steer": 0.7},
    ],
    ids=str,
)  # fmt: skip
def test_racing_with_slip_slopes_and_walls_is_nothing_wrong(wrong, seed):
    assert cause_of(driven(60.0, seed, **wrong)) == ("", pytest.approx(math.nan, nan_ok=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"wheel": -1.0}, "change the sign of speed_to_erpm_gain"),
        ({"wheel": -1.0, "slip": 0.3, "slope": 0.05}, "change the sign of speed_to_erpm_gain"),
        ({"wheel": 3.0}, "multiply speed_to_erpm_gain by [234]"),
        ({"wheel": 0.3}, "multiply speed_to_erpm_gain by 0.[234]"),
        ({"steer": -1.0}, "change the sign of steering_angle_to_servo_gain"),
        ({"steer": 0.0}, "switch 'Enable Servo Output' on"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_told_by_its_name_within_seconds(wrong, text, seed):
    cause, at_s = cause_of(driven(20.0, seed, **wrong))
    assert re.search(text, cause) and at_s < 10.0


def test_a_standing_car_a_gap_and_what_is_no_number_tell_nothing():
    rng = np.random.default_rng(0)
    still = [Sample(k * DT_S, 0.0, 0.3, rng.normal(0.0, 1.0), rng.normal(0.0, 0.1)) for k in range(2000)]
    assert cause_of(still)[0] == ""
    check = WheelCheck()
    for sample in list(driven(3.0, 0))[:100]:
        check = look(check, sample, CONFIG)
    assert look(check, Sample(2.5, math.nan, 0, 0, 0), CONFIG) is check
    assert look(check, Sample(0.1, 1.0, 0, 0, 0), CONFIG) is check
    assert look(check, Sample(9.0, 1.0, 0, 0, 0), CONFIG).speed.weight_s == 0.0


def test_a_cause_stays():
    check = WheelCheck()
    for sample in driven(10.0, 0, wheel=-1.0):
        check = look(check, sample, CONFIG)
    told = check.cause
    for sample in driven(30.0, 1):
        check = look(check, sample._replace(stamp_s=sample.stamp_s + 10.0), CONFIG)
    assert told and check.cause == told


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="'wheelbase_m' is 0.0: it must be more than 0"):
        WheelCheckConfig(wheelbase_m=0.0)
    with pytest.raises(ConfigError, match="most_factor=0.5 must rise"):
        WheelCheckConfig(most_factor=0.5)
