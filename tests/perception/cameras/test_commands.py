"""`sandlot cameras` on real files: list, show, and a crop by numbers or on the page."""

import json
import socket
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image
from tests.perception.cameras.made import folder, video

from sandlot import cli
from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import CameraConfig, Crop, load, save
from sandlot.perception.cameras.crop_page import CropPage
from sandlot.perception.cameras.devices import Device, v4l2


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cameras.yaml"
    cameras = {
        "wrist": CameraConfig(name="wrist", source="stream", device=str(video(tmp_path / "a.avi")), fps=50),
        "side": CameraConfig(name="side", source="folder", device=str(folder(tmp_path / "set"))),
    }
    save(path, cameras)
    return path


def run(*words):
    return cli.run(["cameras", *map(str, words)])


def test_list_names_what_is_in_the_file(file, capsys):
    assert run("list", "--file", file) == 0
    said = capsys.readouterr().out
    assert "camera wrist" in said and "stream" in said and "camera side" in said


def test_show_writes_the_picture_beside_what_is_observed_and_says_how_fast_frames_come(
    file, capsys, tmp_path
):
    out = tmp_path / "wrist.png"
    words = ("show", "wrist", "--file", file, "--out", out, "--px", "16", "--seconds", "0.3", "--json")
    assert run(*words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["stamped_by"] == "arrival" and said["size"] == "64x48" and said["frames"] >= 2
    assert said["age_p50_ms"] >= 0 and said["failures"] == 0
    with Image.open(out) as image:
        assert image.size == (64 + 48, 48)


def test_a_crop_is_checked_against_the_picture_and_kept_in_the_file(file, capsys, tmp_path):
    assert run("crop", "wrist", "--file", file, "--crop", 8, 4, 40, 40) == 0
    assert load(file)["wrist"].crop == Crop(8, 4, 40, 40)
    assert run("crop", "wrist", "--file", file, "--crop", 40, 4, 40, 40) == 2
    assert "must lie in the picture of 64x48" in capsys.readouterr().err
    assert load(file)["wrist"].crop == Crop(8, 4, 40, 40)
    grid = tmp_path / "grid.png"
    assert run("crop", "wrist", "--file", file, "--out", grid) == 0
    with Image.open(grid) as image:
        assert image.getpixel((8, 20)) == (60, 220, 120)  # the box
    assert run("crop", "front", "--file", file) == 2
    assert "camera 'front' is not in" in capsys.readouterr().err


def ask(address, data=None, host=None):
    request = urllib.request.Request(address, data, headers={"Host": host} if host else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_page_shows_the_picture_and_keeps_what_was_dragged():
    kept = []

    def keep(crop):
        crop.check(64, 48, "wrist")
        kept.append(crop)

    page = CropPage("wrist", Crop(1, 2, 3, 4), lambda: np.full((48, 64, 3), 90, np.uint8), keep)
    try:
        status, html = ask(page.address)
        assert status == 200 and b"Crop of wrist" in html and b"crop = [1, 2, 3, 4]" in html
        assert ask(page.address + "frame.png?5")[1].startswith(b"\x89PNG")
        assert ask(page.address + "crop", b"[8, 4, 70, 40]")[0] == 400
        assert b"four whole numbers" in ask(page.address + "crop", b'[8, 4, 40, "x"]')[1]
        assert not kept and not page.kept.is_set()
        root = page.address.rsplit("/", 2)[0]
        assert ask(root + "/guess/")[0] == 404 and ask(root + "/guess/crop", b"[0, 0, 8, 8]")[0] == 404
        assert ask(page.address, host="evil.example")[0] == 403
        assert ask(page.address + "crop", b"[0, 0, 8, 8]" + 300 * b" ")[0] == 403
        assert not kept
        assert ask(page.address + "crop", b"[8, 4, 40, 40]")[0] == 200
        assert kept == [Crop(8, 4, 40, 40)] and page.kept.wait(5)
    finally:
        page.close()
    assert not any(thread.name == "crop page" for thread in threading.enumerate())


def test_a_port_that_cannot_be_and_a_size_that_none_has_are_refused(file, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for port in (taken.getsockname()[1], 99999):
            assert run("crop", "side", "--file", file, "--port", port) == 2
            assert f"--port {port} cannot be listened on" in capsys.readouterr().err
    for px in (0, -1, 1025):
        assert run("show", "side", "--file", file, "--px", px) == 2
        assert f"--px is {px}: it must lie in [16, 1024]" in capsys.readouterr().err


def test_a_camera_without_a_picture_is_said_on_the_page():
    def nothing():
        raise ConfigError("camera 'wrist' gives no picture")

    page = CropPage("wrist", Crop(), nothing, lambda crop: None)
    try:
        assert ask(page.address + "frame.png") == (503, b"camera 'wrist' gives no picture")
    finally:
        page.close()


def test_kernel_cameras_are_found_by_their_lasting_name_without_their_metadata_twins(tmp_path):
    by_id, dev = tmp_path / "by-id", tmp_path / "dev"
    for path in (by_id, dev):
        path.mkdir()
    for name, index in (("video0", "0"), ("video1", "1"), ("video10", "0"), ("video2", "0")):
        entry = tmp_path / "sys" / name
        entry.mkdir(parents=True)
        (entry / "name").write_text(f"Cam {name}\n")
        (entry / "index").write_text(index)
    (dev / "video2").touch()
    (by_id / "usb-Cam-index0").symlink_to(dev / "video2")
    assert v4l2(tmp_path / "sys", by_id) == [
        Device("v4l2", "/dev/video0", "Cam video0"),
        Device("v4l2", str(by_id / "usb-Cam-index0"), "Cam video2"),
        Device("v4l2", "/dev/video10", "Cam video10"),
    ]
