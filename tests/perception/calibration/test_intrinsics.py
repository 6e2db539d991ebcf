"""Intrinsics of a camera whose truth is known, and sets of pictures that do not determine one."""

import numpy as np
import pytest
from tests.perception.calibration.made import BOARD, CAMERA, MIDDLE_M, board_pose, drawn, seen

from sandlot.perception.calibration import CalibrationError, Corners, Intrinsics, intrinsics, poses, record
from sandlot.perception.calibration.picture import coverage_picture
from sandlot.perception.cameras import Crop

SIZE = 640, 480


def views(count=20, noise_px=0.1, seed=0, **how):
    rng = np.random.default_rng(seed)
    found = {}
    while len(found) < count:
        corners = seen(board_pose(rng, **how), rng, noise_px)
        if corners is not None and len(corners.ids) >= 12:
            found[f"{len(found):03d}.png"] = corners
    return found


def test_a_distorted_camera_is_found_within_a_few_tenths_of_a_percent():
    result = intrinsics.calibrate(views(), BOARD, SIZE)
    found = result.intrinsics
    assert [found.fx_px, found.fy_px] == pytest.approx([610, 605], rel=0.004)
    assert [found.cx_px, found.cy_px] == pytest.approx([325, 236], abs=2.0)
    assert found.distortion[0] == pytest.approx(-0.12, abs=0.02) and found.distortion[4] == 0.0
    assert result.rms_px == pytest.approx(0.1 * np.sqrt(2), rel=0.15)  # the noise in x and in y
    off = np.abs([found.fx_px - 610, found.fy_px - 605, found.cx_px - 325, found.cy_px - 236])
    assert (off < 4 * np.array(result.std_px)).all()
    assert len(result.errors_px) == 20 and result.coverage > 0.9 and result.tilt_deg > 30


def test_without_noise_the_truth_comes_back():
    found = intrinsics.calibrate(views(noise_px=0.0), BOARD, SIZE).intrinsics
    assert [found.fx_px, found.fy_px, found.cx_px, found.cy_px] == pytest.approx(
        [610, 605, 325, 236], abs=0.01
    )
    assert found.distortion == pytest.approx(CAMERA.distortion, abs=1e-4)


def test_a_board_that_was_never_tilted_says_nothing_of_the_focal_length():
    flat = {name: c for name, c in views(noise_px=0.2, tilt_rad=0.0).items()}
    with pytest.raises(CalibrationError, match="20 deg are needed .* tilt the board towards each side"):
        intrinsics.calibrate(flat, BOARD, SIZE)


def test_a_board_in_the_middle_alone_says_nothing_of_the_edges():
    with pytest.raises(CalibrationError, match=r"seen in \d+% of the picture only, 35% are needed"):
        intrinsics.calibrate(views(spread=0.0, distance_m=(1.2, 1.3)), BOARD, SIZE)


def test_few_pictures_and_corners_in_one_line_are_refused():
    with pytest.raises(CalibrationError, match="5 of 5 pictures .* 8 pictures are needed and 20 are good"):
        intrinsics.calibrate(views(5), BOARD, SIZE)
    line = Corners(np.arange(6), np.arange(12.0).reshape(6, 2))
    with pytest.raises(CalibrationError, match="0 of 9 pictures"):
        intrinsics.calibrate({str(k): line for k in range(9)}, BOARD, SIZE)


def test_a_picture_that_does_not_belong_is_named():
    wrong = views(12, noise_px=0.1)
    name = "004.png"
    ids, points = wrong[name]
    wrong[name] = Corners(ids, points + 12 * np.random.default_rng(1).normal(size=points.shape))
    with pytest.raises(CalibrationError, match="px is the limit; the worst picture is '004.png'"):
        intrinsics.calibrate(wrong, BOARD, SIZE)


def test_corners_are_found_in_a_drawn_picture_to_a_fraction_of_a_pixel():
    ideal = Intrinsics(width_px=640, height_px=480, fx_px=600.0, fy_px=600.0, cx_px=319.5, cy_px=239.5)
    rng = np.random.default_rng(3)
    off = []
    for _ in range(5):
        pose = board_pose(rng, spread=0.1)
        corners = BOARD.find(drawn(pose, ideal))
        truth = ideal.projected(BOARD.points_m @ pose[:3, :3].T + pose[:3, 3])[corners.ids]
        assert len(corners.ids) >= 12
        off.append(np.abs(corners.points_px - truth).mean())
    assert max(off) < 0.25
    assert BOARD.find(np.full((480, 640, 3), 128, np.uint8)) is None


def test_the_picture_of_coverage_is_red_where_no_corner_was():
    corner = Corners(np.array([0]), np.array([[10.0, 10.0]]))
    image = coverage_picture({"a": corner}, np.full((480, 640, 3), 100, np.uint8))
    assert image[470, 630, 0] > 100 and image[470, 630, 1] < 60  # red
    assert image[10, 10].tolist() == [60, 220, 120]
    assert image[70, 70].tolist() == [50, 50, 50]  # seen cell, no corner


def test_a_stretched_crop_is_a_picture_with_intrinsics_of_its_own():
    crop = Crop(100, 60, 200, 50)
    wide = CAMERA.stretched(crop)
    assert (wide.width_px, wide.height_px) == (200, 200)
    points_m = np.array([[0.01, -0.02, 0.5], [-0.1, 0.05, 0.7]])
    whole, part = CAMERA.projected(points_m) + 0.5, wide.projected(points_m) + 0.5  # from the corners
    assert part == pytest.approx((whole - [crop.x, crop.y]) * [1.0, 4.0])


def test_what_is_kept_in_the_file_is_read_again():
    result = intrinsics.calibrate(views(), BOARD, SIZE)
    again = record.intrinsics_of({"intrinsics": record.of_intrinsics(result)}, "wrist")
    assert again.matrix == pytest.approx(result.intrinsics.matrix, abs=1e-3)
    assert again.distortion == pytest.approx(result.intrinsics.distortion, abs=1e-6)


def test_fields_of_view_and_conventions_by_hand():
    assert poses.focal_px(90.0, 480) == pytest.approx(240)
    assert poses.fovy_deg(240, 480) == pytest.approx(90)
    looking_down = poses.optical(np.eye(3))  # MuJoCo's default camera looks along -z of the world, y up
    assert looking_down @ [0, 0, 1] == pytest.approx([0, 0, -1]) and looking_down @ [
        0,
        1,
        0,
    ] == pytest.approx([0, -1, 0])
    assert MIDDLE_M == pytest.approx([0.1225, 0.0875, 0])
