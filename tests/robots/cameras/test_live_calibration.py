"""`sandlot calibrate hand-eye` with pictures and tool poses from topics, while the arm moves and stands."""

import json
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from tests.perception.calibration.made import drawn, seen, tool_poses
from tests.perception.calibration.test_commands import IDEAL
from tests.perception.calibration.test_hand_eye import BASE_BOARD, TOOL_CAMERA
from tests.ros_domain import ros_domain  # noqa: F401

from sandlot import cli
from sandlot.perception.calibration import poses
from sandlot.perception.calibration.choose import Chooser
from sandlot.perception.cameras import CameraConfig, save
from sandlot.robots.arm import ros_messages
from sandlot.robots.arm.spec import Pose
from sandlot.robots.cameras.ros_listener import Listener

pytestmark = pytest.mark.usefixtures("ros_domain")

VIEWS, STILL_S = 8, 1.0
INTRINSICS = {
    "width_px": 640, "height_px": 480, "fx_px": 600.0, "fy_px": 600.0, "cx_px": 319.5, "cy_px": 239.5,
    "distortion_model": "plumb_bob", "distortion": [0.0, 0.0, 0.0, 0.0, 0.0],
}  # fmt: skip


def moves():
    """Where the tool stands, and what the camera on it sees there."""
    rng = np.random.default_rng(2)
    found, chooser = [], Chooser(12)
    while len(found) < VIEWS:
        (tool,) = tool_poses(rng, 1)
        camera_board = poses.inverse(tool @ TOOL_CAMERA) @ BASE_BOARD
        corners = seen(camera_board, rng, camera=IDEAL) if camera_board[2, 3] > 0.15 else None
        chooser.offer(corners, 640, float(len(found)))
        if corners is not None and not chooser.offer(corners, 640, len(found) + 0.5):  # somewhere new
            chooser.keep(corners)
            found.append((Pose(tool[:3, 3], tool[:3, :3]), drawn(camera_board, IDEAL)))
    return found


class Arm(threading.Thread):
    """Publishes one view after the other, each for a second, until it is stopped."""

    def __init__(self):
        super().__init__()
        self.done = threading.Event()
        self._listener = Listener("arm", {})
        node = Node("driver", context=self._listener._context)
        self._tool = node.create_publisher(PoseStamped, "/arm/tool_pose", QoSProfile(depth=1))
        self._image = node.create_publisher(Image, "/arm/camera/wrist/image_raw", QoSProfile(depth=1))
        self._moves = moves()

    def run(self):
        began_s, tick = time.monotonic(), 0
        while not self.done.wait(0.01):
            tool, pixels = self._moves[int((time.monotonic() - began_s) / STILL_S) % len(self._moves)]
            stamp_ns = time.time_ns()
            self._tool.publish(ros_messages.pose_message(tool, stamp_ns))
            if tick % 5 == 0:
                self._image.publish(ros_messages.image_message(pixels, "wrist", stamp_ns))
            tick += 1
        self._listener.close()


def test_the_mount_is_found_while_the_arm_moves(tmp_path, capsys):
    file = tmp_path / "cameras.yaml"
    wrist = CameraConfig(
        name="wrist", source="v4l2", device="/dev/video97", calibration={"intrinsics": INTRINSICS}
    )
    save(file, {"wrist": wrist})
    arm = Arm()
    arm.start()
    try:
        words = ["calibrate", "hand-eye", "wrist", "--mount", "hand", "--file", str(file), "--json"]
        words += ["--topic", "/arm/camera/wrist/image_raw", "--count", str(VIEWS - 1), "--limit-s", "100"]
        code = cli.run([*words, "--out", str(tmp_path / "views")])
    finally:
        arm.done.set()
        arm.join()
    said = capsys.readouterr()
    assert code == 0, said.err
    result = json.loads(said.out)
    found = poses.from_quaternion(result["translation_m"], result["rotation_xyzw"])
    away_m, turned_rad = poses.apart(found, TOOL_CAMERA)
    assert away_m < 0.008 and np.degrees(turned_rad) < 1.0
    assert f"picture {VIEWS - 1} of {VIEWS - 1} is kept" in said.err
    assert len(list((tmp_path / "views").glob("*.png"))) == VIEWS - 1
