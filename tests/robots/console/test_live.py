"""What a viewer is sent: the newest, never a queue; and what nobody wants is not asked for."""

import json
from types import SimpleNamespace

from sandlot.robots.console.live import MOST_CAMERAS, UNDERWAY, Hall, Viewer


class Robot(SimpleNamespace):
    def state(self):
        return {"gate": {"mode": "ARMED"}, "pressed": False}


def robot(**pictures):
    return Robot(pictures=pictures, cameras=["a", "b"], faults={}, problem="", heard={}, name="arm")


def names(items):
    return [i[1 : 1 + i[0]].decode() + i[1 + i[0] :].decode() for i in items if isinstance(i, bytes)]


def test_words_come_first_and_only_when_new():
    viewer, there = Viewer(), robot(a=(1, b"x"))
    (words,) = viewer.take(there)
    assert json.loads(words)["gate"]["mode"] == "ARMED" and json.loads(words)["cameras"] == ["a", "b"]
    assert viewer.take(there) == []
    viewer.hear("robot")
    assert len(viewer.take(there)) == 1


def test_a_slow_viewer_gets_the_newest_picture_and_none_in_between():
    viewer = Viewer()
    viewer.wants(["a"])
    sent = []
    for number in range(1, 8):
        sent += names(viewer.take(robot(a=(number, str(number).encode()), b=(number, b"not wanted"))))
    assert sent == ["a1", "a2"] and UNDERWAY == 2
    viewer.saw("a")
    assert names(viewer.take(robot(a=(7, b"7")))) == ["a7"]
    viewer.saw("a")
    assert names(viewer.take(robot(a=(7, b"7")))) == []  # the same one again


def test_acknowledging_what_was_not_sent_makes_no_room():
    viewer = Viewer()
    viewer.wants(["a"])
    for _ in range(5):
        viewer.saw("a")
        viewer.saw("b")
    sent = [n for number in range(1, 6) for n in names(viewer.take(robot(a=(number, b""))))]
    assert len(sent) == UNDERWAY


def test_wanted_is_what_anybody_looks_at():
    hall, one, other = Hall(), Viewer(), Viewer()
    assert hall.wanted() == frozenset()
    hall.viewers |= {one, other}
    one.wants(["a"])
    other.wants(["a", "b"])
    assert hall.wanted() == {"a", "b"}
    other.wants([])
    assert hall.wanted() == {"a"}
    one.wants(map(str, range(100)))
    assert len(hall.wanted()) == MOST_CAMERAS


def test_news_wakes_only_whom_it_concerns():
    viewer = Viewer()
    viewer.wants(["a"])
    viewer.news.clear()
    viewer.hear("b")
    assert not viewer.news.is_set()
    viewer.hear("a")
    assert viewer.news.is_set()
