"""What an arm's gate takes for an action, and the limits it keeps commands in. Pure: numbers in, `Offer` out.

A command passes three limits in this order: the workspace (box and tilt), the step from the command before,
the lead from the measured tool. The last one has the last word, so the arm never jumps: a tool outside the
workspace (pushed, or parked there) is led back in, and never farther out.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.spec import MAX_WIDTH_M, ArmLimits, Pose
from sandlot.robots.gate import Offer

FAR_M = 1.0
"""A position this far outside the workspace, or such a width, is a broken sender's: no action at all."""

CONTROL_PERIOD_S = 0.1
EARLY = 1.5
"""An action may come a third of a control period early and still take its full step."""
STEP_MARGIN = 1.05 * math.sqrt(3.0)
"""An action moves each of three axes by up to a step, so its norm by the root of three; 5 % for rounding."""
LEAD_MARGIN = 1.25
"""The commander saw the tool where it was some milliseconds ago."""

NOT_FINITE = "not_finite"
FAR_OUT = "far_out"
NO_TOOL_POSE = "no_tool_pose"


@dataclass(frozen=True)
class ArmCommand:
    """What the driver shall do.

    Attributes:
        pose: for the tool.
        width_m: the gripper's opening; None leaves the gripper as it is.
        stamp_ns: wall time of the action that asked for it.
    """

    pose: Pose
    width_m: float | None
    stamp_ns: int


@dataclass(frozen=True)
class Wish:
    """An action as it came.

    Attributes:
        commander: who sent it.
        stamp_ns: wall time of its stamp.
        age_s: how old it is.
        fault: why its message cannot be used, one word; empty when it can.
        pose: None when it cannot.
        width_m: the opening that goes with it; None when none was asked for.
    """

    commander: bytes
    stamp_ns: int
    age_s: float
    fault: str
    pose: Pose | None
    width_m: float | None = None


def with_margin(limits: ArmLimits) -> ArmLimits:
    """What the gate keeps for a task: its workspace as it is, step and lead with a margin.

    The gate must never change what a correct commander asked for: the step would not be what was recorded.
    """
    return dataclasses.replace(
        limits,
        step_m=STEP_MARGIN * limits.step_m,
        step_rad=STEP_MARGIN * limits.step_rad,
        lead_m=LEAD_MARGIN * limits.lead_m,
        lead_rad=LEAD_MARGIN * limits.lead_rad,
    )


def offered(
    wish: Wish, before: ArmCommand | None, elapsed_s: float, tool: Pose | None, limits: ArmLimits
) -> Offer[ArmCommand]:
    """A wish within the limits, or why it is no action.

    Args:
        wish: the action.
        before: the command in force; None after a hold.
        elapsed_s: time since the action that put it in force.
        tool: measured tool pose; None when it is not known.
        limits: the task's.
    """
    fault = wish.fault or far_out(wish, limits) or ("" if tool else NO_TOOL_POSE)
    if fault or wish.pose is None or tool is None:
        return Offer(wish.commander, wish.age_s, rejected=fault)
    pose = limited(wish.pose, before.pose if before else None, elapsed_s, tool, limits)
    width_m = None if wish.width_m is None else min(max(wish.width_m, 0.0), MAX_WIDTH_M)
    command = ArmCommand(pose, width_m, wish.stamp_ns)
    clamped = width_m != wish.width_m or not _same(pose, wish.pose)
    return Offer(wish.commander, wish.age_s, command, clamped=clamped)


def far_out(wish: Wish, limits: ArmLimits) -> str:
    """Why numbers that can be read are nevertheless no action; empty when they are one."""
    width_m = 0.0 if wish.width_m is None else wish.width_m
    if not math.isfinite(width_m):
        return NOT_FINITE
    low, high = (0.0, *limits.low_m), (MAX_WIDTH_M, *limits.high_m)
    asked = (width_m, *(wish.pose.position_m.tolist() if wish.pose else limits.low_m))
    inside = all(b - FAR_M <= x <= t + FAR_M for x, b, t in zip(asked, low, high, strict=True))
    return "" if inside else FAR_OUT


def limited(asked: Pose, before: Pose | None, elapsed_s: float, tool: Pose, limits: ArmLimits) -> Pose:
    """The nearest pose that the limits allow: workspace, then step, then lead."""
    position = np.minimum(np.maximum(asked.position_m, limits.low_m), limits.high_m)
    turned = rotation.limit_angle(asked.rotation, limits.centre, limits.tilt_rad)
    if before is not None:
        share = min(1.0, EARLY * max(0.0, elapsed_s) / CONTROL_PERIOD_S)
        step = rotation.clip_norm(position - before.position_m, share * limits.step_m)
        position = before.position_m + step
        turned = rotation.limit_angle(turned, before.rotation, share * limits.step_rad)
    lead = rotation.clip_norm(position - tool.position_m, limits.lead_m)
    turned = rotation.limit_angle(turned, tool.rotation, limits.lead_rad)
    return Pose(tool.position_m + lead, turned)


def _same(a: Pose, b: Pose) -> bool:
    """Whether two poses differ by rounding only."""
    return bool(
        np.abs(a.position_m - b.position_m).max() < 1e-6 and np.abs(a.rotation - b.rotation).max() < 1e-6
    )
