"""Cameras: where frames come from, and when they were taken.

Every camera is one `Camera`, whatever its source: a thread takes frames, the newest wins, each has the time
of its exposure, and a camera that vanishes is a `CameraError` until it is back. `CameraConfig` says what a
camera is and which part of its picture is used; `view` cuts and resizes. Nothing here knows a robot.
"""

from sandlot.perception.cameras.camera import Camera
from sandlot.perception.cameras.config import CameraConfig
from sandlot.perception.cameras.errors import CameraError, SilentError
from sandlot.perception.cameras.frame import Frame, Shot, Stamped
from sandlot.perception.cameras.registry import load, save
from sandlot.perception.cameras.view import Crop, fit, view

__all__ = [
    "Camera",
    "CameraConfig",
    "CameraError",
    "SilentError",
    "Crop",
    "Frame",
    "Shot",
    "Stamped",
    "fit",
    "load",
    "save",
    "view",
]
