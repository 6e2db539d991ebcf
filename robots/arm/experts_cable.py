"""The scripted expert that presses a cable into a clip. Keeps no memory."""

import math

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.experts import towards
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading

BEHIND_M = 0.042
"""The hand presses this far from the clip: the shorter, the stiffer the cable between them."""
ALIGNED_M, ALIGNED_RAD, BEGUN_M = 0.0015, 0.04, 0.009
HOVER_M, PRESS_M = 0.02, 0.02
SEATED_M = 0.004
"""Above or below its seat, and 3 mm aside, the cable is in: pressed on, it would slip out at the bottom."""


def route(reading: ArmReading, limits: ArmLimits, crossing: np.ndarray) -> np.ndarray:
    """Bring the cable over the clip, line it up, press until it is in, and stay.

    Args:
        reading: what is known.
        limits: of the task.
        crossing: where the cable passes the clip: along, across, above, clip axes [3].
    """
    clip, tool = reading.objects["clip"], reading.tool
    if abs(crossing[0]) < 1e-6 and abs(crossing[1]) < 2 * ALIGNED_M and abs(crossing[2]) < SEATED_M:
        return towards(reading, limits, tool.position_m, reading.command.pose.rotation)
    along = rotation.mul(clip.rotation, DOWN)
    behind = clip.position_m - clip.rotation[:, 0] * BEHIND_M
    aside = clip.rotation[:, 1] * crossing[1]
    away = behind - tool.position_m
    turn = float(np.linalg.norm(rotation.between(tool.rotation, along)))
    level = math.hypot(away[0], away[1]) < 0.01 and turn < ALIGNED_RAD
    lined_up = level and abs(crossing[1]) < ALIGNED_M
    if level and abs(crossing[0]) < 1e-6:
        behind = behind - aside
    if lined_up or (level and crossing[2] < BEGUN_M and abs(crossing[1]) < 2 * ALIGNED_M):
        return towards(reading, limits, np.array([*behind[:2], tool.position_m[2] - PRESS_M]), along)
    height = max(tool.position_m[2] + HOVER_M - crossing[2], clip.position_m[2] + HOVER_M)
    return towards(reading, limits, np.array([*behind[:2], height]), along)
