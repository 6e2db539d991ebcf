"""A free cube, and the world with the two bins that it is carried between."""

from typing import Any

from sandlot.robots.arm.cube import CUBE_HALF_M
from sandlot.robots.arm.tasks_relocate import BIN_A_M, BIN_B_M, BIN_HALF_M, RIM_M
from sandlot.sim.arm_model import ArmModel
from sandlot.sim.arm_world import Tracked, World, aim
from sandlot.sim.shapes import BLUE, CUBE, GREEN, RED, TABLE, Rgba, box

CUBE_KG = 0.06
WALL_HALF_M = 0.003


def add_cube(spec: Any, at_m: tuple[float, float]) -> Tracked:
    """A free cube with 4 cm edges."""
    body = spec.worldbody.add_body(name="cube", pos=(*at_m, CUBE_HALF_M))
    body.add_freejoint(name="cube")
    box(body, (0, 0, 0), (CUBE_HALF_M,) * 3, RED, mass=CUBE_KG, **CUBE)
    return Tracked("cube", True)


def bins(arm: ArmModel) -> World:
    """A blue bin on the left, a green one on the right, and the cube."""
    spec = arm.spec
    for name, centre_m, rgba in (("bin_a", BIN_A_M, BLUE), ("bin_b", BIN_B_M, GREEN)):
        _add_bin(spec, name, centre_m, rgba)
    cube = add_cube(spec, BIN_A_M)
    aim(spec, "side", (0.98, 0.0, 0.42), (0.49, 0, 0.03), 42.0)
    return World((cube,), arm.site)


def _add_bin(spec: Any, name: str, centre_m: tuple[float, float], rgba: Rgba) -> None:
    """A square tray: four low walls around a coloured floor."""
    body = spec.worldbody.add_body(name=name, pos=(*centre_m, 0))
    box(body, (0, 0, 0.0006), (BIN_HALF_M, BIN_HALF_M, 0.0004), rgba)
    middle, height = BIN_HALF_M + WALL_HALF_M, RIM_M / 2
    for sign in (1.0, -1.0):
        box(
            body,
            (sign * middle, 0, height),
            (WALL_HALF_M, BIN_HALF_M + 2 * WALL_HALF_M, height),
            rgba,
            **TABLE,
        )
        box(body, (0, sign * middle, height), (BIN_HALF_M, WALL_HALF_M, height), rgba, **TABLE)
