"""The practice state machine: who drives, and how driving ended. Pure: time, sensors and command come in.

    LEARNING --collision, stuck--> RECOVERY --clear--> PAUSE --> LEARNING
             --a person drives--> TELEOP --lets go--> LEARNING
             --upside down, a fault, no way out--> ERROR, until a person has put it right

A recovery stands for a moment, then drives against the last command until it is clear of where it came to
grief; where it does not move at all, it tries the other direction. The same function judges a simulated car
and a real one.
"""

import dataclasses
import enum
import math

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.spec import CarCommand, CarReading

STAND = CarCommand()


class Mode(enum.Enum):
    """What goes on."""

    LEARNING = "learning"
    RECOVERY = "recovery"
    PAUSE = "pause"
    TELEOP = "teleop"
    ERROR = "error"


class Cause(enum.Enum):
    """Why driving ended."""

    COLLISION = "collision"
    STUCK = "stuck"
    INVERTED = "inverted"
    TELEOP = "teleop"
    FAULT = "fault"


TRUE_ENDS = frozenset({Cause.COLLISION, Cause.STUCK, Cause.INVERTED})
"""After these there is nothing more to gain: the discount is 0. A person who takes over only cuts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PracticeConfig:
    """When driving has ended, and how a recovery drives.

    Attributes:
        collision_mps2: horizontal acceleration that no tyre can give.
        stuck_s: within `stuck_m` for so long is stuck.
        stuck_m: see there.
        inverted_mps2: vertical acceleration below which the car does not stand on its wheels.
        inverted_s: for so long.
        stand_s: before a recovery and after it.
        recovery_mps: its speed.
        recovery_s: its longest duration in one direction.
        clear_m: how far from where it began it ends.
        blocked_s: without moving `blocked_m` for so long, the other direction is tried.
        blocked_m: see there.
        tries: recoveries in a row without getting away; then a person is called.
        away_m: a car that is so far from where it came to grief has got away.
        collision_cost: what a collision costs in metres per second of one step; its strength adds up to half.
        stuck_cost: what being stuck costs.
        inverted_cost: what a roll costs.
        recovery: whether there are recoveries; without, a policy has to get away by itself, and a person is
            called where it does not. To measure what they are worth.
    """

    collision_mps2: float = 20.0
    stuck_s: float = 3.0
    stuck_m: float = 0.3
    inverted_mps2: float = 0.0
    inverted_s: float = 0.4
    stand_s: float = 0.2
    recovery_mps: float = 0.8
    recovery_s: float = 2.0
    clear_m: float = 0.6
    blocked_s: float = 0.7
    blocked_m: float = 0.05
    tries: int = 6
    away_m: float = 1.5
    collision_cost: float = 10.0
    stuck_cost: float = 10.0
    inverted_cost: float = 15.0
    recovery: bool = True

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "recovery":
                continue
            least = -math.inf if field.name == "inverted_mps2" else 0.0
            if not (math.isfinite(value) and value > least):
                raise ConfigError(f"practice setting '{field.name}' is {value}: it must be more than 0")


@dataclasses.dataclass(frozen=True)
class PracticeState:
    """What the machine remembers.

    Attributes:
        mode: what goes on.
        since_s: since when.
        cause: how driving ended last; None while it never did.
        trail: where the car was in the last seconds: (time, x, y).
        upright_s: when it stood on its wheels last.
        direction: of the recovery, 1 or -1.
        origin_m: where the recovery began.
        moved_s: when the recovery began in its present direction.
        turned: whether that is the other one already.
        tries: recoveries since the car got away.
        grief_m: where the first of them began.
    """

    mode: Mode = Mode.LEARNING
    since_s: float = -math.inf
    cause: Cause | None = None
    trail: tuple[tuple[float, float, float], ...] = ()
    upright_s: float = math.nan
    direction: int = -1
    origin_m: tuple[float, float] = (0.0, 0.0)
    moved_s: float = 0.0
    turned: bool = False
    tries: int = 0
    grief_m: tuple[float, float] = (0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Order:
    """What the machine wants.

    Attributes:
        command: what the car shall do now; None: whoever drives in this mode decides.
        ended: why driving has just ended; None while it goes on.
    """

    command: CarCommand | None = None
    ended: Cause | None = None


def cost(cause: Cause, jolt_mps2: float, config: PracticeConfig) -> float:
    """What an end costs, in metres per second of one step, at least 0."""
    if cause is Cause.COLLISION:
        return config.collision_cost + min(jolt_mps2 / 5.0, config.collision_cost / 2.0)
    return {Cause.STUCK: config.stuck_cost, Cause.INVERTED: config.inverted_cost}.get(cause, 0.0)


def tick(
    state: PracticeState,
    reading: CarReading,
    now_s: float,
    config: PracticeConfig,
    *,
    goal_rad: float = 0.0,
    taken_over: bool = False,
    fault: str = "",
) -> tuple[PracticeState, Order]:
    """One look at the car.

    Args:
        state: before it.
        reading: the newest.
        now_s: steady time.
        config: thresholds.
        goal_rad: bearing of the next checkpoint in the body frame; a recovery turns the nose there.
        taken_over: a person drives.
        fault: of device or sensors, in words; "" when there is none.
    """
    state = _remember(state, reading, now_s, config)
    inverted = now_s - state.upright_s > config.inverted_s
    for reason, mode, cause in (
        (bool(fault), Mode.ERROR, Cause.FAULT),
        (taken_over, Mode.TELEOP, Cause.TELEOP),
        (inverted, Mode.ERROR, Cause.INVERTED),
    ):
        if reason:
            return _enter(state, mode, now_s, cause)
    if state.mode is Mode.LEARNING:
        return _watch(state, reading, now_s, config)
    if state.mode is Mode.RECOVERY:
        return _recover(state, reading, now_s, config, goal_rad)
    let_go = state.mode is Mode.TELEOP
    if let_go or (state.mode is Mode.PAUSE and now_s - state.since_s >= config.stand_s):
        return dataclasses.replace(state, mode=Mode.LEARNING, since_s=now_s, trail=()), Order()
    return state, Order(STAND)


def put_right(state: PracticeState, now_s: float) -> PracticeState:
    """A person has put the car on its wheels, on the course."""
    return PracticeState(since_s=now_s, upright_s=now_s, cause=state.cause)


def _remember(
    state: PracticeState, reading: CarReading, now_s: float, config: PracticeConfig
) -> PracticeState:
    """What only looks back: the trail of the last seconds, when it stood upright, whether it got away."""
    x, y = map(float, reading.position_m)
    since_s = now_s - config.stuck_s - 1e-6
    kept = tuple(p for p in state.trail if p[0] >= since_s)
    upright = reading.accel_mps2[2] > config.inverted_mps2 or math.isnan(state.upright_s)
    away = math.dist((x, y), state.grief_m) > config.away_m
    return dataclasses.replace(
        state,
        trail=(*kept, (now_s, x, y)),
        upright_s=now_s if upright else state.upright_s,
        tries=0 if away else state.tries,
    )


def _enter(state: PracticeState, mode: Mode, now_s: float, cause: Cause) -> tuple[PracticeState, Order]:
    """Into a mode that lasts while its reason does; driving ends once."""
    order = None if mode is Mode.TELEOP else STAND
    if state.mode is mode:
        return state, Order(order)
    return dataclasses.replace(state, mode=mode, since_s=now_s, cause=cause), Order(order, cause)


def _watch(
    state: PracticeState, reading: CarReading, now_s: float, config: PracticeConfig
) -> tuple[PracticeState, Order]:
    """While a policy drives: has it come to grief?"""
    places = np.array(state.trail)
    whole = now_s - places[0, 0] >= config.stuck_s - 0.5 / 10.0
    stays = np.linalg.norm(places[:, 1:] - places[-1, 1:], axis=1).max() < config.stuck_m
    if reading.jolt_mps2 > config.collision_mps2:
        cause = Cause.COLLISION
    elif whole and stays:
        cause = Cause.STUCK
    else:
        return state, Order()
    here = (float(reading.position_m[0]), float(reading.position_m[1]))
    tries = state.tries + 1
    if tries > config.tries:
        state, order = _enter(state, Mode.ERROR, now_s, cause)
        return state, Order(order.command, cause)
    begun = dataclasses.replace(
        state,
        mode=Mode.RECOVERY if config.recovery else Mode.LEARNING,
        since_s=now_s,
        cause=cause,
        direction=1 if reading.command.speed_mps < 0 else -1,
        origin_m=here,
        moved_s=now_s + config.stand_s,
        turned=False,
        tries=tries,
        grief_m=here if tries == 1 else state.grief_m,
        trail=(),
    )
    return begun, Order(STAND, cause)


def _recover(
    state: PracticeState, reading: CarReading, now_s: float, config: PracticeConfig, goal_rad: float
) -> tuple[PracticeState, Order]:
    """Against the last command until clear, or time is up; the other way where it does not move."""
    if now_s < state.moved_s:
        return state, Order(STAND)
    gone_m = math.dist((float(reading.position_m[0]), float(reading.position_m[1])), state.origin_m)
    tried_s = now_s - state.moved_s
    if gone_m >= config.clear_m or tried_s >= config.recovery_s:
        return dataclasses.replace(state, mode=Mode.PAUSE, since_s=now_s), Order(STAND)
    if tried_s >= config.blocked_s and gone_m < config.blocked_m and not state.turned:
        state = dataclasses.replace(state, direction=-state.direction, moved_s=now_s, turned=True)
    turn = math.copysign(min(abs(goal_rad), 0.4), goal_rad) * state.direction
    return state, Order(CarCommand(state.direction * config.recovery_mps, turn))
