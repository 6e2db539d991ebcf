"""What the car's camera sees: of the right shape and age, different from place to place, walls that show."""

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.spec import CAMERA, CarCommand, CarScene
from sandlot.sim import render
from sandlot.sim.car import SimCar
from sandlot.sim.car_looks import APART, TEXTURE_PX, look
from sandlot.sim.car_tracks import track


def _reason():
    try:
        render.make_context(16, 16).free()
    except ConfigError as err:
        return str(err)
    return ""


REASON = _reason()
needs_gl = pytest.mark.skipif(bool(REASON), reason=REASON or "OpenGL works")


def _scene(found, along=0, place=0):
    (x, y), heading_rad = found.pose(along)
    return CarScene((float(x), float(y)), heading_rad, place)


@needs_gl
def test_frames_are_of_the_declared_shape_and_fresh():
    car = SimCar(cameras=(CAMERA,), image_px=64)
    assert car.cameras == {"bumper": (64, 64, 3)}
    first = car.images()["bumper"]
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8 and first.std() > 20
    again = car.images()["bumper"]
    np.testing.assert_array_equal(first, again)  # the same instant
    assert not np.shares_memory(first, again)
    for _ in range(6):
        car.drive(CarCommand(2.0, 0.0))
    moved = car.images()["bumper"].astype(int)
    assert (np.abs(moved - first) > 10).mean() > 0.1
    film = car.render()
    assert film.shape == (480, 640, 3) and film.std() > 10
    car.close()
    car.close()


@needs_gl
def test_frames_are_forty_milliseconds_old_and_repeat_with_the_seed():
    cars = [SimCar(cameras=(CAMERA,), image_px=64) for _ in range(2)]
    for car in cars:
        car.reset(_scene(car.track), np.random.default_rng(1))
        for _ in range(8):
            car.drive(CarCommand(3.0, 0.1))
    frames = [car.images()["bumper"] for car in cars]
    np.testing.assert_array_equal(*frames)
    car = cars[0]
    car._seen, car._frames = car._physics.data.qpos.copy(), None  # what it would see now
    assert np.abs(car.images()["bumper"].astype(int) - frames[1]).max() > 10
    back = car._physics.data.qpos[:2] - cars[1]._seen[:2]
    assert np.linalg.norm(back) == pytest.approx(3.0 * 0.04, abs=0.02)
    for car in cars:
        car.close()


@needs_gl
def test_places_look_different():
    car, frames = SimCar(many_places=True, cameras=(CAMERA,), image_px=64), []
    for seed in range(4):
        car.reset(_scene(track(seed), place=seed), np.random.default_rng(0))
        frames.append(car.images()["bumper"].astype(int))
    for index, one in enumerate(frames):
        for other in frames[index + 1 :]:
            assert np.abs(one - other).mean() > 10
    car.close()


@needs_gl
def test_a_wall_ahead_looks_different_from_a_free_way():
    car = SimCar(cameras=(CAMERA,), image_px=64)
    (x, y), heading_rad = car.track.pose()
    ahead, across = np.array([np.cos(heading_rad), np.sin(heading_rad)]), heading_rad + np.pi / 2
    left = np.array([-ahead[1], ahead[0]])
    car.reset(_scene(car.track), np.random.default_rng(0))
    free = car.images()["bumper"].astype(int)
    at = np.array([x, y]) + left * (car.track.half_width_m - 0.7)
    car.reset(CarScene((float(at[0]), float(at[1])), across), np.random.default_rng(0))
    wall = car.images()["bumper"].astype(int)
    assert not car.touching
    # 0.27 m ahead of the camera a wall of 0.25 m fills about half of the picture's height.
    assert (np.abs(wall - free).max(axis=2) > 25).mean() > 0.3
    car.close()


def test_without_cameras_nothing_is_drawn():
    car = SimCar()
    assert car.cameras == {} and car.images() == {}
    assert car._pictures._small is None


def test_an_unknown_camera_is_refused_with_the_names():
    with pytest.raises(ConfigError, match="camera 'roof' does not exist; choose from .*bumper"):
        SimCar(cameras=("roof",))


def test_walls_stand_out_from_the_ground_at_every_place():
    grounds = set()
    for seed in range(40):
        seen = look(seed, indoor=bool(seed % 2))
        assert seen.ground.shape == seen.wall.shape == (TEXTURE_PX, TEXTURE_PX, 3)
        apart = np.abs(seen.wall.mean(axis=(0, 1)) - seen.ground.mean(axis=(0, 1))).max()
        assert apart > 0.9 * APART
        assert seen.ground.std(axis=(0, 1)).max() > 4  # motion shows
        grounds.add(tuple(seen.ground.mean(axis=(0, 1)).round(3)))
    assert len(grounds) == 40
    np.testing.assert_array_equal(look(3, indoor=True).wall, look(3, indoor=True).wall)
