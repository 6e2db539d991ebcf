"""A camera's node as a real process, heard through DDS: crop, stamps, intrinsics, a camera that vanishes."""

import dataclasses
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo
from tests.perception.cameras.made import LEVELS, folder
from tests.ros_domain import ros_domain  # noqa: F401

from sandlot.perception.calibration import CalibrationError
from sandlot.perception.cameras import Camera, CameraConfig, CameraError, Crop, Stamped, load, save
from sandlot.robots.arm import ros_messages
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.cameras.camera_node import info_message
from sandlot.robots.cameras.ros_listener import Listener
from sandlot.robots.cameras.ros_tool_pose import ToolPoses
from sandlot.robots.cameras.topics import camera_info
from sandlot.robots.topics import DIAGNOSTICS, Topic

pytestmark = pytest.mark.usefixtures("ros_domain")

INTRINSICS = {
    "width_px": 64, "height_px": 48, "fx_px": 60.0, "fy_px": 61.0, "cx_px": 31.5, "cy_px": 23.5,
    "distortion_model": "plumb_bob", "distortion": [0.1, 0, 0, 0, 0],
}  # fmt: skip


def absolute(topic):
    return Topic(topic.full_name("arm"), topic.type, topic.quality)


def camera_file(tmp_path, pictures):
    file = tmp_path / "cameras.yaml"
    wrist = CameraConfig(
        name="wrist", source="folder", device=str(pictures), fps=50.0, crop=Crop(10, 8, 24, 24), limit_s=0.5,
        calibration={"intrinsics": INTRINSICS},
    )  # fmt: skip
    save(file, {"wrist": wrist})
    assert load(file) == {"wrist": wrist}
    return file


def node(file, *more):
    argv = [sys.executable, "-m", "sandlot.robots.cameras.camera_node", "--ros-args", "-r", "__ns:=/arm"]
    for word in (f"file:={file}", *more):
        argv += ["-p", word]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)


def until(listener, condition, what, within_s=30.0):
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, f"waited too long for {what}"
        listener.spin(0.1)


def test_frames_are_cropped_stamped_and_stop_with_the_camera(tmp_path):
    pictures = folder(tmp_path / "set")
    infos, states = [], []
    process = node(camera_file(tmp_path, pictures), "camera:=wrist")
    heard = CameraConfig(name="wrist", source="ros", device="/arm/camera/wrist/image_raw", limit_s=0.5)
    callbacks = {
        absolute(camera_info("wrist")): infos.append,
        DIAGNOSTICS: lambda message: states.extend(message.status),
    }
    listener = Listener("test", callbacks)
    try:
        with Camera(heard) as camera:
            frame = camera.after(0, 30.0)
            assert frame.pixels.shape == (24, 24, 3)
            assert frame.pixels[0, 0].tolist() in [[level, 0, 0] for level in LEVELS]
            assert frame.stamped is Stamped.DRIVER
            until(listener, lambda: infos, "camera_info")
            info = infos[-1]
            assert info.header.frame_id == "wrist_optical"
            assert (info.width, info.height, info.k[0], info.d[0]) == (64, 48, 60.0, 0.1)
            roi = info.roi
            assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (10, 8, 24, 24)
            pictures.rename(tmp_path / "away")  # unplugged
            until(listener, lambda: states and states[-1].level == b"\x02", "the alarm")
            assert "wrist" in states[-1].hardware_id and "set" in states[-1].message
            with pytest.raises(CameraError, match=r"camera 'wrist' .* the limit is 0.5 s"):
                camera.newest(time.monotonic())
            node_heard = camera._source._listener
            until(listener, lambda: camera.counts.failures, "silence")
            assert camera._source._listener is node_heard  # a topic heals by itself
            number = camera.counts.frames
            (tmp_path / "away").rename(pictures)
            assert camera.after(number, 30.0).pixels.shape == (24, 24, 3)
    finally:
        listener.close()
        process.terminate()
        assert process.wait(20) == 0


def test_a_stretched_crop_is_told_with_its_own_intrinsics(tmp_path):
    wrist = load(camera_file(tmp_path, tmp_path))["wrist"]
    flat = dataclasses.replace(wrist, crop=Crop(10, 8, 40, 20))
    info = info_message(CameraInfo, flat, (48, 64), 0)
    assert (info.width, info.height, info.roi.width) == (40, 40, 0)
    assert (info.k[0], info.k[4], info.p[5]) == (60.0, 122.0, 122.0)
    assert (info.k[2], info.k[5]) == (21.5, 2 * (23.5 - 8 + 0.5) - 0.5)


def test_a_camera_that_is_not_in_the_file_is_refused_in_one_line(tmp_path):
    process = node(camera_file(tmp_path, folder(tmp_path / "set")), "camera:=side")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "camera 'side' is not in" in said.splitlines()[-1] and "there are: wrist" in said


def sees(found, within_s):
    """The tool's pose now, as soon as there is one."""
    until_s = time.monotonic() + within_s
    while True:
        try:
            return found.at(time.monotonic())
        except CalibrationError:
            assert time.monotonic() < until_s


def test_the_tool_pose_of_a_pictures_instant_is_found_and_another_is_not():
    with pytest.raises(CalibrationError, match="tool_pose is silent; start the robot"):
        found = ToolPoses()
        try:
            found.at(time.monotonic())
        finally:
            found.close()
    teller = Listener("teller", {})
    out = Node("driver", context=teller._context).create_publisher(PoseStamped, "/arm/tool_pose", 10)
    place, done, began_s = np.array([0.4, 0.1, 0.3]), threading.Event(), time.monotonic()

    def tell():
        while not done.wait(0.005):
            out.publish(ros_messages.pose_message(Pose(place, DOWN), time.time_ns()))

    thread = threading.Thread(target=tell)
    thread.start()
    found = ToolPoses()
    try:
        pose = sees(found, 30.0)
        assert pose[:3, 3] == pytest.approx(place) and pose[:3, :3] == pytest.approx(DOWN)
        with pytest.raises(CalibrationError, match="no pose came in the 0.1 s before the picture"):
            found.at(began_s - 1.0)
    finally:
        done.set()
        thread.join()
        found.close()
        teller.close()


def test_a_simulated_arms_driver_crops_its_own_cameras(tmp_path):
    file = tmp_path / "cameras.yaml"
    side = CameraConfig(name="side", source="sim", device="arm_reach/side", crop=Crop(16, 4, 40, 32))
    save(file, {"side": side})
    argv = [sys.executable, "-m", "sandlot.robots.arm.arm_node", "--ros-args", "-r", "__ns:=/arm"]
    given = ("task:=arm_reach", "cameras:=['side']", "image_width_px:=64", "image_height_px:=48")
    for word in (*given, f"camera_file:={file}"):
        argv += ["-p", word]
    process = subprocess.Popen(argv)
    try:
        heard = CameraConfig(name="side", source="ros", device="/arm/camera/side/image_raw", limit_s=5.0)
        with Camera(heard) as camera:
            assert camera.after(0, 60.0).pixels.shape == (40, 40, 3)
    finally:
        process.terminate()
        assert process.wait(30) == 0
