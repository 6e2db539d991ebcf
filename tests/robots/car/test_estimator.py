"""The estimator against simulated drives: it finds the heading, follows, and knows when it is lost."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.alignment import Pair, align
from sandlot.robots.car.estimator import HEADING, EstimatorConfig, Fix, State, fixed, judge, moved

CONFIG = EstimatorConfig()
DT_S, FIX_EVERY = 0.02, 10


class Drive:
    """A car on curves of its own, and its sensors: 50 Hz wheels and gyroscope, 5 Hz fixes 100 ms late."""

    def __init__(self, seed, *, deviation_m=0.5, reverse=False, scale=1.02, bias=0.02):
        self.rng = np.random.default_rng(seed)
        self.deviation_m, self.reverse, self.scale, self.bias = deviation_m, reverse, scale, bias
        self.position_m, self.heading = self.rng.uniform(-20, 20, 2), self.rng.uniform(-3, 3)
        self.speed, self.now_s, self.k = 0.0, 100.0, 0
        self.past, self.state = [], State()

    def run(self, seconds, *, gps=True, wild=0.0, stand=False):
        """Goes on for a while; returns the deviations it claims and the errors it makes [n], m."""
        claimed, wrong = [], []
        for _ in range(round(seconds / DT_S)):
            self._step(stand)
            if gps and self.k % FIX_EVERY == 0 and len(self.past) > 5:
                off_m = self.rng.uniform(-40, 40, 2) if self.rng.random() < wild else 0.0
                place = self.past[-6] + self.rng.normal(0, self.deviation_m, 2) + off_m
                self.state = fixed(self.state, Fix(self.now_s - 0.1, place, self.deviation_m), CONFIG)
            verdict = judge(self.state, self.now_s, CONFIG)
            if verdict.odometry:
                claimed.append(verdict.deviation_m)
                wrong.append(np.linalg.norm(verdict.odometry.position_m - self.position_m))
        return np.array(claimed), np.array(wrong)

    def _step(self, stand):
        goal = 0.0 if stand else (2.0 + math.sin(0.3 * self.now_s)) * (-0.3 if self.reverse else 1.0)
        self.speed += np.clip(goal - self.speed, -0.08, 0.08)
        rate = self.speed * 0.3 * math.sin(0.2 * self.now_s)
        self.heading += rate * DT_S
        self.position_m = self.position_m + self.speed * DT_S * np.array(
            [math.cos(self.heading), math.sin(self.heading)]
        )
        self.now_s += DT_S
        self.k += 1
        self.past.append(self.position_m)
        wheel = 0.0 if self.speed == 0.0 else self.scale * self.speed + self.rng.normal(0, 0.03)
        gyro = rate + self.bias + self.rng.normal(0, 0.02)
        self.state = moved(self.state, wheel, gyro, self.now_s, CONFIG)

    @property
    def heading_error(self):
        verdict = judge(self.state, self.now_s, CONFIG)
        return abs(math.remainder(verdict.odometry.heading_rad - self.heading, math.tau))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reverse", [False, True])
def test_the_heading_becomes_known_by_driving_and_the_path_is_followed(seed, reverse):
    drive = Drive(seed, reverse=reverse)
    drive.run(1.0, stand=True)
    assert judge(drive.state, drive.now_s, CONFIG).cause == "heading unknown: drive some metres by hand"
    drive.run(15.0)
    claimed, wrong = drive.run(40.0)
    assert len(wrong) == 2000 and drive.heading_error < 0.12
    assert np.sqrt(np.mean(wrong**2)) < 0.5 * drive.deviation_m * math.sqrt(2)  # far better than the fixes
    assert np.mean(wrong < 3.0 * claimed) > 0.97
    assert judge(drive.state, drive.now_s, CONFIG).cause == ""
    odometry = judge(drive.state, drive.now_s, CONFIG).odometry
    assert odometry.velocity_mps == pytest.approx([drive.speed, 0.0], abs=0.15)


@pytest.mark.parametrize("seed", range(4))
def test_without_fixes_it_goes_on_for_a_while_and_then_says_so(seed):
    drive = Drive(seed)
    drive.run(30.0)
    claimed, wrong = drive.run(2.5, gps=False)
    assert judge(drive.state, drive.now_s, CONFIG).cause == "" and wrong[-1] < 1.0
    assert claimed[-1] > claimed[0] and wrong[-1] < 3.0 * claimed[-1]
    drive.run(0.8, gps=False)
    lost_s = drive.now_s - drive.state.fixed_s
    assert judge(drive.state, drive.now_s, CONFIG).cause == f"GPS lost for {lost_s:.1f} s"
    assert 3.0 < lost_s < 3.7
    drive.run(1.0, stand=True)
    assert judge(drive.state, drive.now_s, CONFIG).cause == "" and drive.heading_error < 0.2


@pytest.mark.parametrize("seed", range(4))
def test_outliers_are_rejected(seed):
    drive = Drive(seed)
    drive.run(20.0)
    _, wrong = drive.run(30.0, wild=0.3)
    assert wrong.max() < 2.5 and np.sqrt(np.mean(wrong**2)) < 0.7


def test_a_car_that_was_carried_away_is_lost_and_found_again():
    drive = Drive(3)
    drive.run(20.0)
    drive.position_m = drive.position_m + np.array([30.0, 10.0])
    drive.past.clear()
    drive.run(2.0)
    assert drive.state.rejected >= 5
    drive.run(1.5)
    assert "heading unknown" in judge(drive.state, drive.now_s, CONFIG).cause
    drive.run(20.0)
    _, wrong = drive.run(10.0)
    assert len(wrong) == 500 and np.sqrt(np.mean(wrong**2)) < 0.5


def test_a_source_that_knows_its_heading_is_believed_at_once():
    state = moved(moved(State(), 1.0, 0.0, 0.0, CONFIG), 1.0, 0.0, 0.02, CONFIG)
    fix = Fix(0.02, np.array([5.0, 6.0]), 0.05, math.pi / 2, 0.02)
    state = fixed(state, fix, CONFIG)
    for k in range(2, 52):
        state = moved(state, 1.0, 0.0, 0.02 * k, CONFIG)
    verdict = judge(state, 1.02, CONFIG)
    assert verdict.cause == "" and verdict.odometry.heading_rad == pytest.approx(math.pi / 2)
    assert verdict.odometry.position_m == pytest.approx([5.0, 7.0], abs=1e-6)
    turned = fixed(state, Fix(1.02, np.array([5.0, 7.0]), 0.05, math.pi / 2 + 0.05, 0.02), CONFIG)
    assert math.pi / 2 < turned.mean[HEADING] < math.pi / 2 + 0.05


def test_what_is_missing_is_said():
    assert judge(State(), 0.0, CONFIG).cause == "no wheel speed and gyroscope yet"
    state = moved(State(), 0.0, 0.0, 0.0, CONFIG)
    assert judge(state, 0.0, CONFIG).cause == "no GPS fix yet"
    drive = Drive(0)
    drive.run(20.0)
    assert "wheel speed and gyroscope silent for 0.5 s" in judge(drive.state, drive.now_s + 0.5, CONFIG).cause
    vague = EstimatorConfig(most_deviation_m=1e-3)
    assert "only" in judge(drive.state, drive.now_s, vague).cause


def test_a_bias_is_learned_while_standing():
    drive = Drive(1, bias=0.05)
    drive.run(10.0, stand=True)
    assert judge(drive.state, drive.now_s, CONFIG).odometry is None
    assert drive.state.yaw_rate_radps == pytest.approx(0.0, abs=0.08)
    assert drive.state.mean[4] == pytest.approx(0.05, abs=0.01)


def test_alignment_by_hand():
    path = [np.array([float(x), 0.0]) for x in range(5)]
    pairs = [Pair(p, np.array([10.0, 20.0 + p[0]]), 0.1) for p in path]
    found = align(pairs)
    assert found.turn_rad == pytest.approx(math.pi / 2) and found.place_m == pytest.approx([10.0, 20.0])
    assert found.turn_deviation_rad == pytest.approx(0.1 / math.sqrt(10.0))
    assert align(pairs[:2]) is None and align([p._replace(deviation_m=5.0) for p in pairs]) is None
    assert align([*pairs, Pair(np.array([5.0, 0.0]), np.array([50.0, 50.0]), 0.1)]) is None


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=True, allow_infinity=True),
            st.floats(-10, 10),
            st.floats(-0.1, 0.5),
            st.floats(-1e3, 1e3) | st.just(math.nan),
        ),
        max_size=40,
    )
)
def test_whatever_it_hears_its_covariance_stays_one(steps):
    state, now_s = State(), 0.0
    for wheel, gyro, dt_s, place in steps:
        now_s += dt_s
        if not abs(wheel) > 100.0:
            state = moved(state, wheel, gyro, now_s, CONFIG)
        state = fixed(state, Fix(now_s, np.array([place, -place]), 0.5), CONFIG)
        assert np.isfinite(state.mean).all()
        assert np.linalg.eigvalsh(state.covariance)[0] > -1e-9
        judge(state, now_s, CONFIG)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="'lost_s' is 0: it must be more than 0"):
        EstimatorConfig(lost_s=0)
