"""Camera frames by hand: layouts, sizes, darkness, and what an observation gets of a larger frame."""

from types import SimpleNamespace

import numpy as np
import pytest

from sandlot.perception.cameras.view import fit
from sandlot.robots.errors import SensorError
from sandlot.robots.frames import frame_check, frame_of


def message(frame, encoding="rgb8", padding=0):
    height, width, depth = frame.shape
    rows = np.zeros((height, width * depth + padding), np.uint8)
    rows[:, : width * depth] = frame.reshape(height, -1)
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=rows.shape[1], data=rows.tobytes()
    )


def picture(height=6, width=8, depth=3):
    return np.arange(1, height * width * depth + 1, dtype=np.uint8).reshape(height, width, depth) + 20


@pytest.mark.parametrize("padding", [0, 5])
def test_a_frame_is_read_in_any_layout(padding):
    rgb = picture()
    assert (frame_of(message(rgb, padding=padding)) == rgb).all()
    assert (frame_of(message(rgb[:, :, ::-1], "bgr8", padding)) == rgb).all()
    grey = frame_of(message(picture(depth=1), "mono8", padding))
    assert grey.shape == (6, 8, 3) and (grey == picture(depth=1)).all()


def test_what_is_no_picture_is_refused_by_name():
    with pytest.raises(SensorError, match="encoding 'yuv422' is unknown; publish one of rgb8"):
        frame_of(message(picture(), "yuv422"))
    short = message(picture())
    short.data = short.data[:-1]
    with pytest.raises(SensorError, match="8x6 rgb8 holds only 143 bytes"):
        frame_of(short)


def test_a_frame_of_the_right_size_is_copied_and_a_larger_one_loses_its_sides():
    frame = picture()
    same = fit(frame, (6, 8, 3))
    assert (same == frame).all() and not np.shares_memory(same, frame)
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:4], wide[:, 4:6] = 100, 200  # the middle 4 columns, averaged two by two
    assert fit(wide, (2, 2, 3))[0, :, 0].tolist() == [100, 200]


def test_sizes_and_darkness():
    check = frame_check((4, 4))
    assert "frames are 3x6, the task observes 4x4" in check(message(picture(6, 3)))
    assert check(message(picture(6, 8))) == ""
    assert "frames are 8x5 and were 8x6" in check(message(picture(5, 8)))
    assert "the frame is black (mean brightness 5.0" in check(message(np.full((6, 8, 3), 5, np.uint8)))
    assert check(message(picture(6, 8))) == ""
