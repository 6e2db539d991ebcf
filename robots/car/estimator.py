"""Where a car is, by its wheels, its gyroscope and fixes of its position. Pure: state in, state out.

An extended Kalman filter over position, heading, speed and the gyroscope's bias. A position alone says
nothing of the heading: at first the path since the start is kept in a frame of its own, and as soon as it is
long enough it is turned onto the fixes (`alignment`). A source that knows its heading, such as visual
odometry, starts at once. Without fixes it goes on by wheels and gyroscope, for a while.
"""

import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.alignment import MOST_PAIRS, Pair, align
from sandlot.robots.car.device import Odometry

X, Y, HEADING, SPEED, BIAS = range(5)
GATES = {2: 13.8, 3: 16.3}
"""Squared Mahalanobis distance that 1 of 1000 good fixes exceeds, by how many numbers it has."""


@dataclass(frozen=True, kw_only=True)
class EstimatorConfig:
    """How far the sensors are trusted.

    Attributes:
        wheel_mps: standard deviation of the wheel speed.
        wheel_share: the same as a share of it: slip.
        accel_mps2: how much speed changes between two measurements.
        gyro_radps: noise of the gyroscope, rad/s for each root of Hz.
        bias_radps: standard deviation of its bias in the beginning.
        bias_walk_radps: what that changes by in a second.
        drift_m: by how much the path goes astray in the first metre; it grows with the root of the way.
        heading_rad: the heading counts as known below this standard deviation.
        lost_s: so long without a good fix the position counts as known.
        most_deviation_m: nor beyond this standard deviation.
        silent_s: so long without wheel speed and gyroscope.
    """

    wheel_mps: float = 0.05
    wheel_share: float = 0.03
    accel_mps2: float = 6.0
    gyro_radps: float = 0.01
    bias_radps: float = 0.03
    bias_walk_radps: float = 0.001
    drift_m: float = 0.1
    heading_rad: float = 0.25
    lost_s: float = 3.0
    most_deviation_m: float = 1.5
    silent_s: float = 0.2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"estimator setting '{name}' is {value}: it must be more than 0")


class Fix(NamedTuple):
    """A position from outside: GPS, visual odometry.

    Attributes:
        stamp_s: when the car was there, steady time.
        position_m: east and north of the course's origin [2].
        deviation_m: its standard deviation.
        heading_rad: where its source knows it, else NaN.
        heading_deviation_rad: its standard deviation.
    """

    stamp_s: float
    position_m: np.ndarray
    deviation_m: float
    heading_rad: float = math.nan
    heading_deviation_rad: float = 0.05


@dataclass(frozen=True)
class State:
    """All that the estimator knows.

    Attributes:
        stamp_s: of the newest wheel speed; NaN before the first.
        mean: `X` to `BIAS` [5]; while not `known`, in a frame that begins where the car was first heard.
        covariance: [5, 5].
        yaw_rate_radps: the bias taken away.
        known: whether position and heading are the course's.
        fixed_s: when the last good fix was made.
        rejected: how many fixes in a row did not fit.
        pairs: places on the path, and the fixes there, until the heading is known.
    """

    stamp_s: float = math.nan
    mean: np.ndarray = field(default_factory=lambda: np.zeros(5))
    covariance: np.ndarray = field(default_factory=lambda: np.zeros((5, 5)))
    yaw_rate_radps: float = 0.0
    known: bool = False
    fixed_s: float = -math.inf
    rejected: int = 0
    pairs: tuple[Pair, ...] = ()


class Verdict(NamedTuple):
    """What is known now.

    Attributes:
        odometry: None before anything is.
        deviation_m: standard deviation of the position, in its worst direction.
        heading_deviation_rad: of the heading.
        cause: why the car must not drive by itself; "" when it may.
    """

    odometry: Odometry | None
    deviation_m: float
    heading_deviation_rad: float
    cause: str


def moved(state: State, wheel_mps: float, gyro_radps: float, stamp_s: float, cfg: EstimatorConfig) -> State:
    """Wheel speed and yaw rate were measured; what is not finite, or older than the last, says nothing."""
    if not (math.isfinite(wheel_mps) and math.isfinite(gyro_radps)) or stamp_s <= state.stamp_s:
        return state
    if math.isnan(state.stamp_s):
        state = replace(state, covariance=np.diag([0.0, 0.0, 0.0, cfg.wheel_mps**2, cfg.bias_radps**2]))
        return replace(state, stamp_s=stamp_s, mean=np.array([0.0, 0.0, 0.0, wheel_mps, 0.0]))
    state = _predict(state, gyro_radps, stamp_s, cfg)
    deviation = math.hypot(cfg.wheel_mps, cfg.wheel_share * wheel_mps)
    away = wheel_mps - state.mean[SPEED]
    deviation = max(deviation, abs(away) / 3.0 if abs(away) > 1.0 else 0.0)  # wheels that spin or lock
    state = _update(state, np.eye(5)[[SPEED]], np.array([away]), np.array([[deviation**2]]))
    if wheel_mps == 0.0:  # it stands: what the gyroscope says is bias
        away = gyro_radps - state.mean[BIAS]
        state = _update(state, np.eye(5)[[BIAS]], np.array([away]), np.array([[(10 * cfg.gyro_radps) ** 2]]))
    return replace(state, yaw_rate_radps=gyro_radps - float(state.mean[BIAS]))


def fixed(state: State, fix: Fix, cfg: EstimatorConfig) -> State:
    """A fix came: it corrects, is rejected as an outlier, or helps to find the heading."""
    if math.isnan(state.stamp_s) or not (np.isfinite(fix.position_m).all() and fix.deviation_m > 0.0):
        return state
    if not state.known:
        return _find(state, fix, cfg)
    age_s = state.stamp_s - fix.stamp_s
    heading, speed = state.mean[HEADING], state.mean[SPEED]
    ahead = np.array([math.cos(heading), math.sin(heading)])
    aside = np.array([-ahead[1], ahead[0]])
    h = np.zeros((2, 5))
    h[:, :2] = np.eye(2)
    h[:, HEADING], h[:, SPEED] = -age_s * speed * aside, -age_s * ahead
    away = fix.position_m - (state.mean[:2] - age_s * speed * ahead)
    noise = np.eye(2) * fix.deviation_m**2
    if math.isfinite(fix.heading_rad):
        h = np.vstack([h, np.eye(5)[HEADING]])
        turned = state.yaw_rate_radps * age_s
        away = np.append(away, _wrapped(fix.heading_rad + turned - heading))
        noise = np.diag([*np.diag(noise), fix.heading_deviation_rad**2])
    expected = h @ state.covariance @ h.T + noise
    if away @ np.linalg.solve(expected, away) > GATES[len(away)]:
        if fix.stamp_s - state.fixed_s <= cfg.lost_s:
            return replace(state, rejected=state.rejected + 1)
        return _find(replace(state, known=False, pairs=(), rejected=0), fix, cfg)  # it was carried away
    return replace(_update(state, h, away, noise), fixed_s=max(state.fixed_s, fix.stamp_s), rejected=0)


def judge(state: State, now_s: float, cfg: EstimatorConfig) -> Verdict:
    """Where the car is, how well that is known, and whether it may drive by that."""
    if math.isnan(state.stamp_s):
        return Verdict(None, math.inf, math.inf, "no wheel speed and gyroscope yet")
    if not state.known:
        cause = "heading unknown: drive some metres by hand" if state.pairs else "no GPS fix yet"
        return Verdict(None, math.inf, math.inf, cause)
    deviation_m = math.sqrt(max(0.0, float(np.linalg.eigvalsh(state.covariance[:2, :2])[-1])))
    x, y, heading, speed, _ = state.mean.tolist()
    velocity = np.array([speed, 0.0])
    odometry = Odometry(state.stamp_s, np.array([x, y]), _wrapped(heading), velocity, state.yaw_rate_radps)
    silent_s, lost_s = now_s - state.stamp_s, now_s - state.fixed_s
    cause = ""
    if silent_s > cfg.silent_s:
        cause = f"wheel speed and gyroscope silent for {silent_s:.1f} s"
    elif lost_s > cfg.lost_s:
        cause = f"GPS lost for {lost_s:.1f} s"
        cause += f", {state.rejected} fixes did not fit" if state.rejected else ""
    elif deviation_m > cfg.most_deviation_m:
        cause = f"position known to {deviation_m:.1f} m only"
    return Verdict(odometry, deviation_m, math.sqrt(state.covariance[HEADING, HEADING]), cause)


def _predict(state: State, gyro_radps: float, stamp_s: float, cfg: EstimatorConfig) -> State:
    """On to a time at the speed it had."""
    dt_s = stamp_s - state.stamp_s
    x, y, heading, speed, bias = state.mean
    rate = gyro_radps - bias
    middle = heading + 0.5 * rate * dt_s
    c, s = math.cos(middle), math.sin(middle)
    way_m = speed * dt_s
    f = np.eye(5)
    f[X, [HEADING, SPEED, BIAS]] = -way_m * s, c * dt_s, 0.5 * way_m * s * dt_s
    f[Y, [HEADING, SPEED, BIAS]] = way_m * c, s * dt_s, -0.5 * way_m * c * dt_s
    f[HEADING, BIAS] = -dt_s
    drift = cfg.drift_m**2 * abs(way_m)
    added = [
        drift,
        drift,
        cfg.gyro_radps**2 * dt_s,
        (cfg.accel_mps2 * dt_s) ** 2,
        cfg.bias_walk_radps**2 * dt_s,
    ]
    mean = np.array([x + way_m * c, y + way_m * s, heading + rate * dt_s, speed, bias])
    return replace(state, stamp_s=stamp_s, mean=mean, covariance=f @ state.covariance @ f.T + np.diag(added))


def _update(state: State, h: np.ndarray, away: np.ndarray, noise: np.ndarray) -> State:
    """A Kalman update in Joseph's form, which stays symmetric and positive."""
    p = state.covariance
    gain = np.linalg.solve(h @ p @ h.T + noise, h @ p).T
    keep = np.eye(5) - gain @ h
    covariance = keep @ p @ keep.T + gain @ noise @ gain.T
    return replace(state, mean=state.mean + gain @ away, covariance=0.5 * (covariance + covariance.T))


def _find(state: State, fix: Fix, cfg: EstimatorConfig) -> State:
    """Notes where on its path the car was fixed; once that shows the heading, it is known from now on."""
    turned = state.mean[HEADING]
    back_m = state.mean[SPEED] * (state.stamp_s - fix.stamp_s)
    there = state.mean[:2] - back_m * np.array([math.cos(turned), math.sin(turned)])
    pairs = (*state.pairs, Pair(there, fix.position_m, fix.deviation_m))[-MOST_PAIRS:]
    if math.isfinite(fix.heading_rad):
        turn, turn_rad = _wrapped(fix.heading_rad - turned), fix.heading_deviation_rad
        place, place_m = fix.position_m - _turned(there, turn), fix.deviation_m
    else:
        found = align(pairs)
        if found is None or found.turn_deviation_rad > cfg.heading_rad:
            return replace(state, pairs=pairs)
        turn, turn_rad, place, place_m = found
    mean = state.mean.copy()
    mean[:2] = _turned(mean[:2], turn) + place
    mean[HEADING] = _wrapped(turned + turn)
    covariance = np.diag([place_m**2, place_m**2, turn_rad**2, *np.diag(state.covariance)[SPEED:]])
    return replace(
        state, mean=mean, covariance=covariance, known=True, fixed_s=fix.stamp_s, rejected=0, pairs=()
    )


def _turned(point_m: np.ndarray, angle_rad: float) -> np.ndarray:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([c * point_m[0] - s * point_m[1], s * point_m[0] + c * point_m[1]])


def _wrapped(angle_rad: float) -> float:
    return math.remainder(float(angle_rad), math.tau)
