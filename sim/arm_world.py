"""What a task's world says about itself, and how a camera is pointed."""

from typing import Any, NamedTuple

import numpy as np

from sandlot.robots import rotation


class Tracked(NamedTuple):
    """An object whose pose is part of the reading.

    Attributes:
        name: of its body.
        free: whether it moves by itself; otherwise it stays where the scene puts it.
        placed: whether a scene says where it is; otherwise it is part of something else, and only seen.
    """

    name: str
    free: bool
    placed: bool = True


class World(NamedTuple):
    """What a task adds to arm and table.

    Attributes:
        objects: the tracked ones.
        site: what impedance, limits and readings are about: the arm's own tool site, or the tip of what
        it holds.
        grip_m: distance of the fingers when closed; more than 0 when something is mounted between them.
        joints: names of joints it adds, but those of free objects; a trial starts with them at rest.
    """

    objects: tuple[Tracked, ...]
    site: str
    grip_m: float = 0.0
    joints: tuple[str, ...] = ()


def look_at(eye: Any, target: Any) -> np.ndarray:
    """Quaternion of a camera (looking along -z, y up) at `eye` that sees `target` in its middle."""
    back = np.asarray(eye, float) - target
    back /= np.linalg.norm(back)
    up = np.array([0.0, 0.0, 1.0]) if abs(back[2]) < 0.95 else np.array([1.0, 0.0, 0.0])
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    return rotation.quat(np.ascontiguousarray(np.array([right, np.cross(back, right), back]).T))


def aim(spec: Any, camera: str, eye: Any, target: Any, fovy_deg: float) -> None:
    """Moves a camera of the room nearer to what a task has to see."""
    found = spec.camera(camera)
    found.pos, found.quat, found.fovy = eye, look_at(eye, target), fovy_deg
