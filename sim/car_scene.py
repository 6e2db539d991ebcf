"""A course as a world: ground, walls, obstacles, light, sky, a car, and a camera high above it all."""

import math
from typing import Any

import mujoco
import numpy as np

from sandlot.sim.car_model import GROUND, WALL, add_car
from sandlot.sim.car_tracks import Track
from sandlot.sim.shapes import GROUP_LOOK

TIMESTEP_S = 0.0025
"""A whole number of steps in each of the latencies, and of the control period."""
WALL_HEIGHT_M, WALL_THICK_M = 0.25, 0.06
FILM_FOVY_DEG, FILM_ASPECT = 40.0, 4 / 3
WALL_GEOM = "wall"
"""Names of what a car must not touch begin so."""


def build(track: Track) -> Any:
    """The compiled model of a course with a car on it."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    option = spec.option
    option.timestep, option.integrator = TIMESTEP_S, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 3.0
    world = spec.worldbody
    world.add_geom(name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 1), rgba=(0.5, 0.5, 0.5, 1), **GROUND)
    world.add_light(pos=(0, 0, 5), type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    _add_walls(world, track)
    add_car(spec, (0.9, 0.3, 0.1, 1.0))
    _add_film(spec, track)
    return spec.compile()


def _add_walls(world: Any, track: Track) -> None:
    """A box for each piece of wall, its face on the border; a cylinder for each obstacle."""
    half = WALL_HEIGHT_M / 2
    for index, (begin, end) in enumerate(track.walls_m):
        along = (end - begin) / np.linalg.norm(end - begin)
        out = np.array([along[1], -along[0]])
        middle = (begin + end) / 2 + out * WALL_THICK_M / 2
        frame = np.array([[along[0], 0, out[0]], [along[1], 0, out[1]], [0, 1, 0]])
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, frame.ravel())
        length = float(np.linalg.norm(end - begin))
        world.add_geom(
            name=f"{WALL_GEOM}{index}", type=mujoco.mjtGeom.mjGEOM_BOX, pos=(*middle, half), quat=quat,
            size=(length / 2 + 0.01, half, WALL_THICK_M / 2), group=GROUP_LOOK, **WALL,
        )  # fmt: skip
    for index, (x, y, radius) in enumerate(track.obstacles):
        world.add_geom(
            name=f"{WALL_GEOM}_obstacle{index}", type=mujoco.mjtGeom.mjGEOM_CYLINDER, pos=(x, y, 0.2),
            size=(radius, 0.2, 0), group=GROUP_LOOK, **WALL,
        )  # fmt: skip


def _add_film(spec: Any, track: Track) -> None:
    """A camera that looks straight down on all of the track."""
    points = track.walls_m.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    wide, tall = high - low + 1.0
    height = max(tall, wide / FILM_ASPECT) / 2 / math.tan(math.radians(FILM_FOVY_DEG) / 2)
    spec.worldbody.add_camera(name="film", pos=(*((low + high) / 2), height), fovy=FILM_FOVY_DEG)
    spec.stat.extent, spec.stat.center = 10.0, (*((low + high) / 2), 0.0)
    spec.visual.map.znear, spec.visual.map.zfar = 0.003, 12.0
