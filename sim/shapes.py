"""Primitive shapes, colours and contact classes that the models are built from."""

from typing import Any

import mujoco

Rgba = tuple[float, float, float, float]
Vec = tuple[float, float, float]

WHITE: Rgba = (0.92, 0.93, 0.95, 1.0)
GREY: Rgba = (0.55, 0.58, 0.63, 1.0)
DARK: Rgba = (0.17, 0.19, 0.23, 1.0)
BLUE: Rgba = (0.13, 0.45, 0.86, 1.0)
RED: Rgba = (0.91, 0.25, 0.2, 1.0)
GREEN: Rgba = (0.16, 0.68, 0.42, 1.0)
GHOST: Rgba = (0.16, 0.68, 0.42, 0.45)
OAK: Rgba = (0.72, 0.58, 0.42, 1.0)
MAT: Rgba = (0.78, 0.79, 0.80, 1.0)
SLATE: Rgba = (0.30, 0.33, 0.38, 1.0)
FLOOR: Rgba = (0.60, 0.64, 0.70, 1.0)
ORANGE: Rgba = (0.95, 0.55, 0.10, 1.0)
GOLD: Rgba = (0.90, 0.74, 0.25, 1.0)
BOARD: Rgba = (0.05, 0.36, 0.20, 1.0)

GROUP_LOOK, GROUP_HIDDEN = 2, 4
"""Geom groups: what cameras see, and what they do not."""

STIFF: dict[str, Any] = {"solref": [0.004, 1.0], "solimp": [0.95, 0.99, 0.001, 0.5, 2.0], "condim": 4}
"""Contact of hard bodies: sinks in by well under a millimetre, does not spin in a grasp."""

# Who touches whom, as (contype, conaffinity). Few pairs keep the physics fast; a plain MJCF geom (1, 1)
# touches all but the peg.
TABLE: dict[str, Any] = {**STIFF, "contype": 1, "conaffinity": 6, "friction": (0.9, 0.01, 0.001)}
HAND: dict[str, Any] = {**STIFF, "contype": 2, "conaffinity": 1, "friction": (1.2, 0.02, 0.001)}
CUBE: dict[str, Any] = {**STIFF, "contype": 2, "conaffinity": 3, "friction": (1.2, 0.02, 0.001)}
PEG: dict[str, Any] = {**STIFF, "contype": 4, "conaffinity": 8, "friction": (0.3, 0.01, 0.001)}
HOLE: dict[str, Any] = {**STIFF, "contype": 9, "conaffinity": 6, "friction": (0.3, 0.01, 0.001)}


def box(body: Any, pos: Vec, half: Vec, rgba: Rgba, **kwargs: Any) -> Any:
    """Adds a box to look at; `kwargs` (a contact class, a mass) make it more than that."""
    return _geom(body, mujoco.mjtGeom.mjGEOM_BOX, rgba, kwargs, pos=pos, size=half)


def capsule(body: Any, start: Vec, end: Vec, radius_m: float, rgba: Rgba, **kwargs: Any) -> Any:
    """Adds a capsule between two points, to look at."""
    return _geom(
        body, mujoco.mjtGeom.mjGEOM_CAPSULE, rgba, kwargs, fromto=(*start, *end), size=(radius_m, 0, 0)
    )


def cylinder(body: Any, start: Vec, end: Vec, radius_m: float, rgba: Rgba, **kwargs: Any) -> Any:
    """Adds a cylinder between two points, to look at."""
    return _geom(
        body, mujoco.mjtGeom.mjGEOM_CYLINDER, rgba, kwargs, fromto=(*start, *end), size=(radius_m, 0, 0)
    )


def _geom(body: Any, type_: Any, rgba: Rgba, kwargs: dict[str, Any], **shape: Any) -> Any:
    look = {"contype": 0, "conaffinity": 0, "group": GROUP_LOOK, "mass": 0.0}
    return body.add_geom(type=type_, rgba=rgba, **(look | shape | kwargs))
