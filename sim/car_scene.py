"""A course as a world: ground, walls, obstacles, light, sky, a car, and a camera high above it all."""

import math
from typing import Any

import mujoco
import numpy as np

from sandlot.sim.car_looks import TEXTURE_PX, Look, look
from sandlot.sim.car_model import GROUND, WALL, add_car
from sandlot.sim.car_tracks import Track
from sandlot.sim.shapes import GROUP_LOOK

TIMESTEP_S = 0.0025
"""A whole number of steps in each of the latencies, and of the control period."""
IMPRATIO = 0.1
"""Friction gives way before the ground does, as a tyre's does: a slip angle comes with every side force."""
WALL_HEIGHT_M, WALL_THICK_M = 0.25, 0.06
GROUND_HALF_M = 60.0
FILM_FOVY_DEG, FILM_ASPECT = 40.0, 4 / 3
WALL_GEOM = "wall"
"""Names of what a car must not touch begin so."""
SHADES = ((1.0, 1.0, 1.0, 1.0), (0.65, 0.65, 0.65, 1.0))
"""Every other piece of wall is darker, so that a car that turns beside it sees it pass."""
AROUND: dict[str, Any] = {"contype": 0, "conaffinity": 0, "group": GROUP_LOOK}
GEOM, DIRECTIONAL = mujoco.mjtGeom, mujoco.mjtLightType.mjLIGHT_DIRECTIONAL


def build(track: Track) -> Any:
    """The compiled model of a course with a car on it."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    option = spec.option
    option.timestep, option.integrator = TIMESTEP_S, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, IMPRATIO
    seen = look(track.look_seed, indoor=track.indoor)
    patterns = {"ground": seen.ground, "wall": seen.wall, "room": seen.room}
    for name, size_m in (("ground", seen.ground_m), ("wall", seen.wall_m), ("room", 2.0)):
        _add_pattern(spec, name, size_m)
    world, half = spec.worldbody, GROUND_HALF_M
    world.add_geom(name="ground", type=GEOM.mjGEOM_PLANE, size=(half, half, 1), material="ground", **GROUND)
    _add_light(spec, seen)
    _add_walls(world, track, seen)
    _add_surroundings(world, track, seen)
    add_car(spec, seen.car)
    _add_film(spec, track)
    model = spec.compile()
    for name, pattern in patterns.items():
        start = int(model.texture(name).adr[0])
        model.tex_data[start : start + pattern.size] = pattern.ravel()
    return model


def _add_pattern(spec: Any, name: str, size_m: float) -> None:
    """A material that repeats a pattern every `size_m`."""
    spec.add_texture(
        name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=TEXTURE_PX, height=TEXTURE_PX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT, rgb1=(1, 1, 1), rgb2=(1, 1, 1),
    )  # fmt: skip
    material = spec.add_material(name=name, texuniform=True, texrepeat=(1 / size_m, 1 / size_m), specular=0.1)
    material.emission = 0.2 if name == "wall" else 0.0  # upright faces get little of a lamp above
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_light(spec: Any, seen: Look) -> None:
    """A lamp or the sun, what comes from everywhere, and the sky."""
    down, lamp, everywhere = seen.light
    spec.worldbody.add_light(pos=(0, 0, 10), dir=down, diffuse=[lamp] * 3, type=DIRECTIONAL, castshadow=False)
    spec.visual.headlight.ambient = [everywhere] * 3
    spec.visual.headlight.diffuse = [0.25] * 3
    spec.visual.headlight.specular = [0.0] * 3
    horizon, above = seen.sky
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=horizon, rgb2=above, width=64, height=384,
    )  # fmt: skip
    spec.visual.rgba.haze = (*horizon, 1.0)


def _upright(along: np.ndarray) -> np.ndarray:
    """Quaternion of a frame with x along a wall, y up, z out of it: textures lie in x and y."""
    frame = np.array([[along[0], 0, along[1]], [along[1], 0, -along[0]], [0, 1, 0]])
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, frame.ravel())
    return quat


def _add_walls(world: Any, track: Track, seen: Look) -> None:
    """A box for each piece of wall, its face on the border; a cylinder for each obstacle."""
    half = WALL_HEIGHT_M / 2
    for index, (begin, end) in enumerate(track.walls_m):
        length_m = float(np.linalg.norm(end - begin))
        along = (end - begin) / length_m
        middle = (begin + end) / 2 + np.array([along[1], -along[0]]) * WALL_THICK_M / 2
        world.add_geom(
            name=f"{WALL_GEOM}{index}", type=GEOM.mjGEOM_BOX, pos=(*middle, half), quat=_upright(along),
            size=(length_m / 2 + 0.01, half, WALL_THICK_M / 2), material="wall",
            rgba=SHADES[index % 2], group=GROUP_LOOK, **WALL,
        )  # fmt: skip
    for index, (x, y, radius_m) in enumerate(track.obstacles):
        world.add_geom(
            name=f"{WALL_GEOM}_obstacle{index}", type=GEOM.mjGEOM_CYLINDER, pos=(x, y, 0.2),
            size=(radius_m, 0.2, 0), rgba=seen.obstacle, group=GROUP_LOOK, **WALL,
        )  # fmt: skip


def _add_surroundings(world: Any, track: Track, seen: Look) -> None:
    """Things to look at beside the way, and a room or a row of trees around it all."""
    rng = np.random.default_rng([track.look_seed, 32])
    points = track.walls_m.reshape(-1, 2)
    margin_m, tall_m = (1.5, 1.4) if track.indoor else (5.0, 1.1)
    low, high = points.min(axis=0) - margin_m, points.max(axis=0) + margin_m
    corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    for begin, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length_m = float(np.linalg.norm(end - begin))
        world.add_geom(
            type=GEOM.mjGEOM_BOX, pos=(*((begin + end) / 2), tall_m), quat=_upright((end - begin) / length_m),
            size=(length_m / 2, tall_m, 0.05), material="room", **AROUND,
        )  # fmt: skip
    kinds = (GEOM.mjGEOM_BOX, GEOM.mjGEOM_CYLINDER, GEOM.mjGEOM_ELLIPSOID)
    for rgba in seen.things:
        at, wide_m, tall = rng.uniform(low, high), rng.uniform(0.1, 0.4), rng.uniform(0.2, 1.0)
        kind, turn = kinds[rng.integers(3)], rng.uniform(0.0, math.pi)
        away_m = float(np.linalg.norm(track.centre_m - at, axis=1).min())
        if away_m < track.half_width_m + 0.15 + 1.5 * wide_m:
            continue
        world.add_geom(
            type=kind, pos=(*at, tall), size=(wide_m, tall if kind == GEOM.mjGEOM_CYLINDER else wide_m, tall),
            quat=(math.cos(turn / 2), 0, 0, math.sin(turn / 2)), rgba=rgba, **AROUND,
        )  # fmt: skip


def _add_film(spec: Any, track: Track) -> None:
    """A camera that looks straight down on all of the track."""
    points = track.walls_m.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    wide, tall = high - low + 1.0
    height_m = max(tall, wide / FILM_ASPECT) / 2 / math.tan(math.radians(FILM_FOVY_DEG) / 2)
    middle = (low + high) / 2
    spec.worldbody.add_camera(name="film", pos=(*middle, height_m), fovy=FILM_FOVY_DEG)
    spec.stat.extent, spec.stat.center = 10.0, (*middle, 0.0)
    spec.visual.map.znear, spec.visual.map.zfar = 0.002, 15.0
