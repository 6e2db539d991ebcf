"""A simulated camera as the source of a camera: `source: sim`, `device: arm_pick/wrist`.

The same world, picture noise and stamps as `sandlot up arm --robot sim`, so that cropping, calibrating and
labelling can be tried without a robot.
"""

import time

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import CameraConfig, Shot, Stamped
from sandlot.perception.cameras.pace import Pace
from sandlot.sim.arm_device import Config, SimArmDevice

WIDTH_PX, HEIGHT_PX = 640, 480


class SimSource:
    """One camera of a task's world, with the arm held at the start of a trial."""

    def __init__(self, config: CameraConfig) -> None:
        task, slash, self._camera = config.device.partition("/")
        if not (task and slash and self._camera):
            raise ConfigError(f"{config.label}: a sim camera's device is TASK/CAMERA, e.g. arm_pick/wrist")
        self._config = config
        self._world = Config(
            task=task,
            cameras=(self._camera,),
            image_width_px=config.width_px or WIDTH_PX,
            image_height_px=config.height_px or HEIGHT_PX,
        )
        self._device: SimArmDevice | None = None

    def open(self) -> None:
        """Builds the world."""
        self._device = SimArmDevice(self._world)
        self._device.connect()
        self._device.hold(time.monotonic())
        self._pace = Pace(1.0 / self._config.fps, time.monotonic())

    def read(self) -> Shot:
        """What the camera sees when the next frame is due."""
        self._pace.wait()
        if self._device is None:
            raise ConfigError(f"{self._config.label} is closed")
        self._device.read(time.monotonic())
        frame = self._device.frames(time.monotonic())[self._camera]
        self._config.crop.check(frame.pixels.shape[1], frame.pixels.shape[0], self._config.name)
        return Shot(frame.pixels, frame.stamp_s, Stamped.DRIVER)

    def close(self) -> None:
        """Frees the renderer, in the thread that drew."""
        device, self._device = self._device, None
        if device is not None:
            device.close_frames()
            device.close()
