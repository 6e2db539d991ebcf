"""Off-screen pictures: fast ones for learning, fine ones for people. Needs EGL or OSMesa, no display.

Shadows, reflections and multisampling are what makes software rendering slow, not pixels: without them a
128 x 128 frame takes 2 ms instead of 80. So a small frame is drawn larger and averaged, as a real camera's
pixel averages what falls on it: what moved by a part of a pixel shows. 64 x 64 from 256 x 256 takes 5.1 ms
instead of 3.3. The graphics library is touched when the first picture is made, never before.
"""

import atexit
import ctypes.util
import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from sandlot.learners.errors import ConfigError
from sandlot.sim.appearance import PATTERN
from sandlot.sim.grain import Grain
from sandlot.sim.shapes import GROUP_HIDDEN
from sandlot.sim.windows import Window

BACKENDS = {"egl": ("EGL", "libegl1 libgl1"), "osmesa": ("OSMesa", "libosmesa6")}
"""Name in MUJOCO_GL -> (shared library, Debian packages)."""


DRAWN_PX = 256
"""Frames for learning are drawn at a multiple of their size, up to this."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a picture may cost.

    Attributes:
        shadows: whether lights cast shadows.
        samples: multisampling per pixel, 0 for none.
    """

    shadows: bool = False
    samples: int = 0


FAST, FINE = Quality(), Quality(shadows=True, samples=4)


def make_context(width_px: int, height_px: int) -> Any:
    """A current OpenGL context; honours MUJOCO_GL, else takes EGL, else OSMesa.

    Raises:
        ConfigError: there is no such library, or it cannot draw here.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower()
    names = [asked] if asked in BACKENDS else list(BACKENDS)
    found = [name for name in names if ctypes.util.find_library(BACKENDS[name][0])]
    if not found:
        packages = " (or: ".join(BACKENDS[name][1] for name in names) + ")" * (len(names) - 1)
        raise ConfigError(
            f"cameras need an off-screen OpenGL library; install it: apt-get install {packages}"
        )
    try:
        context = importlib.import_module(f"mujoco.{found[0]}").GLContext(width_px, height_px)
        context.make_current()
    except (ImportError, RuntimeError, AttributeError) as err:
        other = next((n for n in BACKENDS if n != found[0]), "")
        raise ConfigError(
            f"off-screen OpenGL by {found[0]} does not work here ({str(err).splitlines()[0]}); apt-get "
            f"install {BACKENDS[other][1]} and set MUJOCO_GL={other}"
        ) from err
    return context


class Renderer:
    """Draws one model at one size; close it explicitly."""

    def __init__(self, model: Any, width_px: int, height_px: int, quality: Quality = FAST) -> None:
        self._model, self._size, self._stale = model, (height_px, width_px), False
        self._gl = make_context(width_px, height_px)
        visual = model.vis
        saved = visual.quality.offsamples, visual.global_.offwidth, visual.global_.offheight
        visual.quality.offsamples, visual.global_.offwidth, visual.global_.offheight = (
            quality.samples,
            width_px,
            height_px,
        )
        try:
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        finally:
            visual.quality.offsamples, visual.global_.offwidth, visual.global_.offheight = saved
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._scene = mujoco.MjvScene(model, maxgeom=500)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = quality.shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._option.geomgroup[GROUP_HIDDEN] = False
        self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._viewport = mujoco.MjrRect(0, 0, width_px, height_px)
        # PyOpenGL complains when a context is freed after it has shut down itself, so do it before.
        atexit.register(self.close)

    def refresh(self) -> None:
        """The model's textures changed: the next picture shows them."""
        self._stale = True

    def draw(self, data: Any, camera: str, window: Window | None = None) -> np.ndarray:
        """What a named camera sees now, or a part of it, uint8 [H, W, 3], a fresh array."""
        self._gl.make_current()
        if self._stale:
            mujoco.mjr_uploadTexture(self._model, self._context, self._model.texture(PATTERN).id)
            self._stale = False
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = self._model.camera(camera).id
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        if window is not None:
            self._narrow(window)
        mujoco.mjr_render(self._viewport, self._scene, self._context)
        pixels = np.empty((*self._size, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._viewport, self._context)
        return pixels[::-1].copy()

    def _narrow(self, window: Window) -> None:
        """Draws this part of the picture only, stretched to the size of what is drawn."""
        for camera in self._scene.camera:
            height = camera.frustum_top - camera.frustum_bottom
            camera.frustum_width = height * (window.right - window.left) / 2
            camera.frustum_center = height * (window.left + window.right) / 2
            camera.frustum_top, camera.frustum_bottom = -height * window.top, -height * window.bottom

    def close(self) -> None:
        """Frees the context; may be called twice."""
        if self._gl is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._gl = None
            atexit.unregister(self.close)


class Views:
    """The cameras of one robot: small frames for learning, a large fine one for people."""

    FILM_CAMERA, FILM_PX = "film", (640, 480)

    def __init__(
        self,
        model: Any,
        data: Any,
        cameras: Sequence[str],
        image_px: int,
        windows: Mapping[str, Window] | None = None,
    ) -> None:
        known = [model.camera(i).name for i in range(model.ncam)]
        for name in cameras:
            if name not in known:
                raise ConfigError(f"camera '{name}' does not exist; choose from {', '.join(known)}")
        self._model, self._data, self._cameras = model, data, tuple(cameras)
        self._times = max(1, DRAWN_PX // image_px)
        drawn_px = self._times * image_px
        self._small = Renderer(model, drawn_px, drawn_px) if cameras else None
        self._large: Renderer | None = None
        self._windows = windows or {}
        self._grain = Grain(3 * image_px**2)

    def frames(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """What each camera sees now, with the grain of a real one, uint8 [H, W, 3]."""
        if self._small is None:
            return {}
        drawn = {name: self._small.draw(self._data, name, self._windows.get(name)) for name in self._cameras}
        return {name: self._grain.on(self._averaged(frame), rng) for name, frame in drawn.items()}

    def _averaged(self, frame: np.ndarray) -> np.ndarray:
        """A frame of its own size, of one drawn larger."""
        return np.asarray(Image.fromarray(frame).reduce(self._times))

    def refresh(self) -> None:
        """The model's textures changed."""
        for renderer in (self._small, self._large):
            if renderer is not None:
                renderer.refresh()

    def film(self) -> np.ndarray:
        """A picture for people, uint8 [480, 640, 3]."""
        if self._large is None:
            self._large = Renderer(self._model, *self.FILM_PX, FINE)
        return self._large.draw(self._data, self.FILM_CAMERA)

    def close(self) -> None:
        """Frees the graphics contexts; may be called twice."""
        for renderer in (self._small, self._large):
            if renderer is not None:
                renderer.close()
        self._small = self._large = None
