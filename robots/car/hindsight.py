"""Goals in hindsight: where a car went is where it was told to go. Pure functions of recorded driving.

What another robot drove, or a person, knows nothing of our checkpoints. A place that it reached some seconds
later is as good as one: it becomes the goal of the frames before, until it is all but reached and the next
such place takes over, as on a course (hindsight relabelling, Andrychowicz et al. 2017). Whatever the goal is,
the reward is worked out anew for it, so it is right; driving to it is then what the recording shows.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.car import task


@dataclass(frozen=True, kw_only=True)
class HindsightConfig:
    """Which later place becomes a goal.

    Attributes:
        soonest_s: a goal is passed so long after the one before it, at least.
        latest_s: at most; longer where the car did not get `least_m` away.
        least_m: between a goal and the next.
        slowest_mps: behind the end of a recording driving goes on straight ahead, at least so fast.
    """

    soonest_s: float = 2.0
    latest_s: float = 8.0
    least_m: float = 0.5
    slowest_mps: float = 0.5

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"hindsight setting '{name}' is {value}: it must be more than 0")
        if self.soonest_s > self.latest_s:
            raise ConfigError(f"soonest_s={self.soonest_s} must not exceed latest_s={self.latest_s}")

    @property
    def beyond_s(self) -> float:
        """Driving on for so long passes two goals, whatever is drawn."""
        return 2.0 * (self.latest_s + 2.0 * self.least_m / self.slowest_mps)


class Goals(NamedTuple):
    """For every frame the place to be passed next and the one after it, [T, 2] each."""

    goal_m: np.ndarray
    following_m: np.ndarray


class Poses(NamedTuple):
    """Where a car was at every frame: stamps [T], positions [T, 2], headings [T]."""

    stamp_s: np.ndarray
    position_m: np.ndarray
    heading_rad: np.ndarray


def goals(
    poses: Poses,
    rng: np.random.Generator,
    config: HindsightConfig = HindsightConfig(),  # noqa: B008  (frozen)
) -> Goals:
    """Draws goals from the way that was driven without a break.

    Near the end no goal was reached any more; goals are then on the straight way on. That holds for a
    collision above all: the wall stands between the car and its goal.

    Args:
        poses: of at least one frame, stamps rising.
        rng: draws when each goal is passed.
        config: see there.
    """
    path = _driven_on(poses, config)
    passed = [0]  # frames of the path at which a goal is passed
    frames = len(poses.stamp_s)
    while len(passed) < 3 or passed[-2] <= frames:
        last = passed[-1]
        due_s = path.stamp_s[last] + rng.uniform(config.soonest_s, config.latest_s)
        away_m = np.linalg.norm(path.position_m - path.position_m[last], axis=1)
        late = (np.arange(len(away_m)) > last) & (path.stamp_s >= due_s) & (away_m >= config.least_m)
        passed.append(int(np.argmax(late)) if late.any() else len(late) - 1)
    # a step is paid for the speed at the frame after it: at the goal itself there is no direction left to go
    following = np.searchsorted(passed, np.arange(1, frames + 1), side="right")
    at = np.array(passed)
    return Goals(path.position_m[at[following]], path.position_m[at[following + 1]])


def _driven_on(poses: Poses, config: HindsightConfig) -> Poses:
    """The way, and straight on behind its end for as long as two goals may need."""
    stamp_s, position_m = np.asarray(poses.stamp_s, float), np.asarray(poses.position_m, float)
    took_s = float(stamp_s[-1] - stamp_s[0])
    gap_s = took_s / (len(stamp_s) - 1) if len(stamp_s) > 1 else config.soonest_s / 10.0
    way_m = float(np.linalg.norm(np.diff(position_m, axis=0), axis=1).sum())
    speed_mps = max(config.slowest_mps, way_m / took_s if took_s > 0 else 0.0)
    # some frames more: each of the goals is rounded up to one, and passed one early
    more_s = gap_s * np.arange(1, math.ceil(config.beyond_s / gap_s) + 5)
    ahead = np.array([math.cos(poses.heading_rad[-1]), math.sin(poses.heading_rad[-1])])
    return Poses(
        np.concatenate([stamp_s, stamp_s[-1] + more_s]),
        np.concatenate([position_m, position_m[-1] + speed_mps * more_s[:, None] * ahead]),
        np.concatenate([poses.heading_rad, np.full(len(more_s), poses.heading_rad[-1])]),
    )


def reckoned(velocity_mps: np.ndarray, yaw_rate_radps: np.ndarray, control_hz: float) -> Poses:
    """Poses by dead reckoning, from the first frame, for steps that were stored without positions.

    Some seconds of it are good enough for goals, which are near; it is no map.

    Args:
        velocity_mps: forward and left [T, 2].
        yaw_rate_radps: [T].
        control_hz: frames a second.
    """
    count = len(yaw_rate_radps)
    gap_s = 1.0 / control_hz
    turned = (yaw_rate_radps[1:] + yaw_rate_radps[:-1]) / 2.0 * gap_s
    heading = np.concatenate([[0.0], np.cumsum(turned)])
    mean = (velocity_mps[1:] + velocity_mps[:-1]) / 2.0
    middle = heading[:-1] + turned / 2.0
    moved = gap_s * turned_by(mean, middle)
    position = np.concatenate([np.zeros((1, 2)), np.cumsum(moved, axis=0)])
    return Poses(gap_s * np.arange(count), position, heading)


def relabelled(
    state: np.ndarray,
    reward: np.ndarray,
    control_hz: float,
    rng: np.random.Generator,
    config: HindsightConfig = HindsightConfig(),  # noqa: B008  (frozen)
) -> tuple[np.ndarray, np.ndarray]:
    """Our own recorded driving with goals in hindsight; what an end cost stays in the reward.

    Args:
        state: of one segment, float32 [T + 1, 15] of `task.observe`, its final last.
        reward: of its steps, float32 [T].
        control_hz: of the recording.
        rng: draws the goals.
        config: see there.

    Returns:
        State and reward, of the same shapes.
    """
    at = _columns()
    velocity = state[:, at["velocity"]].astype(float) * task.UNIT_MPS
    yaw_rate = state[:, at["yaw_rate"]][:, 0].astype(float) * task.UNIT_RADPS
    poses = reckoned(velocity, yaw_rate, control_hz)
    seen = state[:, at["goal"]].astype(float)
    before_m = poses.position_m + turned_by(seen[:, :2] * seen[:, 2:] * task.UNIT_M, poses.heading_rad)
    new = goals(poses, rng, config)
    made = state.copy()
    made[:, at["goal"]] = seen_along(poses, new.goal_m)
    made[:, at["following"]] = seen_along(poses, new.following_m)
    there = Poses(*(values[1:] for values in poses))  # a step is paid for the speed that it led to
    gained = progress(there, velocity[1:], new.goal_m[:-1]) - progress(there, velocity[1:], before_m[:-1])
    return made, (reward + gained).astype(np.float32)


def seen_along(poses: Poses, place_m: np.ndarray) -> np.ndarray:
    """Places [T, 2] as seen from the poses, float [T, 3]: `task.seen_from` for every frame."""
    away = place_m - poses.position_m
    distance_m = np.linalg.norm(away, axis=1, keepdims=True)
    body = turned_by(away, -poses.heading_rad)
    return np.concatenate([body / np.maximum(distance_m, 1e-6), distance_m / task.UNIT_M], axis=1)


def progress(poses: Poses, velocity_mps: np.ndarray, goal_m: np.ndarray) -> np.ndarray:
    """The speed towards goals [T, 2] at every frame [T], in `task.UNIT_MPS`."""
    towards = seen_along(poses, goal_m)[:, :2]
    return np.asarray((velocity_mps * towards).sum(axis=1) / task.UNIT_MPS)


def turned_by(vector: np.ndarray, angle_rad: np.ndarray) -> np.ndarray:
    """Vectors [T, 2], each turned to the left by its angle [T]."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    x, y = vector[:, 0], vector[:, 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


def _columns() -> dict[str, slice]:
    """Where each entry lies in the state."""
    found, at = {}, 0
    for entry in task.state_entries():
        found[entry.name] = slice(at, at + entry.size)
        at += entry.size
    return found
