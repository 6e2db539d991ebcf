"""The camera file: what it may hold, what is refused in one line, and what writing it keeps."""

import dataclasses
import pathlib

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import CameraConfig, Crop, fit, load, save, sources, view
from sandlot.perception.cameras.frame import Stamped
from sandlot.perception.cameras.opencv import true_stamp
from sandlot.perception.cameras.view import cut

ROOT = pathlib.Path(__file__).parents[3]
GOOD = "wrist:\n  source: v4l2\n  device: /dev/video0\n  width_px: 640\n  height_px: 480\n"


def written(tmp_path, text):
    file = tmp_path / "cameras.yaml"
    file.write_text(text)
    return file


def test_the_file_that_comes_with_the_package_can_be_used():
    cameras = load(ROOT / "config" / "cameras.yaml")
    assert cameras["side"].exposure_s == 0.008 and cameras["wrist"].source == "realsense"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD + "  expsure_s: 1\n", "unknown setting 'expsure_s'; did you mean 'exposure_s'?"),
        (GOOD + "  fps: fast\n", "fps is 'fast': it must be a number"),
        (GOOD + "  fps: 0\n", "fps is 0.0: it must lie in [0.1, 1000]"),
        (GOOD + "  width_px: 8\n", "width_px is 8: it must lie in [16, 8192]"),
        (GOOD + "  crop: [0, 0, 9]\n", "crop is [0, 0, 9]: it must be four whole numbers"),
        (GOOD + "  crop: [600, 0, 64, 64]\n", "must lie in the picture of 640x480 pixels"),
        (GOOD + "  fourcc: mjpeg\n", "fourcc 'mjpeg' must be four letters"),
        ("wrist:\n  device: 0\n", "lacks its setting 'source'"),
        (
            "wrist:\n  source: webcam\n",
            "source 'webcam' is none of folder, realsense, ros, sim, stream",
        ),
        ("wrist:\n  source: v4l2\n", "a v4l2 camera needs a device"),
        ("Wrist 1:\n  source: v4l2\n  device: 0\n", "camera 'Wrist 1': a name is a small letter"),
        ("- 1\n", "must map names to settings"),
        ("a: [\n", "no YAML"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_value_and_rule(tmp_path, text, words):
    with pytest.raises(ConfigError) as told:
        load(written(tmp_path, text))
    assert words in str(told.value) and "cameras.yaml" in str(told.value)


def test_two_names_for_one_device_are_refused_through_links_and_numbers_too(tmp_path):
    device = tmp_path / "video0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    text = "a:\n  source: v4l2\n  device: {}\nb:\n  source: v4l2\n  device: {}\n"
    with pytest.raises(ConfigError, match="cameras 'a' and 'b' are one device"):
        load(written(tmp_path, text.format(device, tmp_path / "by-id")))
    with pytest.raises(ConfigError, match="are one device"):
        load(written(tmp_path, text.format(97, "/dev/video97")))
    assert len(load(written(tmp_path, text.format(97, 98)))) == 2
    with pytest.raises(ConfigError, match="cameras a, b are RealSense: .* serial number"):
        load(written(tmp_path, "a:\n  source: realsense\nb:\n  source: realsense\n  device: '1'\n"))


def test_writing_keeps_the_remarks_above_and_every_setting(tmp_path):
    file = written(tmp_path, "# by Ada\n\n" + GOOD + "  crop: [1, 2, 30, 40]\n")
    cameras = load(file)
    assert cameras["wrist"].crop == Crop(1, 2, 30, 40)
    save(file, cameras)
    assert file.read_text().startswith("# by Ada\n\nwrist:\n") and load(file) == cameras
    assert "fourcc" not in file.read_text()  # a default is not written down
    assert [p.name for p in tmp_path.iterdir()] == ["cameras.yaml"]


def test_the_crop_is_cut_out_before_anything_is_resized():
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[8:16, 20:28] = 200
    assert (view(frame, Crop(20, 8, 8, 8), (4, 4, 3)) == 200).all()
    assert (view(frame, Crop(), (48, 64, 3)) == frame).all()
    wide = view(frame, Crop(16, 8, 16, 8), (4, 4, 3))  # all of it; its middle half is the bright square
    assert (wide[:, 1:3] == 200).all() and not wide[:, ::3].any()
    assert (fit(frame[8:16, 16:32], (4, 4)) == 200).all()  # without a crop: the middle
    assert cut(frame, Crop(16, 8, 16, 8)).shape == (16, 16, 3)  # as a camera's node publishes it
    assert (fit(cut(frame, Crop(16, 8, 16, 8)), (4, 4)) == wide).all()


def test_a_drivers_stamp_counts_only_if_it_can_be_one_of_the_steady_clock():
    assert true_stamp(99_980.0, 100.0) == (99.98, Stamped.DRIVER)
    for wrong_ms in (0.0, 1.7e12, 100_500.0, 98_000.0):  # none, wall time, the future, long ago
        assert true_stamp(wrong_ms, 100.0) == (100.0, Stamped.ARRIVAL)


def test_settings_are_asked_for_in_the_order_and_units_of_v4l2():
    import cv2

    from sandlot.perception.cameras.opencv import V4l2

    camera = CameraConfig(
        name="a", source="v4l2", device="0", width_px=1280, height_px=720, fourcc="MJPG", exposure_s=0.008
    )
    asked = [(prop, value) for prop, value, _ in V4l2(camera)._settings()]
    assert [prop for prop, _ in asked[:4]] == [
        cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS,
    ]  # fmt: skip
    assert (cv2.CAP_PROP_AUTO_EXPOSURE, 1) in asked and (cv2.CAP_PROP_EXPOSURE, 80) in asked
    assert (cv2.CAP_PROP_AUTO_WB, 1) in asked
    assert not any(prop == cv2.CAP_PROP_GAIN for prop, _ in asked)


def test_the_documentation_lists_every_setting_with_its_default_and_every_source():
    page = (ROOT / "docs" / "cameras.md").read_text()
    for field in dataclasses.fields(CameraConfig):
        if field.name == "name":
            continue
        default = "required" if field.default is dataclasses.MISSING else field.default
        if field.name == "calibration":
            default = {}
        elif isinstance(default, tuple):
            default = list(default)
        shown = '""' if default == "" else default
        assert f"| `{field.name}` | {shown} |" in page, f"docs/cameras.md must say {field.name} {shown}"
    for source in sources.names():
        assert f"| `{source}` |" in page, f"docs/cameras.md must explain {source}"
