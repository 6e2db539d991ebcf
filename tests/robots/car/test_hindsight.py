import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import ConfigError
from sandlot.robots.car import task
from sandlot.robots.car.hindsight import HindsightConfig, Poses, goals, reckoned, relabelled
from sandlot.robots.car.spec import CarCommand, CarReading

EVERY_3_S = HindsightConfig(soonest_s=3.0, latest_s=3.0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def straight(frames: int, hz: float = 10.0, mps: float = 1.0) -> Poses:
    stamp_s = np.arange(frames) / hz
    return Poses(stamp_s, np.stack([mps * stamp_s, 0 * stamp_s], axis=1), np.zeros(frames))


def test_a_goal_is_where_the_car_was_later_and_stays_until_it_is_passed():
    drawn = goals(straight(100), rng(), EVERY_3_S)
    assert drawn.goal_m[[0, 15, 28], 0].tolist() == [3.0, 3.0, 3.0]
    assert drawn.goal_m[[29, 58, 59], 0].tolist() == [6.0, 6.0, 9.0]  # a frame before it is reached
    assert drawn.following_m[[0, 28, 29], 0].tolist() == [6.0, 6.0, 9.0]
    assert not drawn.goal_m[:, 1].any()


def test_behind_the_end_goals_lie_straight_ahead_at_the_mean_speed():
    poses = straight(21)  # 2 s at 1 m/s, to (2, 0); the nose then points to the left
    poses.heading_rad[-1] = math.pi / 2
    drawn = goals(poses, rng(), EVERY_3_S)
    np.testing.assert_allclose(drawn.goal_m[[0, 20]], [[2, 1], [2, 1]], atol=0.101)
    np.testing.assert_allclose(drawn.following_m[20], [2, 4], atol=0.201)


def test_a_car_that_stands_gets_goals_that_are_somewhere_else():
    poses = Poses(np.arange(50) / 10.0, np.zeros((50, 2)), np.zeros(50))
    drawn = goals(poses, rng())
    assert np.linalg.norm(drawn.goal_m, axis=1).min() >= 0.5
    assert np.linalg.norm(drawn.following_m - drawn.goal_m, axis=1).min() >= 0.5
    alone = goals(Poses(np.zeros(1), np.array([[1.0, 2.0]]), np.zeros(1)), rng())
    assert alone.goal_m.shape == alone.following_m.shape == (1, 2)
    assert alone.following_m[0, 0] > alone.goal_m[0, 0] > 1.5
    assert alone.goal_m[0, 1] == 2.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 120), st.floats(1.0, 30.0), st.floats(0.0, 4.0))
def test_every_goal_is_passed_two_to_eight_seconds_after_the_one_before(seed, frames, hz, mps):
    draw = rng(seed)
    heading = np.cumsum(draw.normal(0, 0.3, frames))
    moved = mps / hz * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    poses = Poses(np.arange(frames) / hz, np.cumsum(moved, axis=0), heading)
    drawn = goals(poses, draw)
    assert np.isfinite(drawn.goal_m).all() and np.isfinite(drawn.following_m).all()
    changes = 1 + np.flatnonzero((np.diff(drawn.goal_m, axis=0) != 0).any(axis=1))
    for at in changes:
        # what comes next is what was announced, and one frame on the car is at the goal that it passes
        np.testing.assert_array_equal(drawn.goal_m[at], drawn.following_m[at - 1])
        if at + 1 < frames:
            np.testing.assert_array_equal(drawn.goal_m[at - 1], poses.position_m[at + 1])
    assert (np.diff(np.append(-1, changes)) / hz >= 2.0 - 1e-9).all()
    assert (np.linalg.norm(drawn.following_m - drawn.goal_m, axis=1) >= 0.5 - 1e-9).all()
    if mps >= 1.0 and len(changes) > 1 and (np.abs(np.diff(heading)) < 0.1).all():
        assert (np.diff(changes) / hz <= 8.0 + 1 / hz + 1e-9).all()


def test_dead_reckoning_of_a_circle_is_a_circle():
    hz, count = 50.0, 101  # 2 s at 1 m/s and 0.5 rad/s: 1 rad of a circle of 2 m
    poses = reckoned(np.tile([1.0, 0.0], (count, 1)), np.full(count, 0.5), hz)
    assert poses.heading_rad[-1] == pytest.approx(1.0)
    assert poses.stamp_s[-1] == pytest.approx(2.0)
    np.testing.assert_allclose(poses.position_m[-1], [2 * math.sin(1), 2 * (1 - math.cos(1))], atol=1e-4)
    # sliding to the left is motion to the left
    slid = reckoned(np.tile([0.0, 0.5], (count, 1)), np.zeros(count), hz)
    np.testing.assert_allclose(slid.position_m[-1], [0.0, 1.0], atol=1e-12)


def seen(poses: Poses, t: int, mps: float, radps: float) -> CarReading:
    return CarReading(
        float(poses.stamp_s[t]), poses.position_m[t], float(poses.heading_rad[t]), np.array([mps, 0.0]),
        radps, np.array([0, 0, 9.81]), 0.0, mps, 8.0, CarCommand(mps, 0.1),
    )  # fmt: skip


def test_our_own_recording_gets_the_goals_and_rewards_it_would_have_had():
    hz, count, mps, radps = 10.0, 61, 2.0, 0.4
    where = reckoned(np.tile([mps, 0.0], (count, 1)), np.full(count, radps), hz)
    readings = [seen(where, t, mps, radps) for t in range(count)]
    ours_m = np.where(np.arange(count)[:, None] < 25, [[4.0, -9.0]], [[-9.0, 0.0]])
    state = np.stack([task.observe(r, ours_m[t], ours_m[t] + 1) for t, r in enumerate(readings)])
    reward = np.array([task.reward(readings[t + 1], ours_m[t]) for t in range(count - 1)])
    reward[-1] -= 2.5  # a collision
    new_state, new_reward = relabelled(state, reward.astype(np.float32), hz, rng(5))
    drawn = goals(where, rng(5))
    expected = np.stack(
        [task.observe(r, drawn.goal_m[t], drawn.following_m[t]) for t, r in enumerate(readings)]
    )
    np.testing.assert_allclose(new_state, expected, atol=2e-5)
    paid = np.array([task.reward(readings[t + 1], drawn.goal_m[t]) for t in range(count - 1)])
    paid[-1] -= 2.5
    np.testing.assert_allclose(new_reward, paid, atol=2e-4)
    assert new_reward[:-1].mean() > reward[:-1].mean() + 0.05  # it drove to these goals, not to those
    assert state.dtype == new_state.dtype == new_reward.dtype == np.float32


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"least_m": 0.0}, "'least_m' is 0.0"),
        ({"soonest_s": 9.0}, "soonest_s=9.0 must not exceed latest_s=8.0"),
    ],
)
def test_settings_that_make_no_goals_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        HindsightConfig(**settings)
