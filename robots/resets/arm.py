"""The arm's reset controllers: go home, get the hand free, lift it out of a corner, put an object back.

Each is a frozen dataclass; what a task wants is the scene. Actions are a policy's, so every limit holds.
"""

import math
from dataclasses import dataclass

import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.experts import CLOSE, OPEN, quarter, towards, yaw_between
from sandlot.robots.arm.homing import OPEN_M, homeward
from sandlot.robots.arm.spec import DOWN, ArmLimits, ArmReading, ArmScene, Pose

Action = np.ndarray | None
UP_M = 0.2
"""Rising asks for this much more height than there is: as fast as a step allows."""


@dataclass(frozen=True)
class ArmController:
    """What the arm's controllers share: limits of their actions, and what they watch."""

    limits: ArmLimits

    def problem(self, reading: ArmReading, scene: ArmScene) -> str:
        """Nothing but time and tries ends most of them."""
        return ""

    def watched(self, reading: ArmReading) -> np.ndarray:
        """Joints, gripper and wrench: they tremble even where an arm is blocked."""
        return np.concatenate([reading.joints_rad, [reading.width_m], reading.force_n, reading.torque_nm])

    def rise(self, reading: ArmReading, grip: float) -> np.ndarray:
        """Straight up as the hand is."""
        above = reading.tool.position_m + (0, 0, UP_M)
        return towards(reading, self.limits, above, reading.command.pose.rotation, grip)

    def stay(self, reading: ArmReading, grip: float) -> np.ndarray:
        """Nothing but the gripper."""
        command = reading.command.pose
        return towards(reading, self.limits, command.position_m, command.rotation, grip)

    def high(self, reading: ArmReading, height_m: float) -> bool:
        """Whether the tool is at a height, or as high as the limits let it be."""
        return bool(reading.tool.position_m[2] >= min(height_m, self.limits.high_m[2] - 0.01))


@dataclass(frozen=True)
class GoHome(ArmController):
    """Gripper as the scene wants it, up, and over to where a trial starts."""

    name = "go_home"
    first = "going home"

    def applies(self, reading: ArmReading, scene: ArmScene) -> bool:
        """The arm is not there, or moves."""
        return homeward(reading, scene, self.limits) is not None

    def next(self, state: str, reading: ArmReading, scene: ArmScene) -> tuple[str, Action]:
        """See `homing.homeward`."""
        return state, homeward(reading, scene, self.limits)


@dataclass(frozen=True)
class Retreat(ArmController):
    """Opens a gripper that is closed round nothing, and rises to `height_m`."""

    height_m: float = 0.12

    name = "retreat"
    first = "opening"

    def applies(self, reading: ArmReading, scene: ArmScene) -> bool:
        """The gripper is closed, and none of the objects is in it."""
        held = any(holds(reading, name) for name in reading.objects)
        return self.limits.gripper and scene.gripper_open and not is_open(reading) and not held

    def next(self, state: str, reading: ArmReading, scene: ArmScene) -> tuple[str, Action]:
        """Opening, then rising."""
        if state == "opening" and not is_open(reading):
            return state, self.stay(reading, OPEN)
        return "rising", None if self.high(reading, self.height_m) else self.rise(reading, OPEN)


@dataclass(frozen=True)
class LiftOut(ArmController):
    """A hand low at the border of its workspace, at a wall or in a corner: opened, up, to the middle."""

    height_m: float = 0.12
    border_m: float = 0.03

    name = "lift_out"
    first = "opening"

    def applies(self, reading: ArmReading, scene: ArmScene) -> bool:
        """The tool is low and near the border."""
        x, y, z = reading.tool.position_m
        low, high = self.limits.low_m, self.limits.high_m
        inside_m = min(x - low[0], high[0] - x, y - low[1], high[1] - y)
        return bool(z < low[2] + self.height_m / 2 and inside_m < self.border_m)

    def next(self, state: str, reading: ArmReading, scene: ArmScene) -> tuple[str, Action]:
        """Opening, lifting, moving to the middle."""
        if state == "opening" and self.limits.gripper and not is_open(reading):
            return state, self.stay(reading, OPEN)
        if state != "to the middle" and not self.high(reading, self.limits.low_m[2] + self.height_m):
            return "lifting", self.rise(reading, OPEN)
        middle = self.limits.middle().position_m
        goal = np.array([*middle[:2], max(reading.tool.position_m[2], self.height_m)])
        away_m = float(np.linalg.norm(goal[:2] - reading.tool.position_m[:2]))
        if away_m < 2 * self.border_m:
            return "to the middle", None
        return "to the middle", towards(reading, self.limits, goal, self.limits.centre, OPEN)


@dataclass(frozen=True)
class PutBack(ArmController):
    """Grasps an object wherever it lies within reach, carries it to where the scene wants it, lets go, rises.

    Attributes:
        thing: the object's name.
        within_m: nearer than this to where it belongs is there.
        above_m: how much above the object's centre it is grasped.
        carry_m: height of the tool on the way.
        beyond_m: how far outside the workspace its centre may lie: from the border the fingers still hold it.
    """

    thing: str = "cube"
    within_m: float = 0.03
    above_m: float = 0.008
    carry_m: float = 0.10
    beyond_m: float = 0.015

    name = "put_back"
    first = "opening"

    def applies(self, reading: ArmReading, scene: ArmScene) -> bool:
        """The object is known, and is not where it belongs."""
        if self.thing not in reading.objects or self.thing not in scene.objects:
            return False
        return self._away_m(reading, scene) > self.within_m

    def problem(self, reading: ArmReading, scene: ArmScene) -> str:
        """Whether the object lies out of reach; what is in the hand does not."""
        at = reading.objects[self.thing].position_m
        beyond = math.hypot(*(at - self._inside(at))[:2])
        if (beyond <= self.beyond_m and at[2] > 0.0) or holds(reading, self.thing):
            return ""
        return f"'{self.thing}' is at {np.round(at, 3).tolist()} m, out of the arm's reach"

    def next(self, state: str, reading: ArmReading, scene: ArmScene) -> tuple[str, Action]:
        """Opening, above it, down, closing, lifting, carrying, lowering, letting go, rising."""
        if state in ("opening", "above it", "down to it", "closing"):
            return self._grasp(state, reading)
        if state == "rising":
            high = self.high(reading, self.carry_m)
            return state, None if high else self.rise(reading, OPEN)
        if state == "letting go":
            return (
                (state, self.stay(reading, OPEN))
                if not is_open(reading)
                else ("rising", self.rise(reading, OPEN))
            )
        if not holds(reading, self.thing):  # it slipped
            return "opening", self.stay(reading, OPEN)
        return self._carry(state, reading, scene)

    def _grasp(self, state: str, reading: ArmReading) -> tuple[str, Action]:
        """Until it is in the hand."""
        if holds(reading, self.thing):
            return "lifting", self.rise(reading, CLOSE)
        thing, tool = reading.objects[self.thing], reading.tool
        if state == "closing":  # nothing between the fingers: begin again
            missed = reading.width_m < 0.01 or _beside_m(thing, tool) > 0.03
            return ("opening", self.stay(reading, OPEN)) if missed else (state, self.stay(reading, CLOSE))
        if state == "opening" and not is_open(reading):
            return state, self.stay(reading, OPEN)
        hold = Pose(self._inside(thing.position_m + (0, 0, self.above_m)), self._along(thing, tool))
        beside, rise = _beside_m(hold, tool), tool.position_m[2] - hold.position_m[2]
        if beside > 0.012 or abs(yaw_between(tool.rotation, hold.rotation)) > 0.1:
            height = min(0.05 + beside, 0.12) if beside > 0.012 else max(0.05, rise)
            above = hold.position_m + (0, 0, height)
            return "above it", towards(reading, self.limits, above, hold.rotation, OPEN)
        if abs(rise) > 0.012:
            return "down to it", towards(reading, self.limits, hold.position_m, hold.rotation, OPEN)
        return "closing", self.stay(reading, CLOSE)

    def _carry(self, state: str, reading: ArmReading, scene: ArmScene) -> tuple[str, Action]:
        """With the object in the hand."""
        tool, thing = reading.tool.position_m, reading.objects[self.thing].position_m
        spot = scene.objects[self.thing].position_m
        away, low_m = (spot - thing)[:2], thing[2] - spot[2]
        if state == "lifting" and not self.high(reading, self.carry_m):
            return state, self.rise(reading, CLOSE)
        if math.hypot(*away) > self.within_m / 2:
            goal = np.array([*(tool[:2] + away), self.carry_m])
            return "carrying", towards(reading, self.limits, goal, DOWN, CLOSE)
        if low_m > 0.012 and tool[2] > self.limits.low_m[2] + 0.004:
            down = np.array([*tool[:2], tool[2] - low_m])
            return "lowering", towards(reading, self.limits, down, DOWN, CLOSE)
        return "letting go", self.stay(reading, OPEN)

    def _inside(self, position_m: np.ndarray) -> np.ndarray:
        """The nearest position [3] that the tool can have."""
        return np.clip(position_m, self.limits.low_m, self.limits.high_m)

    def _along(self, thing: Pose, tool: Pose) -> np.ndarray:
        """The hand pointing down with its fingers along the object's sides, as nearly as it may turn [3, 3].

        An object may lie turned by more than that: fingers that close on it turn it the rest. Where it could
        be either way round, the way that the hand is turned already decides, so that it does not waver.
        """
        level = np.argmin(np.abs(thing.rotation[2]))  # it may have tumbled: any of its axes may point up
        side = thing.rotation[:, level]
        yaw, biased = math.atan2(side[1], side[0]), 0.1 * yaw_between(DOWN, tool.rotation)
        turn = np.array([0.0, 0.0, biased + quarter(yaw - biased)])
        aligned = rotation.mul(rotation.exp(turn), DOWN)
        return rotation.limit_angle(aligned, self.limits.centre, self.limits.tilt_rad)

    def _away_m(self, reading: ArmReading, scene: ArmScene) -> float:
        """From where the object is to where it belongs."""
        offset = scene.objects[self.thing].position_m - reading.objects[self.thing].position_m
        return float(np.linalg.norm(offset))


def _beside_m(a: Pose, b: Pose) -> float:
    """How far one is from above the other."""
    return math.hypot(*(a.position_m - b.position_m)[:2])


def is_open(reading: ArmReading) -> bool:
    """Whether the gripper was told to open, and is."""
    return reading.command.gripper_open and reading.width_m > OPEN_M


def holds(reading: ArmReading, name: str) -> bool:
    """Whether an object is between the fingers, which are closed on it."""
    away_m = float(np.linalg.norm(reading.objects[name].position_m - reading.tool.position_m))
    return away_m < 0.03 and 0.01 < reading.width_m < 0.05 and not reading.command.gripper_open
