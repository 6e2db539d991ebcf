"""What a driving car observes, and what a step of driving is worth. Pure functions of readings.

The reward is the speed towards the next checkpoint (FastRLAP, Stachowicz et al. 2023), in units of
`UNIT_MPS`; how driving ended costs what `practice` says.
"""

from collections.abc import Mapping

import numpy as np

from sandlot.learners.schema import Entry, EnvSpec
from sandlot.robots.car.spec import CONTROL_HZ, GRAVITY_MPS2, CarLimits, CarReading
from sandlot.robots.protocol import Camera

UNIT_MPS = 4.0
"""Speeds, and rewards, are of order 1 in this unit."""
MOST_STEPS = 1200
"""An episode is cut after two minutes."""
UNIT_RADPS, UNIT_M, UNIT_RAD = 4.0, 5.0, 0.4


def state_entries() -> tuple[Entry, ...]:
    """The named entries of `observe`, in order."""
    place = f"unit x, unit y, {UNIT_M:g} m of distance"
    return (
        Entry("accel", 3, f"{GRAVITY_MPS2:g} m/s^2", "body"),
        Entry("velocity", 2, f"{UNIT_MPS:g} m/s", "body"),
        Entry("yaw_rate", 1, f"{UNIT_RADPS:g} rad/s", "body"),
        Entry("wheel", 1, f"{UNIT_MPS:g} m/s", "body"),
        Entry("goal", 3, place, "body"),
        Entry("following", 3, place, "body"),
        Entry("command", 2, f"{UNIT_MPS:g} m/s, {UNIT_RAD:g} rad", "body"),
    )


def env_spec(name: str, limits: CarLimits, cameras: Mapping[str, Camera]) -> EnvSpec:
    """What is observed and done in a task of this name; `cameras` as [H, W, 3] by name."""
    return EnvSpec(
        task=name,
        state=state_entries(),
        images=dict(cameras),
        action=limits.entries(),
        control_hz=CONTROL_HZ,
        max_episode_steps=MOST_STEPS,
    ).check()


def observe(reading: CarReading, goal_m: np.ndarray, following_m: np.ndarray) -> np.ndarray:
    """The state, float32 [15], every number of order 1.

    Args:
        reading: of the car.
        goal_m: the checkpoint to be passed next [2], in the course's frame.
        following_m: the one after it [2].
    """
    return np.concatenate(
        [
            reading.accel_mps2 / GRAVITY_MPS2,
            reading.velocity_mps / UNIT_MPS,
            [reading.yaw_rate_radps / UNIT_RADPS, reading.wheel_mps / UNIT_MPS],
            seen_from(reading, goal_m),
            seen_from(reading, following_m),
            [reading.command.speed_mps / UNIT_MPS, reading.command.steering_rad / UNIT_RAD],
        ]
    ).astype(np.float32)


def seen_from(reading: CarReading, goal_m: np.ndarray) -> np.ndarray:
    """A place as a car sees it [3]: the unit vector to it in the body frame, and the distance in `UNIT_M`."""
    away = np.asarray(goal_m, float) - reading.position_m
    distance_m = float(np.linalg.norm(away))
    cos, sin = np.cos(reading.heading_rad), np.sin(reading.heading_rad)
    body = np.array([cos * away[0] + sin * away[1], cos * away[1] - sin * away[0]])
    return np.append(body / max(distance_m, 1e-6), distance_m / UNIT_M)


def reward(reading: CarReading, goal_m: np.ndarray) -> float:
    """The speed towards a checkpoint, in `UNIT_MPS`."""
    return float(reading.velocity_mps @ seen_from(reading, goal_m)[:2]) / UNIT_MPS
