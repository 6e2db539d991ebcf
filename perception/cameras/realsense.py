"""Intel RealSense cameras through pyrealsense2, colour only. Imported only for a camera of this kind.

It uses the library's sensors rather than its pipeline: one profile, a queue of one frame, nothing matched
with depth that nobody asked for. Tried with librealsense's own software devices, not with a camera.
"""

import logging
import time
from typing import Any

import numpy as np
import pyrealsense2 as rs

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras.config import CameraConfig
from sandlot.perception.cameras.errors import CameraError
from sandlot.perception.cameras.frame import Shot, Stamped

log = logging.getLogger(__name__)

FRAME_WITHIN_MS = 2000
SMALLEST_UNIT_MAX = 20_000
"""Colour sensors count exposure in 100 us (D435: up to 10 000), the D405's in 1 us (up to 165 000)."""


class RealSense:
    """One camera by its serial number, or the only one that is connected.

    Args:
        config: which, with which settings.
        devices: those there are; librealsense is asked when None.
    """

    def __init__(self, config: CameraConfig, devices: list[Any] | None = None) -> None:
        self._config, self._devices = config, devices
        self._sensor: Any = None
        self._queue: Any = None

    def open(self) -> None:
        """Finds it and starts its colour stream."""
        try:
            sensor, profile = self._profile(self._device())
            self._queue = rs.frame_queue(1)  # only the newest frame waits
            sensor.open(profile)
            self._sensor = sensor
            self._set_up(sensor)
            sensor.start(self._queue)
        except RuntimeError as error:
            raise CameraError(f"it cannot be opened: {error}") from error

    def read(self) -> Shot:
        """The next frame."""
        try:
            frame = self._queue.wait_for_frame(FRAME_WITHIN_MS)
        except RuntimeError as error:
            raise CameraError(f"it stopped giving frames: {error}") from error
        pixels = np.array(frame.get_data(), np.uint8)  # a copy: librealsense uses its memory again
        self._config.crop.check(pixels.shape[1], pixels.shape[0], self._config.name)
        now_s, wall_s = time.monotonic(), time.time()
        stamp_s, stamped = _stamp(frame, now_s, wall_s)
        return Shot(pixels, stamp_s, stamped, int(frame.get_frame_number()))

    def close(self) -> None:
        """Frees it."""
        sensor, self._sensor = self._sensor, None
        if sensor is None:
            return
        for step in (sensor.stop, sensor.close):
            try:
                step()
            except RuntimeError as error:  # it is gone already
                log.info("event=camera_close camera=%s cause=%r", self._config.name, str(error))

    def _device(self) -> Any:
        found = list(rs.context().query_devices()) if self._devices is None else self._devices
        serials = {d.get_info(rs.camera_info.serial_number): d for d in found}
        wanted = self._config.device
        if not wanted and len(serials) == 1:
            return next(iter(serials.values()))
        if not wanted and serials:
            raise ConfigError(
                f"{self._config.label}: there are {len(serials)}; name one by its serial number: "
                f"{', '.join(serials)}"
            )
        if wanted not in serials:
            raise CameraError(f"no such RealSense is connected; there are: {', '.join(serials) or 'none'}")
        return serials[wanted]

    def _profile(self, device: Any) -> tuple[Any, Any]:
        """The sensor and stream that give the size and rate that were asked for."""
        sizes = []
        for sensor in device.query_sensors():
            for profile in sensor.get_stream_profiles():
                if profile.stream_type() != rs.stream.color or profile.format() != rs.format.rgb8:
                    continue
                video = profile.as_video_stream_profile()
                size = video.width(), video.height(), profile.fps()
                sizes.append(size)
                wanted = self._config.width_px or size[0], self._config.height_px or size[1]
                if (*wanted, round(self._config.fps)) == size:
                    return sensor, profile
        have = ", ".join(f"{w}x{h} at {fps}" for w, h, fps in sorted(set(sizes)))
        raise ConfigError(
            f"{self._config.label} has no colour stream of {self._config.width_px}x{self._config.height_px} "
            f"at {self._config.fps:g} frames a second; it has: {have or 'none'}"
        )

    def _set_up(self, sensor: Any) -> None:
        """Exposure, gain, white balance, and stamps in this machine's time."""
        config, option = self._config, rs.option
        self._set(sensor, option.global_time_enabled, 1)
        self._set(sensor, option.enable_auto_exposure, 0 if config.exposure_s else 1)
        if config.exposure_s and sensor.supports(option.exposure):
            unit_s = 1e-4 if sensor.get_option_range(option.exposure).max <= SMALLEST_UNIT_MAX else 1e-6
            self._set(sensor, option.exposure, round(config.exposure_s / unit_s))
        self._set(sensor, option.enable_auto_white_balance, 0 if config.white_balance_k else 1)
        if config.white_balance_k:
            self._set(sensor, option.white_balance, config.white_balance_k)
        if config.gain >= 0:
            self._set(sensor, option.gain, config.gain)

    def _set(self, sensor: Any, option: Any, value: float) -> None:
        if not sensor.supports(option):
            log.info("event=no_such_setting camera=%s setting=%s", self._config.name, option)
            return
        limits = sensor.get_option_range(option)
        if not limits.min <= value <= limits.max:
            raise ConfigError(
                f"{self._config.label}: {option} is {value:g}: "
                f"it must lie in [{limits.min:g}, {limits.max:g}]"
            )
        sensor.set_option(option, value)


def _stamp(frame: Any, now_s: float, wall_s: float) -> tuple[float, Stamped]:
    """When a frame was exposed, steady clock.

    `global_time` is the camera's clock, brought to this machine's wall clock by librealsense, `system_time`
    the wall clock at arrival in the driver; a bare hardware clock says nothing here.
    """
    domain = frame.get_frame_timestamp_domain()
    age_s = wall_s - frame.get_timestamp() / 1e3
    plausible = -0.005 <= age_s <= FRAME_WITHIN_MS / 1e3
    if domain == rs.timestamp_domain.hardware_clock or not plausible:
        return now_s, Stamped.ARRIVAL
    kind = Stamped.DRIVER if domain == rs.timestamp_domain.global_time else Stamped.ARRIVAL
    return now_s - max(age_s, 0.0), kind
