"""The world round a simulated car: floor, borders, obstacles, light, and a camera that looks down on it all.

How it looks comes from the track's `look`: no two procedural places have the same colours and patterns.
"""

import colorsys
from typing import Any

import mujoco
import numpy as np

from sandlot.sim.arm_world import look_at
from sandlot.sim.car_model import BODYWORK, GRIP, add_car
from sandlot.sim.car_tracks import Track
from sandlot.sim.render import Views

STEP_S = 0.004
BORDER = "border"
"""Names of what can be hit begin so."""
HIGH_M, THICK_M = 0.22, 0.04
CONTACT: dict[str, Any] = {**BODYWORK, "group": 2, "solref": [0.01, 1.0]}
FILM_DEG = 45.0


def build(track: Track) -> Any:
    """The compiled model of a car on a track."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = STEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    rng = np.random.default_rng(track.look)
    _add_ground(spec, track, rng)
    _add_light(spec, track, rng)
    _add_borders(spec, track, rng)
    add_car(spec)
    return spec.compile()


def _colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> list[float]:
    """A random colour, each of its qualities from a range."""
    return [*colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))]


def _texture(spec: Any, name: str, one: list[float], two: list[float], repeat: float) -> None:
    """A chequered material, and what keeps it from looking flat."""
    spec.add_texture(
        name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=one, rgb2=two, width=64, height=64, mark=mujoco.mjtMark.mjMARK_RANDOM, random=0.02,
        markrgb=[0.5 * (a + b) for a, b in zip(one, two, strict=True)],
    )  # fmt: skip
    material = spec.add_material(name=name, texrepeat=(repeat, repeat), texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_ground(spec: Any, track: Track, rng: np.random.Generator) -> None:
    dull = (0.05, 0.25) if track.indoor else (0.2, 0.5)
    one = np.array(_colour(rng, dull, (0.35, 0.8)))
    two = np.clip(one * rng.uniform(0.75, 0.95), 0.0, 1.0)
    _texture(spec, "ground", list(one), list(two), float(rng.uniform(0.5, 1.5)))
    spec.worldbody.add_geom(
        name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(0, 0, 1), material="ground", group=2, condim=3,
        friction=(GRIP, 0.005, 0.0001), contype=1, conaffinity=1,
    )  # fmt: skip


def _add_light(spec: Any, track: Track, rng: np.random.Generator) -> None:
    bright = float(rng.uniform(0.45, 0.75))
    lean = rng.uniform(-0.5, 0.5, 2)
    spec.worldbody.add_light(
        pos=(0.0, 0.0, 8.0), dir=(lean[0], lean[1], -1.0), diffuse=[bright] * 3, castshadow=True,
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
    )  # fmt: skip
    spec.visual.map.znear = 0.002  # of the world's size: the floor right under the camera is seen
    spec.visual.headlight.ambient = [float(rng.uniform(0.25, 0.4))] * 3
    spec.visual.headlight.diffuse = [0.1] * 3
    spec.visual.headlight.specular = [0.0] * 3
    if track.indoor:
        far, near = _colour(rng, (0.0, 0.2), (0.5, 0.9)), _colour(rng, (0.0, 0.3), (0.4, 0.8))
    else:
        far, near = [0.75, 0.82, 0.9], [0.35, 0.55, float(rng.uniform(0.7, 0.95))]
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=near, rgb2=far, width=64, height=384,
    )  # fmt: skip
    _add_film_camera(spec, track)


def _add_film_camera(spec: Any, track: Track) -> None:
    """From above, the whole track in the picture."""
    low, high = track.walls_m.min((0, 1)), track.walls_m.max((0, 1))
    middle, wide, deep = (low + high) / 2, *(high - low + 1.0)
    width_px, height_px = Views.FILM_PX
    fit = max(float(deep), float(wide) * height_px / width_px)
    height_m = 0.5 * fit / np.tan(np.radians(FILM_DEG / 2)) + 1.0
    eye = (middle[0], middle[1] - 0.4 * height_m, height_m)  # leaning enough that north is up
    spec.worldbody.add_camera(
        name="film", pos=eye, quat=look_at(eye, (middle[0], middle[1], 0.0)), fovy=FILM_DEG
    )


def _add_borders(spec: Any, track: Track, rng: np.random.Generator) -> None:
    """Boards along both sides, two colours in turn, and posts for obstacles."""
    vivid = (0.4, 0.9) if track.indoor else (0.25, 0.7)
    colours = [_colour(rng, vivid, (0.45, 0.95)), _colour(rng, (0.0, 0.6), (0.6, 0.95))]
    every = int(rng.integers(1, 4))
    for number, (begin, end) in enumerate(track.walls_m):
        along = end - begin
        yaw = 0.5 * float(np.arctan2(along[1], along[0]))
        middle = (begin + end) / 2
        spec.worldbody.add_geom(
            name=f"{BORDER}_{number}", type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=(middle[0], middle[1], HIGH_M / 2), quat=(np.cos(yaw), 0.0, 0.0, np.sin(yaw)),
            size=(float(np.linalg.norm(along)) / 2 + 0.01, THICK_M / 2, HIGH_M / 2),
            rgba=(*colours[number // every % 2], 1.0), **CONTACT,
        )  # fmt: skip
    for number, (x, y, radius_m) in enumerate(track.obstacles):
        spec.worldbody.add_geom(
            name=f"{BORDER}_post_{number}", type=mujoco.mjtGeom.mjGEOM_CYLINDER, pos=(x, y, 0.2),
            size=(radius_m, 0.2, 0.0), rgba=(*_colour(rng, (0.5, 1.0), (0.4, 0.9)), 1.0), **CONTACT,
        )  # fmt: skip
