import numpy as np
import pytest

from sandlot.learners import envs
from sandlot.learners.demos import DemosConfig, record_demos
from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Flag
from sandlot.robots.car import course as courses
from sandlot.robots.car import task
from sandlot.robots.car.course import Course
from sandlot.robots.car.errors import CourseError
from sandlot.robots.car.practice import Cause
from sandlot.robots.car.spec import CarCommand, CarLimits
from sandlot.sim.car_envs import make, room, start
from sandlot.sim.car_tracks import track

FULL_AHEAD = np.array([1.0, 0.0], np.float32)
FULL_LEFT = np.array([1.0, 1.0], np.float32)


@pytest.fixture(scope="module")
def hall():
    env = make("car_hall")
    yield env
    env.close()


def drive_into_something(env, action=FULL_AHEAD):
    """The same action until driving ends; the last step."""
    while True:
        *_, reward, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            return reward, terminated, truncated, info


def test_the_scripted_driver_drives_a_clean_lap_and_its_episode_is_cut_there(hall):
    hall.place = None
    hall.reset(seed=0)
    steps, total = 0, 0.0
    while True:
        obs, reward, terminated, truncated, info = hall.step(hall.expert_action())
        assert hall.observation_space["state"].contains(obs["state"])
        steps, total = steps + 1, total + reward
        if terminated or truncated:
            break
    assert (terminated, truncated, info["success"]) == (False, True, True)
    assert info["lap"].clean and info["lap"].time_s == pytest.approx(0.1 * steps, abs=3.0)
    metres = total * task.UNIT_MPS / hall.robot.control_hz
    assert 0.8 * hall.robot.track.length_m < metres < 1.2 * hall.robot.track.length_m
    _, info = hall.reset(seed=1)
    assert info["resets"] == []  # it drives on from where it is
    assert hall.robot.observe().velocity_mps[0] > 1.0
    assert hall.figures()["first_clean_lap_s"] == pytest.approx(0.1 * steps, abs=0.2)


def test_a_collision_is_a_true_end_costs_and_is_recovered_from_by_driving(hall):
    hall.place = None
    hall.reset(seed=0)
    reward, terminated, truncated, info = drive_into_something(hall)
    assert (terminated, truncated, info["cause"]) == (True, False, Cause.COLLISION.value)
    assert reward < -10.0 / task.UNIT_MPS + 1.0
    assert hall.robot.collisions >= 1
    before = hall.robot.observe().position_m
    _, info = hall.reset(seed=1)
    (note,) = info["resets"]
    assert note.controller == "recovery_collision" and note.steps > 5 and not note.failed
    assert 0.3 < np.linalg.norm(hall.robot.observe().position_m - before) < 1.5
    assert hall.figures()["ends_collision"] == 1.0


def test_a_lap_with_a_collision_is_not_clean(hall):
    hall.place = None
    hall.reset(seed=0)
    drive_into_something(hall)
    info = {}
    while "lap" not in info:
        *_, terminated, truncated, info = hall.step(hall.expert_action())
        if (terminated or truncated) and "lap" not in info:
            hall.reset()
    assert not info["success"] and info["lap"].collisions >= 1


def test_without_recoveries_a_person_is_called_in_the_end():
    env = make("car_hall", practice=("recovery=false",))
    env.reset(seed=0)
    called = []
    for _ in range(40):
        drive_into_something(env, FULL_LEFT)
        called += [note.failed for note in env.reset()[1]["resets"]]
        if any(called):
            break
    assert any("cannot go on by itself" in why for why in called)
    assert env.robot.observe().velocity_mps[0] == pytest.approx(0.0, abs=0.1)
    env.close()


def test_the_same_seed_and_actions_give_the_same_drive_bit_for_bit():
    states = []
    for _ in range(2):
        env = make("car_hall", randomize=True)
        rng = np.random.default_rng(3)
        rows = [env.reset(seed=5)[0]["state"]]
        for _ in range(40):
            obs, _, terminated, truncated, _ = env.step(rng.uniform(-1, 1, 2).astype(np.float32))
            rows.append(obs["state"])
            if terminated or truncated:
                rows.append(env.reset()[0]["state"])
        states.append(np.array(rows))
        env.close()
    np.testing.assert_array_equal(*states)


def test_actions_are_changes_and_are_reported_as_executed(hall):
    hall.place = None
    hall.reset(seed=0)
    *_, info = hall.step(np.array([5.0, np.nan], np.float32))
    assert np.isfinite(info["action"]).all()
    limits = CarLimits()
    for _ in range(20):
        *_, info = hall.step(FULL_AHEAD)
    assert hall.robot.observe().command.speed_mps <= limits.fastest_mps


def test_demonstrations_are_laps():
    demo = next(iter(record_demos(DemosConfig(task="car_hall", episodes=1))))
    assert demo.episode.success and len(demo.steps) > 100
    assert demo.steps["flags"][-1] & Flag.TRUNCATED and demo.steps["discount"][-1] == 1.0


def test_every_seed_is_another_place_on_car_places():
    env = make("car_places", cameras=("bumper",), image_px=32)
    seen = []
    for seed in (1, 2):
        obs, _ = env.reset(seed=seed)
        seen.append((env.robot.track.name, obs["images"]["bumper"]))
        assert obs["images"]["bumper"].shape == (32, 32, 3)
    assert seen[0][0] != seen[1][0]
    assert np.abs(seen[0][1].astype(int) - seen[1][1]).mean() > 5.0
    env.close()


def test_the_room_beside_an_obstacle_is_narrower():
    found = track("hall")
    room_m = room(found)
    assert (room_m[:, 1] - room_m[:, 0]).max() == pytest.approx(2 * (found.half_width_m - 0.18))
    x, y, _ = found.obstacles[0]
    nearest = int(np.linalg.norm(found.centre_m - (x, y), axis=1).argmin())
    assert room_m[nearest, 1] - room_m[nearest, 0] < found.half_width_m * 2 - 0.5


def test_a_course_from_a_file_is_driven_and_one_in_a_wall_is_refused(tmp_path):
    made = make("car_hall")
    course, lap_m, walls_m = made.map()
    made.close()
    file = tmp_path / "hall.yaml"
    courses.save(file, course)
    env = envs.make("car_hall", course=str(file))
    assert len(env.unwrapped.map()[0].checkpoints_m) == len(course.checkpoints_m)
    env.close()
    shifted = [(x + 0.9, y) for x, y in course.checkpoints_m]
    courses.save(file, Course(name="shifted", radius_m=0.9, checkpoints_m=tuple(shifted)))
    with pytest.raises((CourseError, ConfigError), match="from a wall"):
        envs.make("car_hall", course=str(file))


def test_a_setting_of_practice_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ConfigError, match="colision_mps2"):
        envs.make("car_hall", practice=("colision_mps2=3",))


def test_a_car_is_put_down_before_the_line_and_counts_its_first_lap_from_there(hall):
    hall.place = None
    hall.reset(seed=0)
    scene = start(hall.robot.track)
    away = np.linalg.norm(hall.robot.track.centre_m[0] - scene.position_m)
    assert away == pytest.approx(1.5, abs=0.1)
    assert hall.robot.observe().command == CarCommand()
