"""What a car's gate takes for a command, whose it listens to, and how fast a command may change. Pure.

Two ask at once: a person's `teleop` goes before a policy's `drive` for as long as it is heard, as in
ackermann_mux. A change of speed or steering uses up an allowance that grows with time: nobody can ask for
more than `CarLimits` allows a policy, however often they ask. Slowing down is always allowed.
"""

import dataclasses
import enum
import math

from sandlot.robots.car.spec import CONTROL_HZ, CarCommand, CarLimits
from sandlot.robots.gate import Offer

TELEOP_S = 0.2
"""So long after a person's last command a policy's counts again (ackermann_mux)."""
EARLY = 1.5
"""Allowance that can be saved up, in steps: a command may come half a period early."""
FAR_MPS, FAR_RAD = 30.0, 1.6
"""Such a wish is a broken sender's: no command at all."""


class Asks(enum.Enum):
    """Who asks; more is more."""

    DRIVE = 10
    TELEOP = 100


@dataclasses.dataclass(frozen=True)
class Sent:
    """A command on its way to the driver; `stamp_ns` is wall time of what asked for it."""

    command: CarCommand
    stamp_ns: int


@dataclasses.dataclass(frozen=True)
class Allowance:
    """How much commands may still change: m/s and rad, when that was so, and from what command."""

    speed_mps: float = 0.0
    steering_rad: float = 0.0
    at_s: float = -math.inf
    command: CarCommand = CarCommand()


def heeded(asks: Asks, now_s: float, teleop_s: float) -> bool:
    """Whether somebody is listened to; `teleop_s` is when a person asked last."""
    return asks is Asks.TELEOP or now_s - teleop_s > TELEOP_S


def standing(allowance: Allowance) -> Allowance:
    """Of a car that no command is in force for: it starts from standing, steered as it was."""
    return Allowance(command=CarCommand(0.0, allowance.command.steering_rad))


def fault_of(wanted: CarCommand) -> str:
    """Why a wish is no command, one word for a counter; "" when it is one."""
    if not (math.isfinite(wanted.speed_mps) and math.isfinite(wanted.steering_rad)):
        return "not_finite"
    return "far_out" if abs(wanted.speed_mps) > FAR_MPS or abs(wanted.steering_rad) > FAR_RAD else ""


def limited(
    wanted: CarCommand, allowance: Allowance, now_s: float, limits: CarLimits
) -> tuple[CarCommand, Allowance]:
    """The command that comes of a wish that is one, within limits and allowance, and what is left of that."""
    steps = (now_s - allowance.at_s) * CONTROL_HZ
    speed_left = min(EARLY, allowance.speed_mps / limits.speed_step_mps + steps) * limits.speed_step_mps
    turn_left = (
        min(EARLY, allowance.steering_rad / limits.steering_step_rad + steps) * limits.steering_step_rad
    )
    before = allowance.command
    speed = max(-limits.reverse_mps, min(limits.fastest_mps, wanted.speed_mps))
    held = 0.0 if speed * before.speed_mps < 0 else before.speed_mps  # through standing, at least
    if abs(speed) > abs(held):
        speed = held + max(-speed_left, min(speed_left, speed - held))
        speed_left -= abs(speed - held)
    turn = max(-limits.steering_rad, min(limits.steering_rad, wanted.steering_rad)) - before.steering_rad
    turn = max(-turn_left, min(turn_left, turn))
    command = CarCommand(speed, before.steering_rad + turn)
    return command, Allowance(speed_left, turn_left - abs(turn), now_s, command)


def offered(
    commander: bytes, wanted: CarCommand, stamp_ns: int, age_s: float, command: CarCommand
) -> Offer[Sent]:
    """A wish as the gate takes it; `command` is what came of it."""
    fault = fault_of(wanted)
    if fault:
        return Offer(commander, age_s, rejected=fault)
    moved = abs(command.speed_mps - wanted.speed_mps) + abs(command.steering_rad - wanted.steering_rad)
    return Offer(commander, age_s, Sent(command, stamp_ns), clamped=moved > 1e-6)
