"""What one camera is: its source, device, settings, and the part of its picture that is used."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import sources
from sandlot.perception.cameras.view import Crop

NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
RANGES: dict[str, tuple[float, float]] = {
    "width_px": (16, 8192),
    "height_px": (16, 8192),
    "fps": (0.1, 1000),
    "exposure_s": (0, 1),
    "gain": (-1, 10_000),
    "white_balance_k": (0, 12_000),
    "latency_s": (0, 1),
    "limit_s": (0.01, 60),
}


@dataclass(frozen=True, kw_only=True)
class CameraConfig:
    """One camera.

    Attributes:
        name: as in observations and topics.
        source: `v4l2`, `realsense`, `stream` (a file or URL that OpenCV opens), `folder` (pictures), `ros`
            (an image topic), `sim` (MuJoCo).
        device: which: `/dev/v4l/by-id/...` or a number; a serial number (empty: the only one); a path or URL;
            a topic; `TASK/CAMERA`.
        width_px: of the picture; 0 takes what the source gives.
        height_px: of the picture; 0 takes what the source gives.
        fps: frames a second that are asked for.
        fourcc: pixel format of a V4L2 camera, e.g. MJPG, which large pictures over USB 2 need.
        exposure_s: 0 leaves it automatic; a fixed one keeps what a policy sees the same.
        gain: -1 leaves it as it is.
        white_balance_k: colour temperature; 0 leaves it automatic.
        crop: x, y, width, height of the part that is used; all 0 for the whole.
        latency_s: how much before its stamp a frame was exposed.
        limit_s: a newest frame older than this is a CameraError.
        calibration: what `sandlot calibrate` found.
    """

    name: str
    source: str
    device: str = ""
    width_px: int = 0
    height_px: int = 0
    fps: float = 30.0
    fourcc: str = ""
    exposure_s: float = 0.0
    gain: float = -1.0
    white_balance_k: float = 0.0
    crop: Crop = Crop()
    latency_s: float = 0.0
    limit_s: float = 0.5
    calibration: dict[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ConfigError(
                f"camera '{self.name}': a name is a small letter, then small letters, digits or _, 31 at most"
            )
        if self.source not in sources.names():
            known = ", ".join(sources.names())
            raise ConfigError(f"camera '{self.name}': source '{self.source}' is none of {known}")
        if not self.device and self.source != "realsense":
            raise ConfigError(
                f"camera '{self.name}': a {self.source} camera needs a device; see `sandlot cameras list`"
            )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            unset = name in {"width_px", "height_px"} and value == 0
            if not (unset or (math.isfinite(value) and low <= value <= high)):
                raise ConfigError(
                    f"camera '{self.name}': {name} is {value}: it must lie in [{low:g}, {high:g}]"
                )
        if self.fourcc and not re.fullmatch(r"[A-Z0-9 ]{4}", self.fourcc):
            raise ConfigError(f"camera '{self.name}': fourcc '{self.fourcc}' must be four letters, like MJPG")
        if self.width_px and self.height_px:
            self.crop.check(self.width_px, self.height_px, self.name)

    @property
    def label(self) -> str:
        """The camera in messages: its name and device."""
        return f"camera '{self.name}' ({self.source} {self.device or 'the only one'})"
