"""The deadman's button over the gate: held it drives, let go it stops, and so does a silent joystick."""

import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots import gate
from sandlot.robots.car.deadman import RELEASED, DeadmanConfig, hear
from sandlot.robots.car.spec import CarCommand
from sandlot.robots.gate import GateConfig, GateState, Mode, Offer
from sandlot.robots.teleop.mapping import Button

CFG = GateConfig(operator_timeout_s=0.1)
HELD, UP = [[int(down and b is Button.GO) for b in Button] for down in (True, False)]
"""As a joy node says it."""


def driving():
    state = hear(GateState[CarCommand](), HELD, 0.0, CFG, DeadmanConfig()).state
    state = gate.arm(state, 0.0, CFG).state
    state = gate.offer(state, Offer(b"a", 0.0, CarCommand(3.0)), 0.0, CFG).state
    assert state.mode is Mode.ACTIVE
    return state


def test_a_button_that_is_let_go_stops_at_once_and_pressing_it_again_does_not_drive_on():
    stopped = hear(driving(), UP, 0.02, CFG, DeadmanConfig())
    assert stopped.hold == RELEASED and stopped.state.mode is Mode.STOPPED
    again = hear(stopped.state, HELD, 0.04, CFG, DeadmanConfig()).state
    assert again.mode is Mode.STOPPED and gate.arm(again, 0.04, CFG).state.mode is Mode.ARMED


def test_a_joystick_that_fell_silent_stops():
    assert gate.tick(driving(), 0.09, CFG).hold == ""
    assert gate.tick(driving(), 0.1, CFG).hold == gate.OPERATOR_LOST


def test_without_the_button_held_the_gate_cannot_be_armed():
    state = hear(GateState[CarCommand](), UP, 0.0, CFG, DeadmanConfig()).state
    assert "no operator" in gate.arm(state, 0.0, CFG).refusal


@pytest.mark.parametrize("buttons", [(), (1, 1, 1), (0,) * 8 + (2,)])
def test_a_joystick_without_that_button_holds_nothing(buttons):
    assert hear(driving(), buttons, 0.02, CFG, DeadmanConfig()).hold == RELEASED


def test_where_none_is_asked_for_any_message_will_do():
    assert hear(driving(), (), 0.09, CFG, DeadmanConfig(button=-1)).state.operator_s == 0.09


def test_a_button_that_cannot_be_is_refused():
    with pytest.raises(ConfigError, match=r"deadman button 99 must lie in \[-1, 63\]"):
        DeadmanConfig(button=99)
