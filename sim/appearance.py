"""How an episode's world looks: lights, colours, a pattern on table and mat, cameras. No physics."""

from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np

from sandlot.robots import rotation

if TYPE_CHECKING:
    from sandlot.sim.randomization import Draw

PATTERN = "pattern"
"""Name of the texture, and of the material, of what may have a pattern."""
PATTERN_PX = 64
WAVES = 4


NUMBERS = ("light_diffuse", "light_dir", "cam_pos", "cam_quat", "geom_rgba", "tex_data")
"""What `vary` changes in a model, which must hold its own numbers before."""


def vary(model: Any, look: "Draw") -> None:
    """Varies lights, cameras and colours of a model."""
    model.light_diffuse[:] *= look.light
    model.light_dir[:] = model.light_dir @ rotation.exp(look.light_rad).T
    model.cam_pos[:] += look.camera_m
    if look.camera_rad.any():
        _turn_cameras(model, look.camera_rad)
    colour = look.tint * np.resize(look.shade, model.ngeom)[:, None]
    model.geom_rgba[:, :3] = np.minimum(1.0, model.geom_rgba[:, :3] * colour)
    if look.contrast > 0.0:
        _paint(model, look)


def _turn_cameras(model: Any, turn_rad: np.ndarray) -> None:
    """Turns every camera by a rotation vector [3] in its own frame."""
    turn, before = rotation.quat(rotation.exp(turn_rad)), model.cam_quat.copy()
    for i in range(model.ncam):
        mujoco.mju_mulQuat(model.cam_quat[i], before[i], turn)


def _paint(model: Any, look: "Draw") -> None:
    """A sum of a few plane waves, between 1 - contrast and 1, into the pattern's texture."""
    texture = model.texture(PATTERN)
    rng = np.random.default_rng(int(look.pattern * 2**32))
    y, x = np.mgrid[0:PATTERN_PX, 0:PATTERN_PX] / PATTERN_PX
    cycles = rng.integers(-5, 6, (WAVES, 2, 1, 1))  # whole ones, so that the texture has no seam
    phase = rng.uniform(0.0, 1.0, (WAVES, 1, 1))
    waves = np.cos(2.0 * np.pi * (cycles[:, 0] * x + cycles[:, 1] * y + phase)).mean(0)
    pixels = np.round(255.0 * (1.0 - look.contrast * (0.5 + 0.5 * waves))).astype(np.uint8)
    start = int(texture.adr[0])
    model.tex_data[start : start + 3 * PATTERN_PX**2] = np.repeat(pixels.ravel(), 3)
