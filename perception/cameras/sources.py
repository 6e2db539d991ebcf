"""Where frames come from, by name. A source is imported when a camera of its kind is opened, never before.

`ros` and `sim` live in the layers above this one, as a user's own source may:
`sources.register("mine", "my_package.camera:MySource")`.
"""

import importlib
import os
from typing import TYPE_CHECKING, Protocol

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras.frame import Shot

if TYPE_CHECKING:
    from sandlot.perception.cameras.config import CameraConfig

_places = {
    "v4l2": "sandlot.perception.cameras.opencv:V4l2",
    "stream": "sandlot.perception.cameras.opencv:Stream",
    "folder": "sandlot.perception.cameras.folder:Folder",
    "realsense": "sandlot.perception.cameras.realsense:RealSense",
    "ros": "sandlot.robots.cameras.ros_source:RosSource",
    "sim": "sandlot.sim.camera_source:SimSource",
}


class Source(Protocol):
    """One device; every method is called by one thread alone. CameraError says why there is no frame."""

    def open(self) -> None:
        """Opens the device with the camera's settings; a setting that it cannot have is a ConfigError."""
        ...

    def read(self) -> Shot:
        """The next frame; waits for it, a few seconds at most. CameraError when there will be none."""
        ...

    def close(self) -> None:
        """Frees the device; may be called twice, and after a failure."""
        ...


def register(name: str, place: str) -> None:
    """Says where a source lives, as "module:attribute": called with a CameraConfig, it gives a `Source`."""
    _places[name] = place


def names() -> list[str]:
    """Every source there is."""
    return sorted(_places)


def make(config: "CameraConfig") -> Source:
    """The source of a camera, not opened yet; ConfigError when its library is missing."""
    module, _, attribute = _places[config.source].partition(":")
    try:
        source: Source = getattr(importlib.import_module(module), attribute)(config)
    except ImportError as error:
        raise ConfigError(
            f"{config.label} needs a library that is not installed ({error}); pip install "
            "'sandlot[hardware]' for a RealSense, 'sandlot[ros]' for a topic"
        ) from error
    return source


def identity(config: "CameraConfig") -> str:
    """What a camera reads from: equal for two names of one device, a link and its target included."""
    device = config.device
    if config.source == "v4l2":
        device = f"/dev/video{device}" if device.isdigit() else device
    if config.source in {"v4l2", "stream", "folder"} and os.path.exists(device):
        device = os.path.realpath(device)
    return f"{config.source} {device}"
