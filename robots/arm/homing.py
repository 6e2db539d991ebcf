"""Bringing the arm to where a trial starts, one ordinary action at a time. Pure: keeps no memory."""

import math

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm import experts
from sandlot.robots.arm.spec import MAX_WIDTH_M, ArmLimits, ArmReading, ArmScene

WITHIN_M, WITHIN_RAD = 0.012, 0.06
REST_MPS = 0.02
OPEN_M = 0.9 * MAX_WIDTH_M
LOW_M = 0.01


def homeward(reading: ArmReading, scene: ArmScene, limits: ArmLimits) -> np.ndarray | None:
    """The next action, float32 [6 or 7], or None when the arm is there and at rest.

    First the gripper opens (or closes) where it is, then the tool rises to the start's height without
    turning, then it goes there: nothing is dragged along or hit from the side, no peg jams in its hole.
    Where a joint's limit keeps the tool below its command, it rises no further: on the way it comes free.
    """
    grip = (1.0 if scene.gripper_open else -1.0,) if limits.gripper else ()
    stay = np.array([*np.zeros(6), *grip], np.float32)
    if limits.gripper and reading.command.gripper_open != scene.gripper_open:
        return stay
    if limits.gripper and scene.gripper_open and reading.width_m < OPEN_M:
        return stay
    target, tool = scene.tool, reading.tool
    offset = target.position_m - tool.position_m
    away_rad = float(np.linalg.norm(rotation.between(tool.rotation, target.rotation)))
    if np.linalg.norm(offset) < WITHIN_M and away_rad < WITHIN_RAD:
        return None if np.linalg.norm(reading.velocity_mps) < REST_MPS else stay
    rising = reading.command.pose.position_m[2] < target.position_m[2] - LOW_M
    if (
        offset[2] > LOW_M
        and rising
        and max(math.hypot(offset[0], offset[1]) - WITHIN_M, away_rad - WITHIN_RAD) > 0
    ):
        above, as_now = np.array([*tool.position_m[:2], target.position_m[2]]), reading.command.pose.rotation
        return experts.towards(reading, limits, above, as_now, *grip)
    return experts.towards(reading, limits, target.position_m, target.rotation, *grip)
