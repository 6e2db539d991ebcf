"""Hand-eye calibration against mounts that are known, and motions that say nothing."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.perception.calibration.made import BOARD, CAMERA, MIDDLE_M, seen, tool_poses

from sandlot.perception.calibration import CalibrationError, HandEyeView, hand_eye, poses, poses_file, record

FLIP = np.diag([1.0, -1.0, -1.0])
TOOL_CAMERA = poses.pose(Rotation.from_rotvec([0.1, -0.2, 1.5]).as_matrix(), np.array([0.06, -0.02, -0.08]))
BASE_BOARD = poses.pose(FLIP, np.array([0.47, 0.02, 0.0]) - FLIP @ MIDDLE_M)
BASE_CAMERA = poses.pose(
    poses.optical(Rotation.from_euler("xyz", [65, 0, 90], degrees=True).as_matrix()),
    np.array([1.1, 0.0, 0.55]),
)
TOOL_BOARD = poses.pose(FLIP, np.array([-0.1, 0.09, 0.03]))


def on_hand(tools, rng, noise_px=0.1):
    found = []
    for tool in tools:
        camera_board = poses.inverse(tool @ TOOL_CAMERA) @ BASE_BOARD
        corners = seen(camera_board, rng, noise_px) if camera_board[2, 3] > 0.05 else None
        if corners is not None:
            found.append(HandEyeView(f"{len(found):03d}.png", tool, corners))
    return found


def in_world(rng, count=14, noise_px=0.1):
    found = []
    while len(found) < count:
        turn = Rotation.from_rotvec(rng.uniform(-0.5, 0.5, 3))
        base_board = poses.pose((turn * Rotation.from_euler("y", 60, degrees=True)).as_matrix(), np.zeros(3))
        base_board[:3, :3] = BASE_CAMERA[:3, :3] @ turn.as_matrix()
        middle = BASE_CAMERA @ [*rng.uniform(-0.06, 0.06, 2), rng.uniform(0.4, 0.6), 1]
        base_board[:3, 3] = middle[:3] - base_board[:3, :3] @ MIDDLE_M
        corners = seen(poses.inverse(BASE_CAMERA) @ base_board, rng, noise_px)
        if corners is not None:
            tool = base_board @ poses.inverse(TOOL_BOARD)
            found.append(HandEyeView(f"{len(found):03d}.png", tool, corners))
    return found


def test_a_camera_on_the_hand_is_found_within_a_millimetre():
    rng = np.random.default_rng(0)
    result = hand_eye.solve(on_hand(tool_poses(rng, 16), rng), BOARD, CAMERA, "hand")
    away_m, turned_rad = poses.apart(result.pose, TOOL_CAMERA)
    assert away_m < 0.001 and np.degrees(turned_rad) < 0.1
    assert poses.apart(result.pose_board, BASE_BOARD)[0] < 0.001
    assert result.left_out_m < 0.001 and result.rms_px == pytest.approx(0.1 * np.sqrt(2), rel=0.2)
    assert len(result.methods_m) >= 4 and max(result.methods_m.values()) < 0.02
    kept = record.of_hand_eye(result, "wrist")
    assert (kept["parent_frame"], kept["child_frame"]) == ("tool", "wrist_optical")
    assert poses.from_quaternion(kept["translation_m"], kept["rotation_xyzw"]) == pytest.approx(
        result.pose, abs=1e-5
    )
    assert "--frame-id tool --child-frame-id wrist_optical" in record.static_transform(kept)


def test_without_noise_the_mount_comes_back_to_the_micrometre():
    rng = np.random.default_rng(0)
    result = hand_eye.solve(on_hand(tool_poses(rng, 9), rng, 0.0), BOARD, CAMERA, "hand")
    assert poses.apart(result.pose, TOOL_CAMERA)[0] < 1e-6


def test_a_camera_in_the_world_is_found_within_two_millimetres():
    result = hand_eye.solve(in_world(np.random.default_rng(1)), BOARD, CAMERA, "world")
    away_m, turned_rad = poses.apart(result.pose, BASE_CAMERA)
    assert away_m < 0.002 and np.degrees(turned_rad) < 0.2
    assert poses.apart(result.pose_board, TOOL_BOARD)[0] < 0.002
    assert record.of_hand_eye(result, "side")["parent_frame"] == "base"


def test_the_stated_uncertainty_holds_the_error_that_an_inaccurate_arm_makes():
    inside = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        views = on_hand(tool_poses(rng, 14), rng)
        shaken = [
            v._replace(
                pose_base_tool=v.pose_base_tool
                @ poses.from_vector(np.concatenate([0.003 * rng.normal(size=3), 0.001 * rng.normal(size=3)]))
            )
            for v in views
        ]
        result = hand_eye.solve(shaken, BOARD, CAMERA, "hand")
        off = (result.pose - TOOL_CAMERA)[:3, 3]
        assert 0.0005 < result.left_out_m < 0.01
        inside += (np.abs(off) < 2.5 * result.std_m).tolist()
    assert np.mean(inside) >= 0.85  # 99 % if the errors were Gaussian and the jackknife exact


def test_moving_without_turning_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(CalibrationError, match=r"turned by 0.0 deg at most .* about two axes"):
        hand_eye.solve(on_hand(tool_poses(rng, 12, turn_rad=0.0), rng), BOARD, CAMERA, "hand")


def test_turning_about_one_axis_is_refused():
    rng = np.random.default_rng(0)
    turns = [Rotation.from_rotvec([0, 0, a]).as_matrix() for a in np.linspace(-0.6, 0.6, 10)]
    tools = [poses.pose(FLIP @ t, [0.45, 0.0, 0.4]) for t in turns]
    with pytest.raises(CalibrationError, match="turned about one axis only"):
        hand_eye.solve(on_hand(tools, rng), BOARD, CAMERA, "hand")


def test_few_views_and_poses_that_do_not_belong_are_refused():
    rng = np.random.default_rng(0)
    views = on_hand(tool_poses(rng, 14), rng)
    with pytest.raises(CalibrationError, match=r"[45] of 5 pictures .* 6 pictures are needed"):
        hand_eye.solve(views[:5], BOARD, CAMERA, "hand")
    shuffled = [
        v._replace(pose_base_tool=w.pose_base_tool) for v, w in zip(views, views[1:] + views[:1], strict=True)
    ]
    with pytest.raises(CalibrationError, match="poses and pictures do not fit"):
        hand_eye.solve(shuffled, BOARD, CAMERA, "hand")
    with pytest.raises(CalibrationError, match="Is the camera on the world"):
        hand_eye.solve(views, BOARD, CAMERA, "world")


def test_poses_are_written_and_read_again_and_bad_ones_named(tmp_path):
    file = tmp_path / poses_file.NAME
    tools = tool_poses(np.random.default_rng(0), 3)
    poses_file.write(file, {f"{k}.png": tool for k, tool in enumerate(tools)})
    again = poses_file.read(file)
    assert all(again[f"{k}.png"] == pytest.approx(tool, abs=1e-7) for k, tool in enumerate(tools))
    head = ",".join(poses_file.COLUMNS) + "\n"
    for text, words in [
        ("x,y\n", "its first line must be file,x_m"),
        (head + "a.png,0,0,0,0,0,0,2\n", "line 2: the quaternion's length is 2.000"),
        (head + "a.png,0,0,zero,0,0,0,1\n", "line 2: could not convert"),
        (head + "a.png,0,0,0,1\n", "line 2: it must hold a name and seven numbers"),
        (head + "a.png,0,0,0,0,0,0,1\na.png,0,0,0,0,0,0,1\n", "line 3: 'a.png' has a pose already"),
    ]:
        file.write_text(text)
        with pytest.raises(CalibrationError, match=words):
            poses_file.read(file)
