"""Makers of the car's envs: what the Gymnasium ids point to.

The named places are driven on a course out of one slow lap of their scripted driver, or on one from a file;
`car_places` is another procedural place for every seed, for recordings to pretrain an encoder with.
"""

from collections.abc import Callable, Sequence

import numpy as np

from sandlot.robots.car import course as courses
from sandlot.robots.car.course_from_lap import LapConfig, course_from_lap
from sandlot.robots.car.env import CarEnv, Place
from sandlot.robots.car.practice import PracticeConfig
from sandlot.robots.car.pursuit import action_for, follow
from sandlot.robots.car.racing_line import Grip, Line, racing_line
from sandlot.robots.car.spec import IMAGE_PX, CarScene
from sandlot.robots.words import from_words
from sandlot.sim.car import SimCar
from sandlot.sim.car_tracks import Track, track

TASKS = {"car_hall": "hall", "car_yard": "yard", "car_places": ""}
"""Where each task is driven; "" is everywhere."""
SLOW_MPS = 1.5
"""Speed of a demonstration."""
RUN_UP_M = 1.5
"""So far before the start line a car is put down."""
CAR_HALF_M = 0.18
"""Half of the car's width, and a little."""
CHECKPOINTS = LapConfig(straight_m=3.0, radius_m=0.9)
PLACES = 100_000
"""Seeds of procedural places that are drawn from."""


def make(
    task: str,
    *,
    render_mode: str | None = None,
    cameras: Sequence[str] = (),
    image_px: int = IMAGE_PX,
    randomize: bool = False,
    course: str = "",
    practice: Sequence[str] = (),
) -> CarEnv:
    """An env of the simulated car.

    Args:
        task: where to practise, a key of `TASKS`.
        render_mode: "rgb_array" to make `render` work.
        cameras: none, or the bumper's; without one the car feels its way by odometry and checkpoints alone.
        image_px: width and height of the frames.
        randomize: vary mass, grip, lags and sensor noise whenever the car is put down.
        course: file of the course (`sandlot course`); without one, one slow lap is driven for it.
        practice: settings of the practice machine, NAME=VALUE.
    """
    name = TASKS[task]
    robot = SimCar(
        name or "hall", many_places=not name, cameras=cameras, image_px=image_px, randomize=randomize
    )
    place = _fixed(robot, course) if name else _anywhere
    config = from_words(PracticeConfig, practice, "practice")
    return CarEnv(task, robot, place, config=config, stays=bool(name), render_mode=render_mode)


def _fixed(robot: SimCar, file: str) -> Callable[[np.random.Generator], Place]:
    """The named place of this car."""
    walls_m, lap_m = robot.track.walls_m, None
    if file:
        course = courses.load(file)
    else:
        course, lap_m = course_from_lap(slow_lap(robot), robot.track.name, CHECKPOINTS)
    courses.check_clear(course, walls_m, CAR_HALF_M)
    place = Place(course, start(robot.track), slow_line(robot.track), lap_m, walls_m)
    return lambda _: place


def _anywhere(rng: np.random.Generator) -> Place:
    """A procedural place."""
    seed = int(rng.integers(PLACES))
    found = track(seed)
    course, _ = course_from_lap(np.concatenate([found.centre_m, found.centre_m[:1]]), found.name, CHECKPOINTS)
    line = racing_line(found.centre_m, room(found), Grip(fastest_mps=float(rng.uniform(1.0, 3.5))))
    along = int(rng.integers(len(found.centre_m)))
    return Place(course, start(found, along, seed), line)


def start(found: Track, along: int = 0, place: int = 0) -> CarScene:
    """A car on the middle of the track, `RUN_UP_M` before its point number `along`."""
    at = (along - round(RUN_UP_M / 0.1)) % len(found.centre_m)
    ahead = found.centre_m[(at + 3) % len(found.centre_m)] - found.centre_m[at]
    x, y = found.centre_m[at]
    return CarScene((float(x), float(y)), float(np.arctan2(ahead[1], ahead[0])), place)


def room(found: Track, margin_m: float = CAR_HALF_M) -> np.ndarray:
    """How far from the middle a car may drive, to the right (negative) and to the left [N, 2].

    What stands on the track is passed on its free side.
    """
    wide = found.half_width_m - margin_m
    room_m = np.tile([-wide, wide], (len(found.centre_m), 1))
    ahead = np.roll(found.centre_m, -1, axis=0) - np.roll(found.centre_m, 1, axis=0)
    normal = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.linalg.norm(ahead, axis=1)[:, None]
    for x, y, radius_m in found.obstacles:
        away = np.array([x, y]) - found.centre_m
        near = np.linalg.norm(away, axis=1) < radius_m + margin_m + found.half_width_m
        beside = (away * normal).sum(axis=1)
        along = np.abs(away[:, 0] * normal[:, 1] - away[:, 1] * normal[:, 0])
        near &= along < radius_m + 2 * margin_m
        reach = radius_m + 1.5 * margin_m
        left = near & (beside > 0)
        right = near & (beside <= 0)
        room_m[left, 1] = np.minimum(room_m[left, 1], beside[left] - reach)
        room_m[right, 0] = np.maximum(room_m[right, 0], beside[right] + reach)
    middle = room_m.mean(axis=1)
    closed = room_m[:, 1] - room_m[:, 0] < 0.02
    room_m[closed] = middle[closed, None] + [-0.01, 0.01]
    return room_m


def slow_line(found: Track) -> Line:
    """What a careful driver follows: a smooth line well away from everything, at walking pace."""
    return racing_line(found.centre_m, 0.5 * room(found, 1.5 * CAR_HALF_M), Grip(fastest_mps=SLOW_MPS))


def slow_lap(robot: SimCar) -> np.ndarray:
    """Positions [T, 2] of one slow lap of the scripted driver, in the simulated world, from line to line."""
    line, scene = slow_line(robot.track), start(robot.track)
    robot.reset(scene, np.random.default_rng(0))
    positions: list[np.ndarray] = []
    length_m = float(np.linalg.norm(np.diff(robot.track.centre_m, axis=0), axis=1).sum())
    for _ in range(round(2 * (length_m + 2 * RUN_UP_M) / SLOW_MPS * robot.control_hz)):
        reading = robot.observe()
        if positions or np.linalg.norm(reading.position_m - scene.position_m) >= RUN_UP_M:
            positions.append(reading.position_m.copy())
        robot.act(action_for(reading.command, follow(line, reading), robot.limits))
    return np.array(positions)
