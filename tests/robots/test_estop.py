"""Emergency stops: every wrong wiring is named, and one button's release releases no other."""

import pytest

from sandlot.robots.estop import Pressed, Source, wiring_fault

GOOD = Source("/panel", "std_msgs/msg/Bool", True, b"1")


@pytest.mark.parametrize(
    ("sources", "required", "said"),
    [
        ([], True, "nobody publishes /estop"),
        (
            [GOOD, Source("/box", "std_msgs/msg/Int32", True, b"2")],
            False,
            "/box publishes std_msgs/msg/Int32",
        ),
        ([Source("/box", "std_msgs/msg/Bool", False, b"2")], False, "/box publishes /estop without reliable"),
    ],
)
def test_wrong_wiring_is_named(sources, required, said):
    assert said in wiring_fault(sources, required)


def test_good_wiring_is_silent():
    assert wiring_fault([], False) == wiring_fault([GOOD], True) == ""


def test_one_release_releases_no_other_button():
    both = Pressed().hear(b"1", True, set()).hear(b"2", True, set())
    assert both.hear(b"1", False, {b"1", b"2"})
    assert not both.hear(b"1", False, {b"1", b"2"}).hear(b"2", False, {b"1", b"2"})


def test_a_button_that_is_gone_is_released_by_anyones_false():
    pressed = Pressed().hear(b"1", True, set())
    assert not pressed.hear(b"2", False, {b"2"})
