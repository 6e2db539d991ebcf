"""Bringing the arm to where a trial starts, one ordinary action at a time. Pure: keeps no memory."""

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

    First the gripper opens (or closes) where it is, then the tool rises to the start's height as it is
    turned, not as it was told to turn, then it goes there: nothing is dragged along or hit from the side, and
    no peg is clamped in its hole by a command that wants to turn it there.
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
    if offset[2] > LOW_M and rising:
        above = np.array([*tool.position_m[:2], target.position_m[2]])
        return experts.towards(reading, limits, above, tool.rotation, *grip)
    return experts.towards(reading, limits, target.position_m, target.rotation, *grip)
