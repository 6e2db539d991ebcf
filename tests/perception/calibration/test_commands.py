"""`sandlot calibrate` from drawn pictures of known truth to the camera file, and pictures taken live."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.perception.calibration.made import BOARD, board_pose, drawn, seen, tool_poses
from tests.perception.calibration.test_hand_eye import BASE_BOARD, TOOL_CAMERA

from sandlot import cli
from sandlot.perception.calibration import CalibrationError, Intrinsics, poses, poses_file, sets
from sandlot.perception.cameras import Camera, CameraConfig, load, save

IDEAL = Intrinsics(width_px=640, height_px=480, fx_px=600.0, fy_px=600.0, cx_px=319.5, cy_px=239.5)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cameras.yaml"
    wrist = CameraConfig(name="wrist", source="v4l2", device="/dev/video97", width_px=640, height_px=480)
    save(path, {"wrist": wrist})
    return path


def run(*words):
    return cli.run(["calibrate", *map(str, words)])


def pictures(folder, found):
    folder.mkdir()
    for k, pose in enumerate(found):
        Image.fromarray(drawn(pose, IDEAL)).save(folder / f"{k:03d}.png")


def views(count, rng):
    found = []
    while len(found) < count:
        pose = board_pose(rng)
        corners = seen(pose, rng, camera=IDEAL)
        if corners is not None and len(corners.ids) >= 14:
            found.append(pose)
    return found


def test_from_pictures_to_intrinsics_and_a_mount_in_the_camera_file(file, tmp_path, capsys):
    rng = np.random.default_rng(5)
    pictures(tmp_path / "set", views(10, rng))
    assert run("intrinsics", "wrist", "--file", file, "--images", tmp_path / "set", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [said["fx_px"], said["fy_px"]] == pytest.approx([600, 600], rel=0.01)
    assert said["rms_px"] < 0.5 and len(said["errors_px"]) == said["views"] == 10
    with Image.open(said["coverage_picture"]) as image:
        assert image.size == (640, 480)
    assert load(file)["wrist"].calibration["intrinsics"]["fx_px"] == said["fx_px"]

    tools = {}
    for tool in tool_poses(rng, 14):
        camera_board = poses.inverse(tool @ TOOL_CAMERA) @ BASE_BOARD
        corners = seen(camera_board, rng, camera=IDEAL) if camera_board[2, 3] > 0.1 else None
        if corners is not None and len(corners.ids) >= 10:
            tools[f"{len(tools):03d}.png"] = (tool, camera_board)
    pictures(tmp_path / "moves", [seen_at for _, seen_at in tools.values()])
    poses_file.write(tmp_path / "moves" / "poses.csv", {name: tool for name, (tool, _) in tools.items()})
    words = ("hand-eye", "wrist", "--mount", "hand", "--file", file, "--images", tmp_path / "moves", "--json")
    assert run(*words) == 0
    said = json.loads(capsys.readouterr().out)
    found = poses.from_quaternion(said["translation_m"], said["rotation_xyzw"])
    away_m, turned_rad = poses.apart(found, TOOL_CAMERA)
    assert away_m < 0.005 and np.degrees(turned_rad) < 0.5
    assert "static_transform_publisher" in said["static_transform"]
    kept = load(file)["wrist"].calibration
    assert kept["pose"]["child_frame"] == "wrist_optical" and "intrinsics" in kept

    lines = (tmp_path / "moves" / "poses.csv").read_text().splitlines()
    (tmp_path / "moves" / "poses.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert run(*words) == 2
    assert "has no line in the poses" in capsys.readouterr().err


def test_a_mount_without_intrinsics_and_pictures_of_another_size_are_refused(file, tmp_path, capsys):
    (tmp_path / "set").mkdir()
    assert run("hand-eye", "wrist", "--mount", "hand", "--file", file, "--images", tmp_path / "set") == 2
    assert "camera 'wrist' has no intrinsics yet" in capsys.readouterr().err
    assert run("intrinsics", "wrist", "--file", file, "--images", tmp_path / "set") == 2
    assert "is no folder with pictures" in capsys.readouterr().err
    small = board_pose(np.random.default_rng(0), spread=0.0, tilt_rad=0.0)
    Image.fromarray(drawn(small, IDEAL)[100:380]).save(tmp_path / "set" / "a.png")
    assert run("intrinsics", "wrist", "--file", file, "--images", tmp_path / "set") == 2
    assert "pictures have 640x280 pixels" in capsys.readouterr().err
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(tmp_path / "set" / "b.png")
    with pytest.raises(CalibrationError, match="all must come from one camera"):
        sets.read(tmp_path / "set", BOARD)


def test_the_board_is_printed(tmp_path, capsys):
    assert run("board", "--out", tmp_path / "board.png", "--columns", 4, "--rows", 3) == 0
    assert "35" in capsys.readouterr().out and (tmp_path / "board.png").exists()


def test_pictures_are_taken_of_a_board_that_is_shown_and_held_still(tmp_path):
    shown = tmp_path / "shown"
    shown.mkdir()
    rng = np.random.default_rng(0)
    for k, pose in enumerate(views(2, rng)):
        Image.fromarray(drawn(pose, IDEAL)).save(tmp_path / f"{k}.png")
        for copy in range(30):
            (shown / f"{k}_{copy:02d}.png").symlink_to(tmp_path / f"{k}.png")
    said, tools = [], tool_poses(rng, 1)

    def tool_at(_):
        if "the driver is silent" not in said:
            raise CalibrationError("the driver is silent")
        return tools[0]

    config = CameraConfig(name="wrist", source="folder", device=str(shown), fps=20.0)
    with Camera(config) as camera:
        kept = sets.take(
            camera,
            BOARD,
            tmp_path / "out",
            count=2,
            limit_s=60.0,
            tell=said.append,
            tool_at=tool_at,
        )
    assert kept == 2 and "picture 2 of 2 is kept" in said
    assert said.index("the driver is silent") < said.index("picture 1 of 2 is kept")  # and then it was not
    found = sets.read(tmp_path / "out", BOARD)
    assert list(found.corners) == ["view_000.png", "view_001.png"] and found.size_px == (640, 480)
    assert poses_file.read(tmp_path / "out" / "poses.csv").keys() == found.corners.keys()
    with Camera(config) as camera, pytest.raises(CalibrationError, match="holds 2 pictures already"):
        sets.take(camera, BOARD, tmp_path / "out", count=1, limit_s=1.0, tell=said.append)
