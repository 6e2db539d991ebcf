"""Courses: files, laps turned into checkpoints, walls."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sandlot.robots.car.course import Course, check_clear, load, save
from sandlot.robots.car.course_from_lap import LapConfig, course_from_lap
from sandlot.robots.car.course_picture import CHECKPOINT, LAP, START, WALL, draw
from sandlot.robots.car.course_picture import save as save_picture
from sandlot.robots.car.errors import CourseError

SQUARE = Course(name="square", checkpoints_m=((0, 0), (4, 0), (4, 4), (0, 4)))


def test_a_file_is_written_and_read(tmp_path):
    file = tmp_path / "square.yaml"
    save(file, SQUARE)
    assert load(file) == SQUARE and file.read_text().startswith("name: square\n")
    assert [p.name for p in tmp_path.iterdir()] == ["square.yaml"]
    assert SQUARE.gaps_m == pytest.approx([4, 4, 4, 4])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1, 2]", "must hold settings: name, frame, radius_m, checkpoints_m"),
        ("a: [", "is no YAML"),
        ("radius: 1", "'radius' is no setting; there are name, frame"),
        ("name: a", r"checkpoints_m must be a list of \[x, y\] in m"),
        ("checkpoints_m: [[0, 0], [1, true], [2, 2]]", "must be a list of"),
        (
            "checkpoints_m: [[0, 0], [4, 0], [4, 4]]\nradius_m: wide",
            "radius_m is 'wide'; it must be a number",
        ),
        ("checkpoints_m: [[0, 0], [4, 0]]", "2 checkpoints, a course needs 3 or more"),
        (
            "checkpoints_m: [[0, 0], [4, .nan], [4, 4]]",
            r"checkpoint 1 is \[4.0, nan\]; x and y must be numbers",
        ),
        ("checkpoints_m: [[0, 0], [4, 0], [4, 0.5]]", r"1 and 2 are 0.50 m apart, within radius_m \(1\)"),
        ("checkpoints_m: [[0, 0], [4, 0], [0, 0.5]]", "2 and 0 are 0.50 m apart"),
        (
            "checkpoints_m: [[0, 0], [4, 0], [4, 4]]\nradius_m: 0",
            r"radius_m is 0.0; it must lie in \[0.05, 20\]",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path, text, says):
    file = tmp_path / "course.yaml"
    file.write_text(text)
    with pytest.raises(CourseError, match=f"course.yaml.*{says}"):
        load(file)
    with pytest.raises(CourseError, match="none.yaml' cannot be read: No such file.*record one"):
        load(tmp_path / "none.yaml")


def oval(straight_m=10.0, radius_m=2.0, noise_m=0.0, over=0.0, seed=0):
    """A lap round two straights and two half circles, from the middle of a straight, counter-clockwise."""
    half_m, turn_m = straight_m / 2, math.pi * radius_m
    points = []
    for driven_m in np.arange(0.0, 2 * (straight_m + turn_m) + over, 0.11):
        side, along_m = divmod((driven_m + half_m) % (2 * (straight_m + turn_m)), straight_m + turn_m)
        angle = (along_m - straight_m) / radius_m - math.pi / 2
        x, y = along_m - half_m, -radius_m
        if along_m > straight_m:
            x, y = half_m + radius_m * math.cos(angle), radius_m * math.sin(angle)
        points.append((-x, -y) if side else (x, y))
    return np.array(points) + np.random.default_rng(seed).normal(0.0, noise_m, (len(points), 2))


@given(st.floats(0.0, 0.03), st.floats(-0.5, 3.0), st.integers(0, 100))
@settings(deadline=None, max_examples=30)
def test_checkpoints_follow_the_curvature_whatever_the_noise_and_the_overlap(noise_m, over, seed):
    course, lap = course_from_lap(oval(noise_m=noise_m, over=over, seed=seed), "oval")
    points = np.array(course.checkpoints_m)
    assert np.linalg.norm(points[0] - [0.0, -2.0]) < 0.3
    turns = np.abs(points[:, 0]) > 5.0
    assert 2 <= turns.sum() and len(points) - turns.sum() >= 3
    assert course.gaps_m.max() < 5.5 and 9 <= len(points) <= 16
    assert len(lap) * 0.05 == pytest.approx(20 + 4 * math.pi, rel=0.08)
    assert np.linalg.norm(lap[-1] - lap[0]) < 0.2


def test_denser_in_curves():
    course, _ = course_from_lap(oval(straight_m=20.0, radius_m=3.0), "oval")
    points = np.array(course.checkpoints_m)
    in_turn = np.abs(points[:, 0]) > 10.0
    straights_m = 40.0 / (~in_turn).sum()
    turns_m = 6.0 * math.pi / in_turn.sum()
    assert turns_m < 0.7 * straights_m


def test_a_drift_is_spread_over_the_lap():
    lap = oval()
    drifted = lap + np.linspace(0, 1, len(lap))[:, None] * [0.0, 0.6]
    _, closed = course_from_lap(drifted, "drifted")
    steps = np.linalg.norm(np.roll(closed, -1, axis=0) - closed, axis=1)
    assert steps.max() < 0.1


@pytest.mark.parametrize(
    ("lap", "says"),
    [
        (
            oval()[:150],
            r"does not close: after 16.\d m it came no nearer to its start than \d.\d\d m, within 1 m",
        ),
        (oval()[:20], "is 2.09 m long, at least 5 m are needed"),
        (np.zeros((100, 2)), "is 0.00 m long"),
        (
            np.where(np.arange(400)[:, None] % 2, np.nan, 1.0) * np.ones((400, 2)),
            "200 of 400 positions are not",
        ),
        (np.zeros((5, 3)), r"positions \[T, 2\], not \(5, 3\)"),
        (np.zeros((0, 2)), r"not \(0, 2\)"),
    ],
)
def test_a_lap_that_is_none_is_refused(lap, says):
    with pytest.raises(CourseError, match=says):
        course_from_lap(lap, "bad")


def test_settings_out_of_range_are_refused():
    with pytest.raises(CourseError, match="straight_m is 0"):
        LapConfig(straight_m=0.0)
    with pytest.raises(CourseError, match="checkpoints that are more than radius_m"):
        course_from_lap(oval(straight_m=1.0, radius_m=1.0), "tiny", LapConfig(radius_m=4.0))


def test_a_checkpoint_on_a_wall_is_named():
    walls = np.array([[[3.0, -1.0], [3.0, 6.0]], [[-1.0, -1.0], [6.0, -1.0]]])
    check_clear(SQUARE, walls, 0.9)
    check_clear(SQUARE, np.zeros((0, 2, 2)), 0.9)
    moved = dataclasses.replace(SQUARE, checkpoints_m=((0, 0), (3.1, 0.5), (4, 4), (0, 4)))
    with pytest.raises(
        CourseError, match=r"checkpoint 1 at \[3.1, 0.5\] is 0.10 m from a wall, the car needs 0.20"
    ):
        check_clear(moved, walls, 0.2)


def test_the_picture_shows_lap_checkpoints_and_walls(tmp_path):
    course, lap = course_from_lap(oval(), "oval")
    walls = np.array([[[-9.0, -4.0], [9.0, -4.0]], [[9.0, -4.0], [9.0, 4.0]]])
    picture = draw(course, lap, walls)
    assert max(picture.size) == 900
    pixels = np.array(picture).reshape(-1, 3)
    for colour in (WALL, LAP, CHECKPOINT, START):
        assert (pixels == colour).all(axis=1).sum() > 30
    save_picture(tmp_path / "oval.png", picture)
    assert (np.array(Image.open(tmp_path / "oval.png")).reshape(-1, 3) == pixels).all()
