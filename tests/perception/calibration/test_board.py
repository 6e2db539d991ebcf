"""The board on paper, and which frames of a live camera are kept."""

import numpy as np
import pytest
from PIL import Image

from sandlot.learners.errors import ConfigError
from sandlot.perception.calibration import Board, Corners
from sandlot.perception.calibration.choose import Chooser


def test_the_printed_page_has_the_board_in_its_true_size(tmp_path):
    board = Board(columns=4, rows=3, square_m=0.03, marker_m=0.02)
    with Image.open(board.print_to(tmp_path / "board.png")) as image:
        dpi, page = image.info["dpi"], np.asarray(image.convert("RGB"))
    assert dpi == pytest.approx((600, 600), abs=0.1)
    assert page.shape[:2] == (round(0.21 / 0.0254 * 600), round(0.297 / 0.0254 * 600))
    corners = board.find(page[::6, ::6])
    assert len(corners.ids) == 6  # every inner one
    side = np.linalg.norm(corners.points_px[1] - corners.points_px[0]) * 6 / 600 * 0.0254
    assert side == pytest.approx(0.03, rel=0.002)
    assert board.print_to(tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"columns": 2}, "columns and rows must lie in"),
        ({"marker_m": 0.05}, "marker_m 0.05 must be less than square_m 0.035"),
        ({"dictionary": "DICT_9X9"}, "OpenCV has no dictionary 'DICT_9X9'"),
        ({"columns": 20, "rows": 20}, "need 200 markers, DICT_5X5_100 has 100"),
    ],
)
def test_a_board_that_cannot_be_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        Board(**changes)


def test_a_board_larger_than_the_paper_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="420 x 175 mm does not fit a4, which has room for 281 x 194 mm"):
        Board(columns=12).print_to(tmp_path / "board.pdf")
    with pytest.raises(ConfigError, match="must end in .pdf or .png"):
        Board().print_to(tmp_path / "board.gif")


def at(x, ids=range(12)):
    ids = np.array(list(ids))
    return Corners(ids, np.stack([x + 5.0 * ids, 7.0 * ids], axis=1))


def test_frames_are_kept_when_the_board_is_still_and_somewhere_new():
    chooser = Chooser(least=8)
    said = [
        chooser.offer(None, 640, 0.0),
        chooser.offer(at(0, range(5)), 640, 0.1),  # too few corners
        chooser.offer(at(0), 640, 0.2),
        chooser.offer(at(0.3), 640, 0.4),  # still, but not for long enough
        chooser.offer(at(0.3), 640, 0.55),
    ]
    chooser.keep(at(0.3))
    said += [
        chooser.offer(at(0.3), 640, 1.0),  # where the last one was
        chooser.offer(at(60), 640, 1.1),
        chooser.offer(at(60), 640, 1.5),
    ]
    new = "show it somewhere else, or tilted"
    assert said == ["show the board", "show the board", "hold still", "hold still", "", new, "hold still", ""]
