"""Scripted experts: pure functions of one reading, so they recover from any state and keep no memory."""

import math
from dataclasses import dataclass

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading

OPEN, CLOSE = 1.0, -1.0
TOUCH_N = 3.0  # more than the reading shows in free space, payload and sensor bias included


def yaw_between(a: np.ndarray, b: np.ndarray) -> float:
    """The turn about the vertical from `a`'s x axis to `b`'s, both seen from above, rad."""
    angle = math.atan2(b[1, 0], b[0, 0]) - math.atan2(a[1, 0], a[0, 0])
    return math.remainder(angle, 2.0 * math.pi)


def quarter(angle_rad: float) -> float:
    """The same direction of a square, within an eighth of a turn of zero, rad."""
    return math.remainder(angle_rad, math.pi / 2)


def towards(
    reading: ArmReading, limits: ArmLimits, position_m: np.ndarray, rot: np.ndarray, gripper: float = OPEN
) -> np.ndarray:
    """The action that moves the command to a pose as far as one step allows, float32 [6 or 7]."""
    command = reading.command.pose
    move = rotation.clip_norm((position_m - command.position_m) / limits.step_m, 1.0)
    turn = rotation.clip_norm(rotation.between(command.rotation, rot) / limits.step_rad, 1.0)
    grip = (gripper,) if limits.gripper else ()
    return np.array([*move, *turn, *grip], np.float32)


def pick(reading: ArmReading, limits: ArmLimits) -> np.ndarray:
    """Go above the cube with the hand aligned, go down, close, lift."""
    cube, tool = reading.objects["cube"], reading.tool
    offset = cube.position_m - tool.position_m
    away = math.hypot(offset[0], offset[1])
    yaw = quarter(yaw_between(DOWN, cube.rotation))
    aligned = rotation.mul(rotation.exp(np.array([0.0, 0.0, yaw])), DOWN)
    at_cube = away < 0.015 and abs(offset[2]) < 0.015
    holding = at_cube and not reading.command.gripper_open and reading.width_m < 0.045
    if holding:
        return towards(reading, limits, tool.position_m + (0, 0, 0.2), reading.command.pose.rotation, CLOSE)
    if at_cube:
        return towards(reading, limits, cube.position_m, aligned, CLOSE)
    # A funnel: the nearer to the cube's axis, the lower; never into it from the side.
    height = 0.0 if away < 0.012 else min(0.05 + away, 0.12)
    return towards(reading, limits, cube.position_m + (0, 0, height), aligned, OPEN)


@dataclass(frozen=True, kw_only=True)
class Aim:
    """How well what is held must be lined up with its hole.

    Attributes:
        press_m: sideways, to touch down.
        press_rad: turned, to touch down.
        inside_m: sideways, to push once the tip is in.
        search_m: how far to feel around for the hole while touching its rim.
    """

    press_m: float
    press_rad: float
    inside_m: float
    search_m: float = 0.0


def insert(reading: ArmReading, limits: ArmLimits, name: str, aim: Aim) -> np.ndarray:
    """Go above the hole, line up, touch down gently, and push once the tip is in.

    A light press lets the tip slide on the rim until it falls in; a firm one would be held by friction. The
    search needs no memory: the last digits of the measured position say where to feel next.
    """
    hole, tip = reading.objects[name], reading.tool
    offset = hole.position_m - tip.position_m
    fits = rotation.mul(hole.rotation, DOWN)
    away = math.hypot(offset[0], offset[1])
    turn = float(np.linalg.norm(rotation.between(tip.rotation, fits)))
    if offset[2] > 0.001 and away < aim.inside_m:
        height = -0.03
    elif away < aim.press_m and turn < aim.press_rad:
        touching = reading.force_n[2] > TOUCH_N
        height = -offset[2] - (0.001 if touching else 0.005)
        angle = 1e7 * float(tip.position_m.sum()) % (2.0 * math.pi)
        feel = aim.search_m * touching * np.array([math.cos(angle), math.sin(angle), 0.0])
        return towards(reading, limits, hole.position_m + feel + (0, 0, height), fits)
    else:
        height = 0.004 + min(away, 0.04)
    return towards(reading, limits, hole.position_m + (0, 0, height), fits)
