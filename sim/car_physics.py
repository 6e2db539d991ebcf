"""Motion of a simulated car: motor, battery, steering servo, contacts and sensors, one physics step at a time."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import mujoco
import numpy as np

from sandlot.robots.car.spec import CarCommand
from sandlot.sim.car_model import CORNERS, STEERING_RAD, WHEEL_M, WHEEL_NM, wheel_targets
from sandlot.sim.car_scene import BORDER, STEP_S

AGAIN_S = 0.5
"""A touch within so long of the last one belongs to the same collision."""
HISTORY = 40


@dataclass(frozen=True, kw_only=True)
class Drive:
    """How motor, servo and battery behave.

    Attributes:
        motor_s: time constant of the speed controller.
        servo_s: time constant of the steering servo.
        servo_radps: its fastest turn.
        full_v: of a fresh battery without load.
        sag_v: lost by the time it is empty.
        capacity_ah: of the battery.
        ohm: its inner resistance.
        mps_per_v: top speed for each volt.
        idle_a: current of computers and servo.
        imu_hz: bandwidth of the accelerometer.
    """

    motor_s: float = 0.08
    servo_s: float = 0.03
    servo_radps: float = 3.2
    full_v: float = 12.4
    sag_v: float = 2.0
    capacity_ah: float = 2.5
    ohm: float = 0.03
    mps_per_v: float = 0.55
    idle_a: float = 1.5
    imu_hz: float = 60.0


class Moment(NamedTuple):
    """What the sensors would say without delay or noise; `qpos` to draw it."""

    time_s: float
    position_m: np.ndarray
    heading_rad: float
    velocity_mps: np.ndarray
    yaw_rate_radps: float
    accel_mps2: np.ndarray
    wheel_mps: float
    qpos: np.ndarray


class CarPhysics:
    """One car in one world.

    Attributes:
        collisions: how often it has hit something.
        touching: whether it does now.
        history: the last moments, oldest first.
    """

    def __init__(self, model: Any, drive: Drive) -> None:
        self.model, self.data, self.drive = model, mujoco.MjData(model), drive
        names = [model.geom(i).name for i in range(model.ngeom)]
        self._border = np.array([name.startswith(BORDER) for name in names])
        self._car = model.body("car").id
        self._spins = [model.joint(f"spin_{name}").dofadr[0] for name, *_ in CORNERS]
        self._drives = [model.actuator(f"drive_{name}").id for name, *_ in CORNERS]
        self._steers = [model.actuator(f"steer_{name}").id for name, x, _ in CORNERS if x > 0]
        self.history: deque[Moment] = deque(maxlen=HISTORY)
        self.collisions, self.touching = 0, False
        self._touched_s = -math.inf
        self._speed_mps = self._steering_rad = self._used_ah = 0.0
        self._felt = np.zeros(3)

    def place(self, x: float, y: float, heading_rad: float) -> None:
        """Puts the car down at rest, on its wheels; a fresh world with a fresh battery."""
        mujoco.mj_resetData(self.model, self.data)
        self._used_ah = 0.0
        self.collisions, self.touching, self._touched_s = 0, False, -math.inf
        self.put(x, y, heading_rad)

    def put(self, x: float, y: float, heading_rad: float) -> None:
        """The same in the world as it is: time, battery and counts go on."""
        qpos = self.model.qpos0.copy()
        qpos[:7] = x, y, WHEEL_M, math.cos(heading_rad / 2), 0.0, 0.0, math.sin(heading_rad / 2)
        self.data.qpos[:], self.data.qvel[:], self.data.ctrl[:] = qpos, 0.0, 0.0
        self.data.qacc_warmstart[:] = 0.0
        self._speed_mps = self._steering_rad = 0.0
        mujoco.mj_forward(self.model, self.data)
        self._felt = self.data.sensordata[:3].copy()
        for _ in range(round(0.4 / STEP_S)):  # until the springs are at rest
            self.step(CarCommand())

    def step(self, command: CarCommand) -> None:
        """One physics step under a command."""
        drive = self.drive
        self._speed_mps += (command.speed_mps - self._speed_mps) * min(1.0, STEP_S / drive.motor_s)
        turn = (command.steering_rad - self._steering_rad) * min(1.0, STEP_S / drive.servo_s)
        most = drive.servo_radps * STEP_S
        self._steering_rad += max(-most, min(most, turn))
        self._steering_rad = max(-STEERING_RAD, min(STEERING_RAD, self._steering_rad))
        top = drive.mps_per_v * self.battery_v
        angles, spins = wheel_targets(max(-top, min(top, self._speed_mps)), self._steering_rad)
        self.data.ctrl[self._steers], self.data.ctrl[self._drives] = angles, spins
        mujoco.mj_step(self.model, self.data)
        self._used_ah += self._current_a * STEP_S / 3600.0
        self._feel()
        self._touch()
        self.history.append(self._moment())

    @property
    def _current_a(self) -> float:
        """Of the battery, A: what the wheels take, and the rest of the car."""
        power_w = float(self.data.actuator_force[self._drives] @ self.data.qvel[self._spins])
        return self.drive.idle_a + max(0.0, power_w) / self.drive.full_v

    @property
    def battery_v(self) -> float:
        """Under the present load."""
        drive = self.drive
        return drive.full_v - drive.sag_v * self._used_ah / drive.capacity_ah - drive.ohm * self._current_a

    def _feel(self) -> None:
        """The accelerometer, with its bandwidth."""
        share = 1.0 - math.exp(-2.0 * math.pi * self.drive.imu_hz * STEP_S)
        self._felt += share * (self.data.sensordata[:3] - self._felt)

    def _touch(self) -> None:
        """Counts collisions."""
        pairs = self.data.contact.geom[: self.data.ncon]
        self.touching = bool(self._border[pairs].any())
        if self.touching:
            self.collisions += self.data.time - self._touched_s > AGAIN_S
            self._touched_s = self.data.time

    def _moment(self) -> Moment:
        data = self.data
        frame = data.xmat[self._car].reshape(3, 3)
        heading = math.atan2(frame[1, 0], frame[0, 0])
        cos, sin = math.cos(heading), math.sin(heading)
        vx, vy = data.qvel[0], data.qvel[1]
        velocity = np.array([cos * vx + sin * vy, cos * vy - sin * vx])
        wheel = float(data.qvel[self._spins[2:]].mean()) * WHEEL_M
        return Moment(
            data.time, data.qpos[:2].copy(), heading, velocity, float(data.sensordata[5]), self._felt.copy(),
            wheel, data.qpos.copy(),
        )  # fmt: skip

    @property
    def upright(self) -> bool:
        """Whether it stands on its wheels."""
        return bool(self.data.xmat[self._car][8] > 0.5)


def weakened(model: Any, share: float) -> None:
    """Changes the torque limits of the wheels by a factor."""
    for name, *_ in CORNERS:
        model.actuator(f"drive_{name}").forcerange[:] = (-share * WHEEL_NM, share * WHEEL_NM)
