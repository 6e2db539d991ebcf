"""RealSense through librealsense's own software devices: real frames and stamps, no camera.

`test_realsense.py` runs these tests in a process of their own.
"""

import threading
import time

import numpy as np
import pytest

rs = pytest.importorskip("pyrealsense2")

from sandlot.learners.errors import ConfigError  # noqa: E402
from sandlot.perception.cameras import Camera, CameraConfig, CameraError, Stamped  # noqa: E402
from sandlot.perception.cameras.realsense import RealSense  # noqa: E402

WIDTH, HEIGHT = 64, 48


class Soft:
    """One software device with a colour sensor that somebody feeds."""

    def __init__(self, serial="123"):
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, serial)
        self.sensor = self.device.add_sensor("RGB Camera")
        stream = rs.video_stream()
        stream.type, stream.index, stream.uid, stream.fmt = rs.stream.color, 0, 1, rs.format.rgb8
        stream.width, stream.height, stream.fps, stream.bpp = WIDTH, HEIGHT, 30, 3
        self._profile = self.sensor.add_video_stream(stream).as_video_stream_profile()
        limits = rs.option_range()
        limits.min, limits.max, limits.step, limits.default = 1, 10_000, 1, 156
        self.sensor.add_option(rs.option.exposure, limits, True)

    def send(self, level, number, wall_s, domain):
        frame = rs.software_video_frame()
        frame.pixels = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
        frame.stride, frame.bpp, frame.frame_number = 3 * WIDTH, 3, number
        frame.timestamp, frame.domain, frame.profile = 1e3 * wall_s, domain, self._profile
        self.sensor.on_video_frame(frame)


def config(**changes):
    settings = {"device": "123", "width_px": WIDTH, "height_px": HEIGHT, "limit_s": 5.0, **changes}
    return CameraConfig(name="wrist", source="realsense", **settings)


@pytest.mark.parametrize(
    ("domain", "age_s", "stamped"),
    [
        (rs.timestamp_domain.global_time, 0.03, Stamped.DRIVER),
        (rs.timestamp_domain.system_time, 0.03, Stamped.ARRIVAL),
        (rs.timestamp_domain.hardware_clock, 0.0, Stamped.ARRIVAL),
    ],
)
def test_frames_are_rgb_numbered_and_stamped_on_the_steady_clock(domain, age_s, stamped):
    soft = Soft()
    source = RealSense(config(), [soft.device])
    source.open()
    try:
        sent_s = time.monotonic()
        soft.send(77, 5, time.time() - age_s, domain)
        shot = source.read()
        came_s = time.monotonic()
    finally:
        source.close()
    assert shot.pixels.shape == (HEIGHT, WIDTH, 3) and (shot.pixels == 77).all()
    assert shot.sequence == 5 and shot.stamped is stamped
    assert sent_s - age_s - 0.005 <= shot.stamp_s <= came_s - age_s + 0.005


def test_a_camera_reads_it_in_its_thread_and_counts_what_was_lost():
    soft, done = Soft(), threading.Event()

    def feed():
        number = 0
        while not done.wait(0.01):
            number += 3
            soft.send(50, number, time.time(), rs.timestamp_domain.global_time)

    thread = threading.Thread(target=feed)
    with Camera(config(), RealSense(config(), [soft.device])) as camera:
        thread.start()
        try:
            frame = camera.after(3, 10.0)
        finally:
            done.set()
            thread.join()
        assert frame.number > 3 and camera.counts.lost >= 2


def test_a_fixed_exposure_reaches_the_sensor_in_its_own_unit():
    soft = Soft()
    source = RealSense(config(exposure_s=0.008), [soft.device])
    source.open()
    try:
        assert soft.sensor.get_option(rs.option.exposure) == 80  # of 100 us
    finally:
        source.close()
    with pytest.raises(ConfigError, match=r"Exposure is 20000: it must lie in \[1, 10000\]"):
        RealSense(config(exposure_s=1.0), [Soft().device])._set(soft.sensor, rs.option.exposure, 20_000)


def test_what_is_not_there_is_said_with_what_is():
    soft = Soft()
    with pytest.raises(CameraError, match="no such RealSense is connected; there are: 123"):
        RealSense(config(device="999"), [soft.device]).open()
    with pytest.raises(CameraError, match="there are: none"):
        RealSense(config()).open()
    with pytest.raises(ConfigError, match="there are 2; name one by its serial number: 123, 124"):
        RealSense(config(device=""), [soft.device, Soft("124").device]).open()
    with pytest.raises(
        ConfigError, match="no colour stream of 640x480 at 30 frames a second; it has: 64x48 at 30"
    ):
        RealSense(config(width_px=640, height_px=480), [soft.device]).open()
