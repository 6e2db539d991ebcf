"""Publishes one camera of a camera file.

    python -m sandlot.robots.cameras.camera_node --ros-args -r __ns:=/arm -p camera:=wrist

Frames are cut to the camera's crop, stamped with the time of their exposure, and never repeated. While the
camera is away nothing is published, so whoever observes it stops; it is opened again until it is back.
"""

import dataclasses
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_node

from rclpy.node import Node  # isort: skip  (ros_node prepares its environment)

from sandlot.perception.cameras import Camera, CameraConfig, Crop, Frame
from sandlot.perception.cameras.frame import optical_frame
from sandlot.perception.cameras.registry import FILE, load, pick
from sandlot.perception.cameras.view import cut
from sandlot.robots import ros_params
from sandlot.robots.arm import ros_messages, topics
from sandlot.robots.cameras.topics import camera_info
from sandlot.robots.ros_diagnostics import ERROR, OK, diagnostics
from sandlot.robots.stamps import read_clocks
from sandlot.robots.topics import DIAGNOSTICS

log = logging.getLogger(__name__)

NAME = "camera"
PRECEDENCE = 1
"""Like the actor: after gate and driver, before learners."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CameraNodeConfig:
    """Which camera is published.

    Attributes:
        file: the camera file.
        camera: its name there.
        whole: publish the whole picture and not its crop, for calibration.
    """

    file: str = FILE
    camera: str
    whole: bool = False


class CameraNode(Node):
    """One camera."""

    def __init__(self) -> None:
        super().__init__(NAME)
        params = ros_params.declare(self, CameraNodeConfig)
        ros_params.refuse_unknown(self)
        camera = pick(load(params.file), params.camera, params.file)
        self._config = dataclasses.replace(camera, crop=Crop()) if params.whole else camera
        self._image = ros_node.publisher(self, topics.image(camera.name, camera.fps))
        self._info = ros_node.publisher(self, camera_info(camera.name, camera.fps))
        self._diagnostics = ros_node.publisher(self, DIAGNOSTICS)
        self._told = 0
        self._camera = Camera(self._config, on_frame=self._publish)
        ros_node.timer(self, 1.0, self._diagnose)

    def _publish(self, frame: Frame) -> None:
        """In the camera's own thread, as soon as a frame is there."""
        stamp_ns = round(read_clocks().wall_of(frame.stamp_s) * ros_messages.NS)
        pixels = cut(frame.pixels, self._config.crop)
        self._image.publish(ros_messages.image_message(pixels, self._config.name, stamp_ns))
        if "intrinsics" in self._config.calibration:
            self._info.publish(info_message(self._info.msg_type, self._config, frame.pixels.shape, stamp_ns))

    def _diagnose(self) -> None:
        """Once a second: what came, what was lost, and why nothing comes."""
        self._camera.check()
        problem = self._camera.problem(time.monotonic())
        counts = dataclasses.asdict(self._camera.counts)
        values = {**counts, "hz": counts["frames"] - self._told}
        self._told = counts["frames"]
        level, text = (ERROR, problem) if problem else (OK, "frames come")
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(diagnostics(name, level, text, values, self._config.label))

    def close(self) -> None:
        """Frees the camera, before ROS goes away under its thread."""
        self._camera.close()


def info_message(kind: Any, config: CameraConfig, shape: Sequence[int], stamp_ns: int) -> Any:
    """A CameraInfo: intrinsics of the whole picture with the crop as `roi`; of a stretched crop, its own."""
    from sandlot.perception.calibration.record import intrinsics_of  # noqa: PLC0415  (scipy)

    found = intrinsics_of(config.calibration, config.name)
    if (found.width_px, found.height_px) != (shape[1], shape[0]):
        raise ConfigError(
            f"{config.label} gives {shape[1]}x{shape[0]} pixels and was calibrated at {found.width_px}x"
            f"{found.height_px}; set its size back, or calibrate it again"
        )
    if config.crop.stretched:
        found = found.stretched(config.crop)
    message = kind(header=ros_messages.header(stamp_ns, optical_frame(config.name)))
    message.width, message.height = found.width_px, found.height_px
    message.distortion_model, message.d = "plumb_bob", list(found.distortion)
    message.k = found.matrix.ravel().tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.column_stack([found.matrix, np.zeros(3)]).ravel().tolist()
    if not (config.crop.whole or config.crop.stretched):
        roi = message.roi
        roi.x_offset, roi.y_offset, roi.width, roi.height = config.crop
    return message


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the node."""
    return ros_node.run_node(NAME, CameraNode, argv=argv, precedence=PRECEDENCE)


if __name__ == "__main__":
    sys.exit(main())
