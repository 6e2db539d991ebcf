"""The frames of a device's own cameras, as its driver node publishes them."""

import threading
import time
from collections.abc import Mapping

from rclpy.node import Node

from sandlot.learners.process import take_precedence, yield_precedence
from sandlot.perception.cameras.view import Crop, cut
from sandlot.robots import ros_messages, ros_node
from sandlot.robots.device import Device, OwnCameras
from sandlot.robots.stamps import read_clocks
from sandlot.robots.topics import image


class CameraThread:
    """Takes and publishes the frames of a device's own cameras, in a thread that commands never wait for.

    It returns from its construction when the first frame was taken: setting up a renderer or a camera may
    hold up the whole process, which must not happen when the robot moves. It publishes while `publishing`.
    """

    def __init__(self, node: Node, device: Device, hz: float, crops: Mapping[str, Crop]) -> None:
        self._device, self._period_s, self._crops = device, 1.0 / hz, crops
        self._out = {c: ros_node.publisher(node, image(c, hz)) for c in device.cameras}
        self._ready, self._stop = threading.Event(), threading.Event()
        self.publishing = False
        self.failure: Exception | None = None
        self.late = 0
        self.published = 0
        self._thread = threading.Thread(target=self._run, name="cameras", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            yield_precedence()  # for the renderer's own threads, which begin with the first frame
            for name, frame in self._device.frames(time.monotonic()).items():
                height, width = frame.pixels.shape[:2]
                self._crops.get(name, Crop()).check(width, height, name)
            take_precedence()  # below the driver's: the interpreter's lock is not held by one that sleeps
            self._ready.set()
            self._publish()
        except Exception as error:  # told to the node's own thread, which fails with it
            self.failure = error
        finally:
            self._ready.set()
            if isinstance(self._device, OwnCameras):
                self._device.close_frames()

    def _publish(self) -> None:
        """Until it is closed."""
        next_s = time.monotonic()
        while not self._stop.wait(max(0.0, next_s - time.monotonic())):
            clocks = read_clocks()
            frames = self._device.frames(clocks.steady_s) if self.publishing else {}
            for name, frame in frames.items():
                stamp_ns = round(clocks.wall_of(frame.stamp_s) * ros_messages.NS)
                pixels = cut(frame.pixels, self._crops.get(name, Crop()))
                self._out[name].publish(ros_messages.image_message(pixels, name, stamp_ns))
                self.published += 1
            next_s += self._period_s
            if time.monotonic() > next_s + self._period_s:  # a whole period late: take up a new rhythm
                self.late += 1
                next_s = time.monotonic()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(timeout=5.0)
