"""The deadman's button: a car drives by itself only while a person holds it. Pure: decisions of the gate.

A held button is a sign of life of the operator; the gate stops when `operator_timeout_s` passes without one,
which is what becomes of a joystick that fell silent. A button that is let go stops at once. Either stop is
latched: press the button, then arm.
"""

import dataclasses
from collections.abc import Sequence

from sandlot.learners.errors import ConfigError
from sandlot.robots import gate
from sandlot.robots.gate import Command, Decision, GateConfig, GateState, Mode
from sandlot.robots.teleop.mapping import Button

RELEASED = "deadman released"
ANY = -1


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeadmanConfig:
    """Attributes: button: which must be held (`teleop.mapping.Button`); -1: any Joy message will do."""

    button: int = Button.GO

    def __post_init__(self) -> None:
        if not ANY <= self.button < 64:
            raise ConfigError(f"deadman button {self.button} must lie in [-1, 63]; -1 needs none")


def hear(
    state: GateState[Command], buttons: Sequence[int], now_s: float, cfg: GateConfig, deadman: DeadmanConfig
) -> Decision[Command]:
    """The joystick said which buttons are down; a joystick without that button holds nothing."""
    if deadman.button == ANY or (deadman.button < len(buttons) and buttons[deadman.button] == 1):
        return gate.hear_operator(state, now_s, cfg)
    passed = gate.pass_time(state, now_s, cfg)
    if passed.state.mode in (Mode.ARMED, Mode.ACTIVE):
        return gate.stop(passed.state, RELEASED, now_s)
    return passed
