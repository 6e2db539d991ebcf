"""From Joy to intent: fresh presses only, nothing lost between two decisions, silence ends everything."""

import math

import numpy as np
import pytest

from sandlot.robots.teleop.mapping import AXES, Button, Hands, Operator, merge

PUSH = (0.5, -0.25, 0.0, 0.0, 0.0, 0.0, 0.0)


def offer(operator, now_s, *down, axes=PUSH):
    return operator.offer(axes, Hands(down=frozenset(down)).buttons(), now_s)


@pytest.fixture
def operator():
    """An operator who has been there for a while, hands off."""
    person = Operator()
    offer(person, 0.0)
    return person


def test_holding_the_deadman_drives_and_letting_go_ends_it(operator):
    offer(operator, 0.02, Button.TAKE_OVER)
    intent = operator.take(0.03)
    assert intent.alive and intent.take_over and intent.action.dtype == np.float32
    assert intent.action.tolist() == list(PUSH)
    offer(operator, 0.04)
    intent = operator.take(0.05)
    assert intent.alive and not intent.take_over and not intent.action.any()


def test_a_deadman_that_is_down_from_the_start_moves_nothing():
    person = Operator()
    for k in range(5):
        offer(person, 0.02 * k, Button.TAKE_OVER)
        assert not person.take(0.02 * k).take_over
    offer(person, 0.2)
    offer(person, 0.22, Button.TAKE_OVER)
    assert person.take(0.22).take_over


def test_silence_lets_go_and_a_replugged_device_needs_a_fresh_press(operator):
    offer(operator, 0.02, Button.TAKE_OVER)
    assert operator.take(0.22).take_over
    lost = operator.take(0.2201)
    assert not lost.alive and not lost.take_over and not lost.action.any()
    offer(operator, 9.0, Button.TAKE_OVER)
    assert operator.take(9.0).alive and not operator.take(9.0).take_over


def test_silence_is_noticed_even_when_nobody_asked_meanwhile(operator):
    offer(operator, 0.02, Button.TAKE_OVER)
    offer(operator, 5.0, Button.TAKE_OVER, Button.ARM)
    intent = operator.take(5.0)
    assert not intent.take_over and not intent.arm


def test_a_press_between_two_decisions_counts_once(operator):
    offer(operator, 0.02, Button.SUCCESS)
    offer(operator, 0.04)
    assert operator.take(0.1).success and not operator.take(0.1).success


def test_a_button_held_down_is_one_press(operator):
    offer(operator, 0.02, Button.REDO)
    assert operator.take(0.02).redo
    offer(operator, 0.04, Button.REDO)
    assert not operator.take(0.04).redo


def test_a_short_squeeze_of_the_gripper_is_not_lost(operator):
    offer(operator, 0.02, Button.TAKE_OVER, axes=(0.0,) * 6 + (-1.0,))
    offer(operator, 0.04, Button.TAKE_OVER, axes=(0.0,) * AXES)
    assert operator.take(0.1).action[6] == -1.0 and operator.take(0.11).action[6] == 0.0


def test_the_stop_button_counts_always_and_as_long_as_it_is_down():
    person = Operator()
    offer(person, 0.0, Button.STOP, Button.ARM)
    for _ in range(2):
        intent = person.take(0.0)
        assert intent.stop and not intent.arm
    offer(person, 0.02)
    assert not person.take(0.02).stop


def test_a_short_press_of_stop_is_not_lost(operator):
    offer(operator, 0.02, Button.STOP)
    offer(operator, 0.04)
    assert operator.take(0.05).stop and not operator.take(0.05).stop


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.5])
def test_axes_out_of_range_are_refused(operator, bad):
    assert not offer(operator, 0.02, Button.TAKE_OVER, axes=(0.0,) * 6 + (bad,))
    assert operator.refused == 1 and "in [-1, 1]" in operator.refusal
    assert not operator.take(0.02).take_over


def test_the_layout_of_another_joy_node_is_refused_by_name(operator):
    assert not operator.offer([0.0] * 8, [0] * 11, 0.02)
    assert "8 axes and 11 buttons" in operator.refusal and "joy_node" in operator.refusal


def test_two_devices_make_one_person():
    spacemouse = Hands((0.8,) + (0.0,) * 6, frozenset({Button.TAKE_OVER}))
    keyboard = Hands((0.7,) + (0.0,) * 5 + (-1.0,), frozenset({Button.SUCCESS}))
    both = merge([spacemouse, keyboard])
    assert both.axes == (1.0, 0, 0, 0, 0, 0, -1.0)
    assert both.buttons() == [1, 1, 0, 0, 0, 0, 0, 0, 0]
