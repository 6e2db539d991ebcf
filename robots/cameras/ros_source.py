"""An image topic as the source of a camera: `source: ros`, `device: /arm/camera/wrist/image_raw`."""

import time
from typing import Any

from sandlot.perception.cameras import CameraConfig, CameraError, Shot, SilentError, Stamped
from sandlot.robots.arm import ros_messages
from sandlot.robots.cameras.ros_listener import Listener
from sandlot.robots.errors import SensorError
from sandlot.robots.frames import frame_of
from sandlot.robots.stamps import StampClock, is_fresh, read_clocks
from sandlot.robots.topics import Topic

SILENT_S = 2.0
OLD_S = 1.0
"""A header stamp that is older was made by another clock: then the time of arrival counts."""


class RosSource:
    """The frames of a topic, rgb8, bgr8 or mono8."""

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self._topic = Topic(config.device, "sensor_msgs/msg/Image", "image", config.fps)
        self._clock = StampClock()
        self._listener: Listener | None = None
        self._message: Any = None

    def open(self) -> None:
        """Subscribes."""
        self._listener = Listener(f"camera_{self._config.name}", {self._topic: self._keep})

    def read(self) -> Shot:
        """The next frame."""
        until_s = time.monotonic() + SILENT_S
        while self._message is None:
            if self._listener is None or time.monotonic() > until_s:
                raise SilentError(f"nothing is published on {self._config.device}")
            self._listener.spin(max(0.0, until_s - time.monotonic()))
        message, self._message = self._message, None
        try:
            pixels = frame_of(message)
        except SensorError as error:
            raise CameraError(str(error)) from error
        self._config.crop.check(pixels.shape[1], pixels.shape[0], self._config.name)
        clocks = read_clocks()
        stamp_s = self._clock.steady_s(ros_messages.stamp_s(message), clocks)
        if is_fresh(clocks.steady_s - stamp_s, OLD_S):
            return Shot(pixels, stamp_s, Stamped.DRIVER)
        return Shot(pixels, clocks.steady_s, Stamped.ARRIVAL)

    def close(self) -> None:
        """Leaves the graph."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _keep(self, message: Any) -> None:
        self._message = message
