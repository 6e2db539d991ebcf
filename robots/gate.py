"""Whether a robot may move: the decisions of the gate, for any robot. No ROS, no device, no kind of command.

    DISARMED --arm--> ARMED --first valid action--> ACTIVE --pause--> ARMED
         ^ started      any of them --stop, e-stop, fault--> STOPPED --arm--> ARMED

Every function takes the state, what happened and `now_s` of a steady clock, and returns a `Decision`: the
next state and what leaves the gate. A command leaves only in ACTIVE. Each looks first at what time alone
brings about (`pass_time`): an action that waited in a queue while this process was frozen finds the gate
stopped. What a command is and which limits it is kept in is the robot's business (`arm.gate_limits`).
"""

import enum
import math
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from sandlot.learners.errors import ConfigError
from sandlot.robots.stamps import is_fresh

Command = TypeVar("Command")

NOT_ARMED = "not_armed"
STALE = "stale"
TWO_COMMANDERS = "two commanders"
STARVED = "gate starved"
NO_ACTION = "no valid action in time"
ROBOT_SILENT = "driver silent"
OPERATOR_LOST = "operator lost"
ESTOP_PRESSED = "e-stop pressed"


class Mode(enum.Enum):
    """What the gate lets through: nothing, except in ACTIVE."""

    DISARMED = "nobody has armed it since it started"
    ARMED = "the first valid action will be obeyed"
    ACTIVE = "commands pass"
    STOPPED = "a stop is latched until somebody arms it"


@dataclass(frozen=True, kw_only=True)
class GateConfig:
    """What the decisions depend on.

    Attributes:
        period_s: between two repeats of the command in force.
        deadline_s: ACTIVE without a valid action for this long stops; 10 of the arm's 150 ms are to tell.
        starved_s: ACTIVE without a tick for this long stops: the machine does not run the gate in time.
        fresh_s: an action whose stamp is older than this, or in the future, is none.
        operator_timeout_s: a person must have been heard within this time; 0 lets the robot run unattended.
    """

    period_s: float = 0.02
    deadline_s: float = 0.14
    starved_s: float = 0.1
    fresh_s: float = 0.1
    operator_timeout_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("period_s", "deadline_s", "starved_s", "fresh_s"):
            if not 0 < getattr(self, name) <= 1.0:
                raise ConfigError(f"gate setting '{name}' is {getattr(self, name)}: it must lie in (0, 1] s")
        if not 0 <= self.operator_timeout_s <= 10:
            raise ConfigError(
                f"gate setting 'operator_timeout_s' is {self.operator_timeout_s}: it must lie in [0, 10] s"
            )


@dataclass(frozen=True)
class GateState(Generic[Command]):
    """All the gate knows; times are those of its own steady clock.

    Attributes:
        mode: what passes.
        cause: why it is in this mode.
        since_s: since when.
        ticked_s: when the last tick was.
        command: in force; None unless ACTIVE.
        action_s: when the last valid action came.
        commander: who sends actions; empty after arming.
        commanded_s: when the commander was last heard, valid or not.
        operator_s: when the person was last heard.
        estop: whether the emergency stop is pressed.
    """

    mode: Mode = Mode.DISARMED
    cause: str = "started"
    since_s: float = 0.0
    ticked_s: float = 0.0
    command: Command | None = None
    action_s: float = -math.inf
    commander: bytes = b""
    commanded_s: float = -math.inf
    operator_s: float = -math.inf
    estop: bool = False


@dataclass(frozen=True)
class Offer(Generic[Command]):
    """An action as it came: the command it asks for, within the limits, or why it is none.

    Attributes:
        commander: who sent it.
        age_s: time since it was stamped.
        command: None when it is no action.
        rejected: why it is none, one word for a counter.
        clamped: whether the limits changed it.
    """

    commander: bytes
    age_s: float
    command: Command | None = None
    rejected: str = ""
    clamped: bool = False


@dataclass(frozen=True)
class Decision(Generic[Command]):
    """What follows from an event.

    Attributes:
        state: the next state.
        command: leaves the gate now; None: no command does.
        hold: leaves the gate now unless empty: why the robot must hold.
        note: what became of an offer, for a counter: accepted, clamped or rejected_<why>.
        refusal: why arming was refused; empty when it was not.
    """

    state: GateState[Command]
    command: Command | None = None
    hold: str = ""
    note: str = ""
    refusal: str = ""


def pass_time(state: GateState[Command], now_s: float, cfg: GateConfig) -> Decision[Command]:
    """What follows from time alone; every event looks at this first."""
    if state.mode is Mode.ACTIVE and now_s - state.ticked_s > cfg.starved_s:
        return stop(state, STARVED, now_s)
    if state.mode is Mode.ACTIVE and now_s - state.action_s >= cfg.deadline_s:
        return stop(state, NO_ACTION, now_s)
    if state.mode in (Mode.ARMED, Mode.ACTIVE) and _operator_away(state, now_s, cfg):
        return stop(state, OPERATOR_LOST, now_s)
    return Decision(state)


def tick(state: GateState[Command], now_s: float, cfg: GateConfig) -> Decision[Command]:
    """Time passed: stops when something was missing for too long, else repeats the command in force."""
    passed = pass_time(state, now_s, cfg)
    state = replace(passed.state, ticked_s=now_s)
    return replace(passed, state=state, command=state.command)


def offer(
    state: GateState[Command], action: Offer[Command], now_s: float, cfg: GateConfig
) -> Decision[Command]:
    """An action arrived: it becomes the command in force, or is rejected and counted."""
    passed = pass_time(state, now_s, cfg)
    state = passed.state
    if state.mode not in (Mode.ARMED, Mode.ACTIVE):
        return replace(passed, note=f"rejected_{NOT_ARMED}")
    heard = hear_commander(state, action.commander, now_s, cfg)
    if heard.hold:
        return replace(heard, note="rejected_two_commanders")
    state = heard.state
    if not is_fresh(action.age_s, cfg.fresh_s):
        return Decision(state, note=f"rejected_{STALE}")
    if action.command is None:
        return Decision(state, note=f"rejected_{action.rejected}")
    if state.mode is Mode.ARMED:
        state = replace(state, mode=Mode.ACTIVE, cause="commanded", since_s=now_s, ticked_s=now_s)
    state = replace(state, command=action.command, action_s=now_s)
    return Decision(state, action.command, note="clamped" if action.clamped else "accepted")


def hear_commander(
    state: GateState[Command], commander: bytes, now_s: float, cfg: GateConfig
) -> Decision[Command]:
    """Somebody commands. One may take over from another who fell silent, but two at a time stop the robot."""
    passed = pass_time(state, now_s, cfg)
    state = passed.state
    if state.mode not in (Mode.ARMED, Mode.ACTIVE):
        return passed
    if state.commander not in (b"", commander) and now_s - state.commanded_s <= cfg.deadline_s:
        return stop(state, TWO_COMMANDERS, now_s)
    return Decision(replace(state, commander=commander, commanded_s=now_s))


def pause(state: GateState[Command], now_s: float, cfg: GateConfig) -> Decision[Command]:
    """The commander rests on purpose: the robot holds, and the next valid action moves it again."""
    passed = pass_time(state, now_s, cfg)
    if passed.state.mode is not Mode.ACTIVE:
        return passed
    paused = replace(passed.state, mode=Mode.ARMED, cause="paused", since_s=now_s, command=None)
    return Decision(paused, hold="paused")


def stop(state: GateState[Command], cause: str, now_s: float) -> Decision[Command]:
    """Stops, whatever the mode, until armed; the first cause is kept while it is stopped."""
    if state.mode is Mode.STOPPED:
        return Decision(state, hold=state.cause)
    return Decision(replace(state, mode=Mode.STOPPED, cause=cause, since_s=now_s, command=None), hold=cause)


def set_estop(state: GateState[Command], pressed: bool, now_s: float) -> Decision[Command]:
    """The emergency stop was pressed or released; releasing it arms nothing."""
    state = replace(state, estop=pressed)
    return stop(state, ESTOP_PRESSED, now_s) if pressed else Decision(state)


def hear_operator(state: GateState[Command], now_s: float, cfg: GateConfig) -> Decision[Command]:
    """A sign of life of the person who watches the robot; it does not undo that they were away."""
    passed = pass_time(state, now_s, cfg)
    return replace(passed, state=replace(passed.state, operator_s=now_s))


def arm(
    state: GateState[Command], now_s: float, cfg: GateConfig, *, forbidden: str = ""
) -> Decision[Command]:
    """Lets the next valid action move the robot, or says why not.

    Args:
        state: before.
        now_s: now.
        cfg: settings.
        forbidden: what the caller knows to be wrong with the robot or its wiring.
    """
    passed = pass_time(state, now_s, cfg)
    state = passed.state
    if state.mode in (Mode.ARMED, Mode.ACTIVE):
        return passed
    refusal = _refusal(state, now_s, cfg) or forbidden
    if refusal:
        return replace(passed, refusal=refusal)
    armed = replace(
        state, mode=Mode.ARMED, cause="armed", since_s=now_s, ticked_s=now_s, command=None, commander=b""
    )
    return Decision(armed)


def _refusal(state: GateState[Command], now_s: float, cfg: GateConfig) -> str:
    if state.estop:
        return "the e-stop is pressed; release it (publish False on /estop), then arm"
    if _operator_away(state, now_s, cfg):
        return (
            f"no operator: no Joy message within {cfg.operator_timeout_s:g} s; "
            "plug the device in and start the joy node, then arm"
        )
    return ""


def _operator_away(state: GateState[Command], now_s: float, cfg: GateConfig) -> bool:
    return cfg.operator_timeout_s > 0 and now_s - state.operator_s >= cfg.operator_timeout_s
