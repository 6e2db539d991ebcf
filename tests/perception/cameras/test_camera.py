"""Cameras that read real files: newest wins, nothing twice, unplugged and plugged in again."""

import subprocess
import sys
import time

import pytest
from tests.perception.cameras.made import LEVELS, folder, video

from sandlot.learners.errors import ConfigError, NotReadyError
from sandlot.perception.cameras import Camera, CameraConfig, CameraError, Stamped


def config(device, source="stream", **changes):
    settings = {"fps": 100.0, "limit_s": 0.3, **changes}
    return CameraConfig(name="wrist", source=source, device=str(device), **settings)


def wait_for(condition, within_s=10.0):
    until_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until_s, "waited too long"
        time.sleep(0.005)


def test_a_video_file_gives_its_frames_in_order_each_once_with_rising_stamps(tmp_path):
    seen = []
    with Camera(config(video(tmp_path / "a.avi")), on_frame=seen.append) as camera:
        wait_for(lambda: len(seen) >= 12)
    levels = [round(float(frame.pixels.mean()) / 40) * 40 for frame in seen[:12]]
    assert levels == [LEVELS[k % 5] for k in range(12)]  # at its end it begins again
    assert [frame.number for frame in seen[:12]] == list(range(1, 13))
    stamps = [frame.stamp_s for frame in seen]
    assert all(b > a for a, b in zip(stamps, stamps[1:], strict=False))
    assert seen[0].pixels.shape == (48, 64, 3) and seen[0].stamped is Stamped.ARRIVAL
    assert camera.counts.refused == 0


def test_pictures_of_a_folder_come_by_name_in_rgb(tmp_path):
    with Camera(config(folder(tmp_path / "set"), "folder")) as camera:
        first = camera.after(0, 10.0)
        assert first.pixels[0, 0].tolist() in [[level, 0, 0] for level in LEVELS]
        following = camera.after(first.number, 10.0)
    assert following.number > first.number and following.stamp_s > first.stamp_s


def test_a_frame_is_never_handed_out_twice_as_new_and_unseen_ones_are_counted(tmp_path):
    with Camera(config(video(tmp_path / "a.avi"))) as camera:
        numbers = [camera.after(0, 10.0).number]
        for _ in range(5):
            numbers.append(camera.after(numbers[-1], 10.0).number)
        assert sorted(set(numbers)) == numbers
        wait_for(lambda: camera.counts.frames >= numbers[-1] + 5)
        assert camera.counts.unseen >= 4  # nobody looked
        with pytest.raises(CameraError, match="no new frame within 0.01 s"):
            camera.after(10**6, 0.01)


def test_a_camera_that_vanishes_is_an_error_with_its_age_until_it_is_back(tmp_path):
    path = video(tmp_path / "a.avi")
    away = tmp_path / "away.avi"
    with Camera(config(path)) as camera:
        before = camera.after(0, 10.0)
        path.rename(away)  # unplugged
        wait_for(lambda: camera.problem(time.monotonic()))
        with pytest.raises(CameraError) as told:
            camera.newest(time.monotonic())
        assert isinstance(told.value, NotReadyError)
        words = "camera 'wrist'", str(path), "s old, the limit is 0.3 s", "does not exist", "its cable"
        assert all(word in str(told.value) for word in words)
        wait_for(lambda: camera.counts.failures >= 2)  # tried again, in vain
        away.rename(path)
        wait_for(lambda: not camera.problem(time.monotonic()))
        assert camera.newest(time.monotonic()).number > before.number


def test_a_camera_that_was_never_there_says_so(tmp_path):
    with Camera(config("/dev/video97", "v4l2")) as camera:
        wait_for(lambda: camera.counts.failures)
        with pytest.raises(CameraError, match=r"no frame came for .* /dev/video97 does not exist"):
            camera.newest(time.monotonic())


def test_a_size_that_the_device_does_not_have_is_no_matter_of_trying_again(tmp_path):
    with Camera(config(video(tmp_path / "a.avi"), width_px=640, height_px=480)) as camera:
        with pytest.raises(ConfigError, match="gives 64x48 pixels and not 640x480"):
            camera.after(0, 10.0)
        assert camera.counts.failures == 0


def test_a_crop_outside_of_the_picture_is_refused_when_its_size_is_known(tmp_path):
    from sandlot.perception.cameras import Crop

    wrong = config(folder(tmp_path / "set"), "folder", crop=Crop(10, 0, 60, 48))
    with Camera(wrong) as camera, pytest.raises(ConfigError, match="must lie in the picture of 64x48"):
        camera.after(0, 10.0)


def test_neither_opencv_nor_realsense_is_loaded_before_a_camera_of_that_kind_is_made():
    program = (
        "import sys; import sandlot.perception.cameras; from sandlot.robots.arm import readings; "
        "sys.exit(sorted({'cv2', 'pyrealsense2', 'jax'} & set(sys.modules)) != [])"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
