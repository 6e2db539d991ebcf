"""From an action to the next commanded pose: a pure function, the same in simulation and on hardware."""

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.spec import ArmLimits, Command, Pose


def executed(action: np.ndarray, size: int) -> np.ndarray:
    """The action that is carried out, float32 [size] in [-1, 1]: clipped, all zeros if it is not finite.

    One NaN makes the whole action meaningless (the policy that wrote it is broken), so the arm holds.
    """
    action = np.asarray(action, np.float32).reshape(-1)
    if action.shape != (size,) or not np.isfinite(action).all():
        return np.zeros(size, np.float32)
    return np.clip(action, -1.0, 1.0)


def advance(command: Command, action: np.ndarray, tool: Pose, limits: ArmLimits) -> Command:
    """The next command: `action` [6 or 7] (already `executed`) applied to `command`, then limited.

    Position is clipped to the workspace box and to `lead_m` from the measured `tool`; orientation to true
    angles `lead_rad` from the tool and `tilt_rad` from the centre. The workspace has the last word.
    """
    action = action.astype(np.float64)
    position = command.pose.position_m + limits.step_m * action[:3]
    position = tool.position_m + rotation.clip_norm(position - tool.position_m, limits.lead_m)
    position = np.minimum(np.maximum(position, limits.low_m), limits.high_m)
    turned = rotation.mul(rotation.exp(limits.step_rad * action[3:6]), command.pose.rotation)
    turned = rotation.limit_angle(turned, tool.rotation, limits.lead_rad)
    turned = rotation.limit_angle(turned, limits.centre, limits.tilt_rad)
    is_open = command.gripper_open
    if limits.gripper and abs(action[6]) > limits.gripper_threshold:
        is_open = bool(action[6] > 0)
    return Command(Pose(position, turned), is_open)
