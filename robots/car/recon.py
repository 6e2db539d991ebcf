"""A drive of the RECON data set as steps of our car: an encoder can learn from it before our car ever drove.

A Jackal turns on the spot and is told a yaw rate; a car is told a steering angle. What both share is the
path: the steering that drives a car along it is atan(wheelbase * yaw rate / speed).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import EnvSpec, Flag, Source, obs_dtype, step_dtype
from sandlot.robots.car import hindsight, task
from sandlot.robots.car.hindsight import Goals, HindsightConfig, Poses
from sandlot.robots.car.practice import Cause, PracticeConfig, cost
from sandlot.robots.car.recon_file import Drive
from sandlot.robots.car.spec import CAMERA, CONTROL_HZ, IMAGE_PX, CarCommand, CarLimits, CarReading

TASK = "recon"
MOST_STEPS = 10_000


@dataclass(frozen=True, kw_only=True)
class ReconConfig:
    """How files of the RECON data set become steps.

    Attributes:
        image_px: width and height of the frames: the middle square of the left picture.
        hz: frames a second of the files, which do not say it themselves.
        collision: the data set `collision/NAME` that ends an episode: physical, any, stuck, flipped, ...
        wheelbase_m: of the car that is to learn from it.
        seed: of the goals.
        skip_damaged: leave out files that cannot be read, and say how many.
    """

    image_px: int = IMAGE_PX
    hz: float = 3.0
    collision: str = "physical"
    wheelbase_m: float = 0.33
    seed: int = 0
    skip_damaged: bool = False

    def __post_init__(self) -> None:
        sizes = (self.hz, self.wheelbase_m)
        if self.image_px < 1 or self.seed < 0 or not all(math.isfinite(n) and n > 0 for n in sizes):
            raise ConfigError(
                f"--image-px {self.image_px} must be at least 1, --seed {self.seed} at least 0, --hz "
                f"{self.hz:g} and --wheelbase-m {self.wheelbase_m:g} more than 0"
            )

    def spec(self, limits: CarLimits) -> EnvSpec:
        """What the steps hold: the car's state and action, and its camera; the rate is the files' own."""
        return EnvSpec(
            task=TASK,
            state=task.state_entries(),
            images={CAMERA: (self.image_px, self.image_px, 3)},
            action=limits.entries(),
            control_hz=self.hz,
            max_episode_steps=MOST_STEPS,
        ).check()


class Piece(NamedTuple):
    """Frames `first` to `last` of a drive without a break; whether a collision is seen in the last."""

    first: int
    last: int
    collided: bool


def pieces(drive: Drive) -> Iterator[Piece]:
    """The parts of a drive that a car could have driven: ahead, until something was hit.

    Left out are frames within a collision, frames told to drive backwards (which a recovery does, and no
    policy of a car can), frames with a number missing, and the first, before which no command is known.
    """
    whole = drive.whole()
    ahead = whole & ~drive.collided & (drive.told_mps >= 0)
    ahead[1:] &= whole[:-1]  # the command in force is that of the frame before
    ahead[:1] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ahead, [False]]).astype(int)))
    for first, end in edges.reshape(-1, 2).tolist():
        hit = end < len(drive) and bool(whole[end] and drive.collided[end])
        last = end if hit else end - 1
        if last > first:
            yield Piece(first, last, hit)


def commands(drive: Drive, config: ReconConfig, limits: CarLimits) -> list[CarCommand]:
    """What a car would have been told at each frame to drive along the same path."""
    with np.errstate(invalid="ignore"):  # what is missing is left out later
        steering = np.arctan2(config.wheelbase_m * drive.told_radps, np.abs(drive.told_mps))
        steering = np.clip(steering, -limits.steering_rad, limits.steering_rad)
    return [CarCommand(float(v), float(s)) for v, s in zip(drive.told_mps, steering, strict=True)]


def action(before: CarCommand, after: CarCommand, hz: float, limits: CarLimits) -> np.ndarray:
    """The action that, held for a frame, changes the command so; float [2], outside [-1, 1] if none does.

    A car acts at `CONTROL_HZ`: within a frame of 1/3 s it changes its command more than three times.
    """
    periods = CONTROL_HZ / hz
    change = after.speed_mps - before.speed_mps, after.steering_rad - before.steering_rad
    return np.array(change) / (limits.speed_step_mps, limits.steering_step_rad) / periods


def reading(drive: Drive, frame: int, in_force: CarCommand, hz: float) -> CarReading:
    """What a car would have read at a frame. A Jackal measures no sliding: its wheels' speed is its speed."""
    accel = drive.accel_mps2[frame]
    return CarReading(
        stamp_s=frame / hz,
        position_m=drive.position_m[frame],
        heading_rad=float(drive.heading_rad[frame]),
        velocity_mps=np.array([drive.speed_mps[frame], 0.0]),
        yaw_rate_radps=float(drive.yaw_rate_radps[frame]),
        accel_mps2=accel,
        jolt_mps2=float(np.hypot(accel[0], accel[1])),
        wheel_mps=float(drive.speed_mps[frame]),
        battery_v=0.0,
        command=in_force,
    )


def drawn_goals(
    drive: Drive, piece: Piece, hz: float, rng: np.random.Generator, config: HindsightConfig
) -> Goals:
    """Goals in hindsight for every frame of a piece."""
    frames = slice(piece.first, piece.last + 1)
    stamp_s = np.arange(piece.first, piece.last + 1) / hz
    return hindsight.goals(Poses(stamp_s, drive.position_m[frames], drive.heading_rad[frames]), rng, config)


def episode(
    drive: Drive,
    piece: Piece,
    told: list[CarCommand],
    drawn: Goals,
    *,
    config: ReconConfig,
    limits: CarLimits,
) -> tuple[np.ndarray, np.ndarray, int]:
    """A piece as steps [n] and their final [1], numbered from 0, and how many actions had to be clipped."""
    spec = config.spec(limits)
    n, clipped = piece.last - piece.first, 0
    seen = [reading(drive, t, told[t - 1], config.hz) for t in range(piece.first, piece.last + 1)]
    steps, final = np.zeros(n, step_dtype(spec)), np.zeros(1, obs_dtype(spec))
    for i in range(n + 1):
        row = steps[i] if i < n else final[0]
        row["state"] = task.observe(seen[i], drawn.goal_m[i], drawn.following_m[i])
        row[f"image.{CAMERA}"] = drive.picture(piece.first + i, config.image_px)
        row["step"] = min(i, n - 1)
    for i in range(n):
        t = piece.first + i
        wanted = action(told[t - 1], told[t], config.hz, limits)
        clipped += bool((np.abs(wanted) > 1.0 + 1e-6).any())
        steps["action"][i] = steps["policy_action"][i] = np.clip(wanted, -1.0, 1.0)
        steps["reward"][i] = task.reward(seen[i + 1], drawn.goal_m[i])
    steps["t_obs_ns"] = np.round((piece.first + np.arange(n)) / config.hz * 1e9)
    steps["t_act_ns"] = steps["t_obs_ns"]
    steps["policy_version"], steps["source"], steps["discount"] = -1, Source.SCRIPT, 1.0
    steps["flags"][-1] = Flag.END | (Flag.TERMINATED if piece.collided else Flag.TRUNCATED)
    if piece.collided:
        steps["discount"][-1] = 0.0
        steps["reward"][-1] -= cost(Cause.COLLISION, seen[-1].jolt_mps2, PracticeConfig()) / task.UNIT_MPS
    return steps, final, clipped
