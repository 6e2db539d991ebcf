"""A simulated car's physics: steps it, and measures it as its sensors would, at the instant it is asked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from sandlot.robots.car.spec import GRAVITY_MPS2, CarCommand
from sandlot.sim.car_drive import Drive, DriveConfig
from sandlot.sim.car_model import ROLLING_M, WHEELS, ackermann, start_pose
from sandlot.sim.car_scene import TIMESTEP_S, WALL_GEOM, build
from sandlot.sim.car_tracks import Track

SETTLE_S = 0.4
RETOUCH_S = 0.5
"""A wall that is touched again so soon is the same collision."""
IMU_HZ = 80.0
"""Bandwidth of the accelerometer."""
IMU_RANGE_MPS2 = 16 * GRAVITY_MPS2


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What may differ from car to car: factors on mass and grip, and the drive's figures."""

    mass: float = 1.0
    grip: float = 1.0
    drive: DriveConfig = field(default_factory=DriveConfig)


@dataclass(frozen=True)
class Odometry:
    """Where a car is and how it moves, as in `CarReading`."""

    position_m: np.ndarray
    heading_rad: float
    velocity_mps: np.ndarray
    yaw_rate_radps: float
    wheel_mps: float
    battery_v: float


class CarPhysics:
    """One car on one track.

    Attributes:
        collisions: how often it began to touch a wall or an obstacle.
        touching: whether it does now.
        steps: of physics, ever.
    """

    def __init__(self, track: Track) -> None:
        self.model = build(track)
        self.data: Any = mujoco.MjData(self.model)
        self.steps = self.collisions = 0
        self.touching, self._touched_at = False, -math.inf
        self._car = self.model.body("car").id
        names = [self.model.geom(i).name for i in range(self.model.ngeom)]
        self._wall = np.array([name.startswith(WALL_GEOM) for name in names])
        self._spin = [int(self.model.joint(f"{name}_spin").dofadr[0]) for name in WHEELS]
        self._servos = [self.model.actuator(f"{name}_steer").id for name in WHEELS[:2]]
        self._motors = [self.model.actuator(f"{name}_drive").id for name in WHEELS]
        self._tyres = [self.model.geom(name).id for name in WHEELS]
        self._nominal = {
            n: getattr(self.model, n).copy() for n in ("body_mass", "body_inertia", "geom_friction")
        }
        self.put((0.0, 0.0), 0.0, Variation())

    @property
    def time_s(self) -> float:
        """Simulated time since the world was made; never goes back."""
        return self.steps * TIMESTEP_S

    def put(
        self, position_m: Sequence[float] | np.ndarray, heading_rad: float, variation: Variation | None = None
    ) -> None:
        """Puts the car down at rest; with a variation it is another car, on a fresh battery."""
        if variation is not None:
            self._vary(variation)
            self._drive = Drive(variation.drive)
        else:
            self._drive = Drive(self._drive.config, used_ah=self._drive.used_ah)
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:7] = start_pose(np.asarray(position_m), heading_rad)
        self._accel, self._peak = np.array([0.0, 0.0, GRAVITY_MPS2]), 0.0
        counted = self.collisions
        self.run(CarCommand(), SETTLE_S)
        self._peak, self.collisions = 0.0, counted  # to be put down at a wall is no collision
        self._touched_at = self.steps if self.touching else -math.inf

    def _vary(self, variation: Variation) -> None:
        """Sets the model to its own numbers, varied."""
        model = self.model
        for name, value in self._nominal.items():
            getattr(model, name)[:] = value
        model.body_mass[self._car] *= variation.mass
        model.body_inertia[self._car] *= variation.mass
        model.geom_friction[self._tyres, 0] *= variation.grip
        mujoco.mj_setConst(model, mujoco.MjData(model))

    def run(self, command: CarCommand, seconds: float) -> None:
        """Runs with a command."""
        for _ in range(round(seconds / TIMESTEP_S)):
            self._step(command)

    def _step(self, command: CarCommand) -> None:
        data, drive = self.data, self._drive
        push_n = float(data.actuator_force[self._motors].sum()) / ROLLING_M
        drive.advance(command, push_n, self._wheel_mps(), TIMESTEP_S)
        angles, speeds = ackermann(drive.speed_mps, drive.steering_rad)
        data.ctrl[self._servos] = angles
        data.ctrl[self._motors] = speeds / ROLLING_M
        mujoco.mj_step(self.model, data)
        self.steps += 1
        self._feel()
        self._watch_walls()

    def _feel(self) -> None:
        """The accelerometer, behind its filter."""
        share = 1.0 - math.exp(-2 * math.pi * IMU_HZ * TIMESTEP_S)
        raw = np.clip(self.data.sensordata[:3], -IMU_RANGE_MPS2, IMU_RANGE_MPS2)
        self._accel = self._accel + share * (raw - self._accel)
        self._peak = max(self._peak, math.hypot(self._accel[0], self._accel[1]))

    def _watch_walls(self) -> None:
        """Counts collisions."""
        self.touching = bool(self._wall[self.data.contact.geom].any())
        if self.touching:
            if self.steps - self._touched_at > RETOUCH_S / TIMESTEP_S:
                self.collisions += 1
            self._touched_at = self.steps

    def _wheel_mps(self) -> float:
        return float(self.data.qvel[self._spin].mean()) * ROLLING_M

    def odometry(self) -> Odometry:
        """Where the car is now."""
        qpos, qvel = self.data.qpos, self.data.qvel
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, qpos[3:7])
        body = rotation.reshape(3, 3).T @ qvel[:3]
        return Odometry(
            qpos[:2].copy(),
            math.atan2(rotation[3], rotation[0]),
            body[:2],
            float(qvel[5]),
            self._wheel_mps(),
            self._drive.battery_v,
        )

    def inertial(self) -> tuple[np.ndarray, float]:
        """What the accelerometer feels [3], and the strongest horizontal it felt since it was asked last."""
        peak, self._peak = self._peak, math.hypot(self._accel[0], self._accel[1])
        return self._accel.copy(), peak

    def up(self) -> float:
        """How far the car's z axis points up: 1 on its wheels, -1 on its roof."""
        _, x, y, _ = self.data.qpos[3:7]
        return float(1.0 - 2.0 * (x * x + y * y))
