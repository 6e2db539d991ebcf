"""Frames through OpenCV: V4L2 devices, and files or URLs that it opens."""

import logging
import os
import time
from collections.abc import Iterator

import cv2
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras.config import CameraConfig
from sandlot.perception.cameras.errors import CameraError
from sandlot.perception.cameras.frame import Shot, Stamped
from sandlot.perception.cameras.pace import Pace

log = logging.getLogger(__name__)

# OpenCV would warn at every try to open a camera that is away; a CameraError says it.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)

PLAUSIBLE_S = 1.0
"""A driver's stamp this long ago or less is one of the steady clock."""
MANUAL, AUTOMATIC = 1, 3
"""V4L2_EXPOSURE_MANUAL and V4L2_EXPOSURE_APERTURE_PRIORITY (linux/v4l2-controls.h)."""
EXPOSURE_UNIT_S = 1e-4
"""V4L2_CID_EXPOSURE_ABSOLUTE counts 100 us."""


class V4l2:
    """A camera of the kernel, e.g. a USB webcam.

    uvcvideo stamps frames with the steady clock when their transfer began, and OpenCV hands that on; a driver
    that does not gets the time of arrival.
    """

    backend = cv2.CAP_V4L2

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self._capture: cv2.VideoCapture | None = None

    def open(self) -> None:
        """Opens it and sets it up; a size it does not have is a ConfigError."""
        device: str | int = self._config.device
        self._capture = cv2.VideoCapture(int(device) if str(device).isdigit() else device, self.backend)
        if not self._capture.isOpened():
            raise CameraError(f"it cannot be opened: {self._why()}")
        for prop, value, name in self._settings():
            if not self._capture.set(prop, value):
                log.warning(
                    "event=setting_refused camera=%s setting=%s value=%g", self._config.name, name, value
                )

    def read(self) -> Shot:
        """The next frame."""
        capture = self._opened()
        ok, bgr = capture.read()
        now_s = time.monotonic()
        if not ok or bgr is None:
            raise CameraError(f"it stopped giving frames: {self._why()}")
        pixels = rgb(bgr)
        self._check(pixels)
        stamp_s, stamped = true_stamp(capture.get(cv2.CAP_PROP_POS_MSEC), now_s)
        return Shot(pixels, stamp_s, stamped)

    def close(self) -> None:
        """Frees it."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _opened(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise CameraError("it is closed")
        return self._capture

    def _check(self, pixels: np.ndarray) -> None:
        config = self._config
        height, width = pixels.shape[:2]
        if (config.width_px or width, config.height_px or height) != (width, height):
            raise ConfigError(
                f"{config.label} gives {width}x{height} pixels and not {config.width_px}x{config.height_px}; "
                "choose a size that it has (v4l2-ctl --list-formats-ext)"
            )
        config.crop.check(width, height, config.name)

    def _settings(self) -> Iterator[tuple[int, float, str]]:
        """(OpenCV's property, value, name), in the order that drivers need: format, size, rate, the rest."""
        config = self._config
        if config.fourcc:
            yield cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*config.fourcc), "fourcc"
        if config.width_px:
            yield cv2.CAP_PROP_FRAME_WIDTH, config.width_px, "width_px"
        if config.height_px:
            yield cv2.CAP_PROP_FRAME_HEIGHT, config.height_px, "height_px"
        yield cv2.CAP_PROP_FPS, config.fps, "fps"
        yield cv2.CAP_PROP_AUTO_EXPOSURE, MANUAL if config.exposure_s else AUTOMATIC, "automatic exposure"
        if config.exposure_s:
            yield cv2.CAP_PROP_EXPOSURE, round(config.exposure_s / EXPOSURE_UNIT_S), "exposure_s"
        yield cv2.CAP_PROP_AUTO_WB, 0 if config.white_balance_k else 1, "automatic white balance"
        if config.white_balance_k:
            yield cv2.CAP_PROP_WB_TEMPERATURE, config.white_balance_k, "white_balance_k"
        if config.gain >= 0:
            yield cv2.CAP_PROP_GAIN, config.gain, "gain"

    def _why(self) -> str:
        """What is known of a device that gives nothing."""
        device = f"/dev/video{self._config.device}" if self._config.device.isdigit() else self._config.device
        if "://" in device or "%" in device:
            return "nothing answers there"
        if not os.path.exists(device):
            return f"{device} does not exist"
        if not os.access(device, os.R_OK):
            return f"{device} may not be read by this user; add it to the group 'video'"
        return f"{device} exists but gives no frame; another program may have it"


class Stream(V4l2):
    """A video file or URL.

    A file is played at the config's fps, again and again; its frames are stamped when they are due, those of
    a URL when they arrive.
    """

    backend = cv2.CAP_ANY

    def __init__(self, config: CameraConfig) -> None:
        super().__init__(config)
        self._pace: Pace | None = None

    def open(self) -> None:
        """Opens it at its beginning."""
        super().open()
        if "://" not in self._config.device:
            self._pace = self._pace or Pace(1.0 / self._config.fps, time.monotonic())

    def read(self) -> Shot:
        """The next frame, when it is due."""
        due_s = self._pace.wait() if self._pace else 0.0
        ok, bgr = self._opened().read()
        if not ok and self._pace:  # its end: from the beginning, if it is still there
            self.close()
            self.open()
            ok, bgr = self._opened().read()
        if not ok or bgr is None:
            raise CameraError(f"it stopped giving frames: {self._why()}")
        pixels = rgb(bgr)
        self._check(pixels)
        return Shot(pixels, due_s or time.monotonic(), Stamped.ARRIVAL)

    def _settings(self) -> Iterator[tuple[int, float, str]]:
        """A recording cannot be set."""
        return iter(())


def true_stamp(driver_ms: float, now_s: float) -> tuple[float, Stamped]:
    """When a frame was exposed, steady clock: what the driver says if it can be that, else now."""
    stamp_s = driver_ms / 1e3
    if 0.0 <= now_s - stamp_s <= PLAUSIBLE_S:
        return stamp_s, Stamped.DRIVER
    return now_s, Stamped.ARRIVAL


def rgb(bgr: np.ndarray) -> np.ndarray:
    """OpenCV's channel order, or grey, as RGB."""
    code = cv2.COLOR_GRAY2RGB if bgr.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(bgr, code))
