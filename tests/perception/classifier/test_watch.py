"""Blank, frozen and constant: what is no news, and from where it is a fault."""

import numpy as np
from tests.perception.classifier.small import picture

from sandlot.perception.classifier.watch import Limits, Watch

STILL, MOVED = np.zeros(3, np.float32), np.float32([0.0, 0.0, 0.2])
LIMITS = Limits(steps=3)


def frames(value, seed=0):
    return {"wrist": picture(value, np.random.default_rng(seed))}


def test_a_black_frame_is_a_fault_of_sight():
    news, fault = Watch().frames({"wrist": np.full((8, 8, 3), 3, np.uint8)}, STILL)
    assert not news
    assert fault.sight
    assert "camera 'wrist' shows nothing (values 3 to 3)" in fault.text


def test_a_white_frame_shows_nothing_either():
    assert Watch().frames({"wrist": np.full((8, 8, 3), 255, np.uint8)}, STILL)[1] is not None


def test_a_frame_that_stands_still_while_the_robot_moves():
    watch = Watch(LIMITS)
    found = [watch.frames(frames(0.5), STILL if k == 0 else MOVED) for k in range(5)]
    assert [news for news, _ in found] == [True, False, False, False, False]
    assert [fault is None for _, fault in found] == [True, True, True, False, False]
    assert "the same frame for 3 steps of a moving robot" in found[3][1].text


def test_a_robot_at_rest_may_look_the_same_for_ever():
    watch = Watch(LIMITS)
    assert all(watch.frames(frames(0.5), STILL) == (True, None) for _ in range(9))


def test_an_answer_that_stands_still_while_frames_change():
    watch, found = Watch(LIMITS), []
    for k in range(5):
        watch.frames(frames(0.5, seed=k), STILL)
        found.append(watch.answer([np.float32([0.0, 5.0])]))
    assert [believed for believed, _ in found] == [True, False, False, False, False]
    assert [fault is None for _, fault in found] == [True, True, True, False, False]
    assert not found[3][1].sight


def test_the_same_frame_with_another_answer_is_not_believed():
    watch = Watch()
    watch.frames(frames(0.5), STILL)
    watch.answer([np.float32([5.0, 0.0])])
    watch.frames(frames(0.5), STILL)
    assert watch.answer([np.float32([0.0, 5.0])]) == (False, None)


def test_an_answer_that_is_no_number():
    assert "not a finite number" in Watch().answer([np.float32([0.0, np.nan])])[1].text


def test_an_episode_begins_without_memory():
    watch = Watch(LIMITS)
    for k in range(3):
        watch.frames(frames(0.5, seed=k), STILL)
        watch.answer([np.float32([0.0, 5.0])])
    watch.begin()
    watch.frames(frames(0.5, seed=9), STILL)
    assert watch.answer([np.float32([0.0, 5.0])]) == (True, None)
