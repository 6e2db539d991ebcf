"""The page of `sandlot cameras crop` in a real browser: drag a box, keep it, read it in the camera file."""

import numpy as np
import pytest

pytest.importorskip("websockets")

from tests.robots.console.browser import Browser, executable

from sandlot.perception.cameras import Crop
from sandlot.perception.cameras.crop_page import CropPage

pytestmark = pytest.mark.skipif(executable() is None, reason="chromium is not installed")


def drag(browser, start, end):
    """From one place to another, in pixels of the shown picture."""
    left, top = browser.eval("(() => { const b = document.getElementById('frame').getBoundingClientRect();"
                             " return [b.x, b.y] })()")  # fmt: skip
    places = [start, ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2), end]
    kinds = ["mousePressed", "mouseMoved", "mouseMoved"]
    for kind, (x, y) in zip(kinds, places, strict=True):
        browser.call("Input.dispatchMouseEvent", type=kind, x=left + x, y=top + y, button="left", buttons=1,
                     clickCount=1)  # fmt: skip
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=left + end[0], y=top + end[1],
                 button="left", clickCount=1)  # fmt: skip


def test_a_box_is_dragged_and_kept(tmp_path):
    kept = []
    picture = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    page = CropPage("wrist", Crop(), lambda: picture, kept.append)
    try:
        with Browser(tmp_path, (1000, 900)) as browser:
            browser.open(page.address)
            browser.until("document.getElementById('frame').naturalWidth === 640")
            drag(browser, (100, 60), (420, 260))  # square: the smaller side counts
            assert "x 100, y 60, 200 x 200 of 640 x 480" in browser.eval("document.body.innerText")
            browser.press("#keep")
            browser.until("document.getElementById('says').textContent.startsWith('kept')")
            assert browser.problems == []
        assert kept == [Crop(100, 60, 200, 200)] and page.kept.is_set()
    finally:
        page.close()
