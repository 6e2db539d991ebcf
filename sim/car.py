"""`SimCar`: a 1/10 racing car in a MuJoCo world, in process; the same protocol as a car on topics.

What sensors say is late as it is on the real car: frames and inertial sensor by 40 ms, odometry by 50 ms
(RACER's measurements on the FastRLAP car).
"""

import math
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.spec import CAMERA, CONTROL_HZ, CarCommand, CarLimits, CarReading, CarScene
from sandlot.sim.car_physics import CarPhysics, Drive, Moment, weakened
from sandlot.sim.car_scene import STEP_S, build
from sandlot.sim.car_tracks import Track, track
from sandlot.sim.render import Views

IMAGE_S, IMU_S, ODOMETRY_S = 0.04, 0.04, 0.05
STEPS = round(1.0 / (CONTROL_HZ * STEP_S))
POSITION_M, HEADING_RAD, SPEED_MPS, YAW_RADPS, ACCEL_MPS2 = 0.005, 0.004, 0.02, 0.01, 0.15
"""Standard deviations of the sensors' noise."""


class SimCar:
    """One simulated car.

    Args:
        place: where it drives, a name in `car_tracks.NAMED`.
        limits: of its commands.
        many_places: a scene's `place` is the seed of the track to drive on instead.
        cameras: none, or the bumper's.
        image_px: width and height of the frames.
        randomize: vary mass, grip, motor and lags whenever it is put down.
    """

    control_hz = CONTROL_HZ
    taken_over = False

    def __init__(
        self,
        place: str = "hall",
        limits: CarLimits | None = None,
        *,
        many_places: bool = False,
        cameras: Sequence[str] = (),
        image_px: int = 64,
        randomize: bool = False,
    ) -> None:
        if set(cameras) - {CAMERA}:
            raise ConfigError(f"cameras {', '.join(cameras)}: a simulated car has one, '{CAMERA}'")
        self.limits = limits or CarLimits()
        self.cameras = {name: (image_px, image_px, 3) for name in cameras}
        self._many, self._image_px, self._randomize = many_places, image_px, randomize
        self._rng = np.random.default_rng(0)
        self._views: Views | None = None
        self._command, self._jolt = CarCommand(), 0.0
        self._enter(track(place))

    def _enter(self, found: Track) -> None:
        """Into the world of a track."""
        self.close()
        self.track = found
        self._model = build(found)
        self._own = {name: getattr(self._model, name).copy() for name in ("body_mass", "geom_friction")}
        self._physics = CarPhysics(self._model, Drive())
        self._shown = mujoco.MjData(self._model)

    def reset(self, scene: CarScene, rng: np.random.Generator) -> None:
        """Puts the car down at rest with a fresh battery; all chance of the drive comes from `rng`."""
        if self._many:
            self._enter(track(scene.place))
        self._rng = np.random.default_rng(rng.integers(2**63))
        if self._randomize:
            self._vary()
        self._physics.place(*scene.position_m, scene.heading_rad)
        self._command, self._jolt = CarCommand(), 0.0

    def _vary(self) -> None:
        """Draws another car of the same kind."""
        rng = self._rng
        for name, own in self._own.items():
            getattr(self._model, name)[:] = own
        self._model.body_mass[:] *= rng.uniform(0.9, 1.15)
        self._model.geom_friction[:, 0] *= rng.uniform(0.8, 1.1)
        weakened(self._model, rng.uniform(0.85, 1.0))
        self._physics.drive = Drive(
            motor_s=rng.uniform(0.06, 0.12), servo_s=rng.uniform(0.02, 0.05), full_v=rng.uniform(11.8, 12.6)
        )

    def settle(self) -> None:
        """A simulated car can always be commanded."""

    def act(self, action: np.ndarray) -> np.ndarray:
        """Changes speed and steering and drives for one control period; returns the action as executed."""
        command, done = self.limits.apply(self._command, action)
        self.drive(command)
        return done

    def drive(self, command: CarCommand) -> None:
        """Drives for one control period as told, backwards too; a command that is no number stands."""
        limits, self._jolt = self.limits, 0.0
        speed, steering = command.speed_mps, command.steering_rad
        speed = max(-limits.reverse_mps, min(limits.fastest_mps, speed)) if math.isfinite(speed) else 0.0
        if not math.isfinite(steering):
            steering = self._command.steering_rad
        self._command = CarCommand(speed, max(-limits.steering_rad, min(limits.steering_rad, steering)))
        for _ in range(STEPS):
            self._physics.step(self._command)
            felt = self._ago(IMU_S).accel_mps2
            self._jolt = max(self._jolt, math.hypot(felt[0], felt[1]))

    def _ago(self, delay_s: float) -> Moment:
        """What was so long ago."""
        history = self._physics.history
        return history[max(0, len(history) - 1 - round(delay_s / STEP_S))]

    def observe(self) -> CarReading:
        """The newest reading, as late and as noisy as sensors are."""
        where, felt, noise = self._ago(ODOMETRY_S), self._ago(IMU_S), self._rng.standard_normal
        return CarReading(
            stamp_s=where.time_s,
            position_m=where.position_m + POSITION_M * noise(2),
            heading_rad=where.heading_rad + HEADING_RAD * float(noise()),
            velocity_mps=where.velocity_mps + SPEED_MPS * noise(2),
            yaw_rate_radps=where.yaw_rate_radps + YAW_RADPS * float(noise()),
            accel_mps2=felt.accel_mps2 + ACCEL_MPS2 * noise(3),
            jolt_mps2=self._jolt,
            wheel_mps=where.wheel_mps + SPEED_MPS * float(noise()),
            battery_v=self._physics.battery_v,
            command=self._command,
        )

    def images(self) -> dict[str, np.ndarray]:
        """The newest frame of each camera, uint8 [H, W, 3], as it was 40 ms ago."""
        if not self.cameras:
            return {}
        self._shown.qpos[:] = self._ago(IMAGE_S).qpos
        mujoco.mj_forward(self._model, self._shown)
        return self._drawn().frames(self._rng)

    def render(self) -> np.ndarray:
        """A picture for people from above, uint8 [480, 640, 3]."""
        self._shown.qpos[:] = self._physics.data.qpos
        mujoco.mj_forward(self._model, self._shown)
        return self._drawn().film()

    def _drawn(self) -> Views:
        if self._views is None:
            self._views = Views(self._model, self._shown, tuple(self.cameras), self._image_px)
        return self._views

    @property
    def time_s(self) -> float:
        """Time in the world."""
        return float(self._physics.data.time)

    @property
    def collisions(self) -> int:
        """How often the car has hit something, whether its sensors noticed or not."""
        return self._physics.collisions

    @property
    def touching(self) -> bool:
        """Whether it touches a border or an obstacle now."""
        return self._physics.touching

    @property
    def upright(self) -> bool:
        """Whether it stands on its wheels."""
        return self._physics.upright

    @property
    def true_pose(self) -> tuple[float, float, float]:
        """Where it is: x and y in m, heading in rad; without delay or noise."""
        now = self._physics.history[-1]
        return float(now.position_m[0]), float(now.position_m[1]), now.heading_rad

    def right_up(self) -> None:
        """A person puts it on its wheels, at rest, on the middle of the track, in the direction of driving."""
        x, y, _ = self.true_pose
        centre = self.track.centre_m
        at = int(np.linalg.norm(centre - (x, y), axis=1).argmin())
        ahead = centre[(at + 3) % len(centre)] - centre[at]
        self._physics.put(*map(float, centre[at]), float(np.arctan2(ahead[1], ahead[0])))
        self._command, self._jolt = CarCommand(), 0.0

    def close(self) -> None:
        """Frees what draws; may be called twice."""
        if self._views is not None:
            self._views.close()
            self._views = None


