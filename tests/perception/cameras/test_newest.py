"""What becomes of frames, by hand: no thread, no clock."""

import numpy as np
import pytest

from sandlot.perception.cameras.frame import Shot, Stamped
from sandlot.perception.cameras.newest import Newest, retry_s

PIXELS = np.zeros((2, 2, 3), np.uint8)


def shot(stamp_s, sequence=-1):
    return Shot(PIXELS, stamp_s, Stamped.DRIVER, sequence)


def test_the_newest_frame_wins_and_one_that_nobody_saw_is_counted():
    newest = Newest()
    assert newest.take() is None
    assert newest.offer(shot(1.0), 1.1) and newest.offer(shot(2.0), 2.1)
    assert newest.counts.unseen == 1
    assert newest.take().number == 2
    assert newest.offer(shot(3.0), 3.1) and newest.counts.unseen == 1


@pytest.mark.parametrize(("stamp_s", "now_s"), [(1.0, 5.0), (0.5, 5.0), (5.1, 5.0)])
def test_the_same_frame_an_older_one_and_one_from_the_future_are_refused(stamp_s, now_s):
    newest = Newest()
    newest.offer(shot(1.0), 1.0)
    assert not newest.offer(shot(stamp_s), now_s)
    assert newest.frame.number == 1 and newest.counts.refused == 1 and newest.counts.frames == 1


def test_a_declared_latency_makes_frames_older():
    newest = Newest(latency_s=0.03)
    newest.offer(shot(1.0), 1.0)
    assert newest.frame.stamp_s == pytest.approx(0.97)


def test_frames_that_the_device_numbered_and_lost_are_counted_but_not_across_a_restart():
    newest = Newest()
    for k, sequence in enumerate((7, 8, 11)):
        newest.offer(shot(1.0 + k, sequence), 9.0)
    assert newest.counts.lost == 2
    newest.restart()
    newest.offer(shot(5.0, 100), 9.0)
    assert newest.counts.lost == 2


def test_waiting_doubles_up_to_five_seconds():
    assert [retry_s(n) for n in (1, 2, 3, 4, 5, 6, 1000)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
