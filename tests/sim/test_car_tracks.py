"""Courses: long enough, wide enough, nowhere overlapping, and the same for the same name or seed."""

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.sim import car_curves as curves
from sandlot.sim.car_tracks import NAMED, Track, pieces, track


def _away_m(points, walls):
    """Distance of each point [N, 2] to the nearest of the walls [W, 2, 2]."""
    begin, along = walls[:, 0], walls[:, 1] - walls[:, 0]
    away = points[:, None] - begin
    share = np.clip((away * along).sum(-1) / (along**2).sum(-1), 0.0, 1.0)
    return np.linalg.norm(away - share[..., None] * along, axis=-1).min(axis=1)


def test_hundred_procedural_tracks_can_be_driven():
    both = 0
    for seed in range(100):
        found = track(seed)
        assert 18.0 <= found.length_m <= 45.0
        assert 0.7 <= found.half_width_m <= 1.1
        bend = curves.bends(found.centre_m)
        assert np.abs(bend).max() <= 1 / 1.3
        both += bool((bend > 0.2).sum() > 5 and (bend < -0.2).sum() > 5)
        steps = np.linalg.norm(np.roll(found.centre_m, -1, axis=0) - found.centre_m, axis=1)
        assert 0.09 < steps.min() <= steps.max() < 0.11
        # No wall reaches into the way, of its own lane or of another one: every point of the middle is half
        # the width from the nearest, up to the sag of a straight piece.
        assert abs(_away_m(found.centre_m, found.walls_m).min() - found.half_width_m) < 0.03
        for x, y, radius_m in found.obstacles:
            beside = _away_m(np.array([[x, y]]), found.walls_m)[0]
            assert beside <= radius_m + 0.03  # at a border
            middle = np.linalg.norm(found.centre_m - [x, y], axis=1).min()
            assert middle - radius_m + found.half_width_m >= 0.6  # free way on its other side
            assert np.linalg.norm(found.centre_m[0] - [x, y]) > 2.0
    assert both > 50
    directions = [_turning(track(seed)) for seed in range(30)]
    assert min(directions) == -1 and max(directions) == 1


def _turning(found):
    """1 for an anticlockwise lap, -1 for a clockwise one; exactly one turn in all."""
    ahead = np.roll(found.centre_m, -1, axis=0) - found.centre_m
    heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    turns = (heading[-1] - heading[0]) / (2 * np.pi)
    assert abs(abs(turns) - 1.0) < 0.1
    return round(turns)


def test_the_hall_has_a_right_turn_and_a_hairpin():
    hall = track("hall")
    assert hall.indoor and hall.half_width_m == 0.9 and len(hall.obstacles) == 2
    assert abs(hall.length_m - 28.0) < 1.5
    ahead = np.roll(hall.centre_m, -1, axis=0) - hall.centre_m
    heading = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    assert (curves.bends(hall.centre_m) < -0.4).sum() * curves.STEP_M > 1.0  # metres of right turn
    window = 65  # a hairpin turns back within 6.5 m
    assert (heading[window:] - heading[:-window]).max() > np.radians(160)


def test_the_yard_is_outdoors_longer_and_wider():
    yard, hall = track("yard"), track("hall")
    assert not yard.indoor and yard.half_width_m > hall.half_width_m and yard.obstacles
    assert abs(yard.length_m - 41.0) < 2.5


def test_the_same_place_is_the_same_track_and_another_is_another():
    for place in ("hall", 5):
        first, second = track(place), track(place)
        np.testing.assert_array_equal(first.walls_m, second.walls_m)
        assert first.obstacles == second.obstacles
    assert not np.array_equal(track(5).centre_m[:50], track(6).centre_m[:50])
    lengths = {round(track(seed).length_m, 6) for seed in range(50)}
    assert len(lengths) == 50 and not lengths & {round(track(name).length_m, 6) for name in NAMED}


def test_an_unknown_place_is_refused_with_the_names():
    with pytest.raises(ConfigError, match="place 'attic' does not exist; choose from hall, yard"):
        track("attic")
    with pytest.raises(ConfigError, match="-1"):
        track(-1)


def test_the_outline_of_two_squares_and_of_two_that_touch_at_a_corner():
    corners = curves.outline({(0, 0), (1, 0)})
    assert corners.tolist() == [[0, 0], [1, 0], [2, 0], [2, 1], [1, 1], [0, 1]]
    assert curves.outline({(0, 0), (1, 1)}) is None
    # 6 edges, of which 4 corners cost 2 * 0.5 - pi / 4 of an edge each
    line = curves.rounded(corners, 2.0)
    assert curves.length_m(line) == pytest.approx(2.0 * (6 - 4 * (1 - np.pi / 4)), abs=0.02)
    inner = np.abs(curves.bends(curves.resampled(line)))
    assert inner.max() == pytest.approx(1.0, abs=0.05)  # arcs of half a square, here 1 m


def test_clearance_and_pose_on_a_straight_way():
    border = np.array([[0.0, -1.0], [10.0, -1.0]]), np.array([[10.0, 1.0], [0.0, 1.0]])
    centre = np.column_stack([np.linspace(0, 10, 101), np.zeros(101)])
    way = Track("way", centre, 1.0, np.array(border), ((5.0, 0.8, 0.2),), True, 0)
    assert way.clearance_m(np.array([2.0, 0.25])) == pytest.approx(0.75)
    assert way.clearance_m(np.array([5.0, 0.5])) == pytest.approx(0.1)  # of the obstacle
    assert way.clearance_m(np.array([2.0, 1.5])) == pytest.approx(-0.5)
    position, heading = way.pose(20)
    assert position.tolist() == [2.0, 0.0] and heading == 0.0
    assert way.nearest(np.array([3.02, 0.4])) == 30


def test_pieces_are_few_and_stay_near_the_border():
    angle = np.linspace(0, 2 * np.pi, 126, endpoint=False)
    circle = 2.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    found = pieces(circle)
    assert 12 <= len(found) <= 32  # a chord of 0.49 m has 15 mm of sag on this circle
    np.testing.assert_array_equal(found[1:, 0], found[:-1, 1])
    np.testing.assert_array_equal(found[0, 0], found[-1, 1])
    middles = np.linalg.norm(found.mean(axis=1), axis=1)
    assert middles.min() > 2.0 - 0.016
