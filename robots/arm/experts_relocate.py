"""The scripted expert that carries the cube from one bin to another. Keeps no memory."""

import math

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.cube import CUBE_HALF_M
from sandlot.robots.arm.experts import CLOSE, OPEN, quarter, towards, yaw_between
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, Pose

GRASP_ABOVE_M = 0.010
"""The tool grasps this much above the cube's centre, so that the fingertips stay above the bins' rims."""
CARRY_M, CLEAR_M = 0.09, 0.05
"""Height of the cube's centre on the way, and the least height at which it may move sideways."""
OVER_M = 0.015


def relocate(reading: ArmReading, limits: ArmLimits, spot_m: np.ndarray, arrived: bool) -> np.ndarray:
    """Grasp the cube wherever it lies, carry it over the spot [3], put it down, let go, rise."""
    cube, tool = reading.objects["cube"], reading.tool
    offset = cube.position_m - tool.position_m
    beside = math.hypot(offset[0], offset[1])
    at_cube = beside < 0.02 and abs(offset[2] + GRASP_ABOVE_M) < 0.016
    if arrived and (reading.command.gripper_open or not at_cube):
        above = tool.position_m + (0, 0, 0.2)
        return towards(reading, limits, above, reading.command.pose.rotation, OPEN)
    if at_cube and not reading.command.gripper_open and reading.width_m < 0.05:
        return carry(reading, limits, spot_m, offset)
    return grasp(reading, limits, cube, beside, at_cube)


def carry(reading: ArmReading, limits: ArmLimits, spot_m: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Up, across and down with the cube, `offset` [3] from the tool; lets go where it nearly rests."""
    cube = reading.objects["cube"].position_m
    away = spot_m - cube
    if math.hypot(away[0], away[1]) > OVER_M:
        sideways = away[:2] if cube[2] > CLEAR_M else np.zeros(2)
        goal = np.array([*(cube[:2] + sideways), CARRY_M])
        return towards(reading, limits, goal - offset, DOWN, CLOSE)
    low = cube[2] - CUBE_HALF_M < 0.012
    goal = np.array([*cube[:2], CUBE_HALF_M])
    return towards(reading, limits, goal - offset, DOWN, OPEN if low else CLOSE)


def grasp(reading: ArmReading, limits: ArmLimits, cube: Pose, beside: float, at_cube: bool) -> np.ndarray:
    """Above the cube with the hand aligned, down, close."""
    yaw = quarter(yaw_between(DOWN, cube.rotation))
    aligned = rotation.mul(rotation.exp(np.array([0.0, 0.0, yaw])), DOWN)
    hold_m = cube.position_m + (0, 0, GRASP_ABOVE_M)
    if at_cube and beside < 0.012:
        return towards(reading, limits, hold_m, aligned, CLOSE)
    # A funnel: the nearer to the cube's axis, the lower; never into it from the side.
    height = 0.0 if beside < 0.012 else min(0.05 + beside, 0.12)
    return towards(reading, limits, hold_m + (0, 0, height), aligned, OPEN)
