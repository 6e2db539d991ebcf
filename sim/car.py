"""`SimCar`: the car in MuJoCo behind the Robot protocol, with sensors as late as real ones."""

import dataclasses
import math
from collections.abc import Sequence

import mujoco
import numpy as np

from sandlot.robots.car.spec import CONTROL_HZ, IMAGE_PX, CarCommand, CarLimits, CarReading, CarScene
from sandlot.robots.protocol import Camera
from sandlot.sim.car_drive import DriveConfig
from sandlot.sim.car_physics import CarPhysics, Odometry, Variation
from sandlot.sim.car_tracks import Track, track
from sandlot.sim.render import Views

ODOMETRY_LATE_S = 0.05
"""Age of position, heading, velocity, yaw rate, wheel speed and battery voltage."""
SEEN_LATE_S = 0.04
"""Age of images and of what the accelerometer feels; so it is the newest measurement."""
PERIOD_S = 1.0 / CONTROL_HZ
POSITION_M, HEADING_RAD, SPEED_MPS, YAW_RADPS, ACCEL_MPS2, VOLT = 0.005, 0.003, 0.01, 0.01, 0.05, 0.01
"""Standard deviations of sensor noise."""
ROOM_M, LENGTHWISE_M = 0.2, (-0.05, 0.16, 0.4)
"""A person leaves it where tail, middle and nose have so much room, else puts it on the track's middle."""


class SimCar:
    """A simulated car on one track; physics at 400 Hz, commands at 10 Hz.

    Args:
        place: name of the track, a key of `car_tracks.NAMED`.
        limits: what an action means.
        many_places: a scene's `place` is the seed of the procedural track to drive on; else it means nothing.
        cameras: none, or the bumper's, whose frames `images` returns.
        image_px: width and height of those frames.
        randomize: vary mass, grip, lags and sensor noise whenever the car is put down.
    """

    taken_over = False
    """Nobody else drives a simulated car."""
    _reading: CarReading

    def __init__(
        self,
        place: str = "hall",
        limits: CarLimits | None = None,
        *,
        many_places: bool = False,
        cameras: Sequence[str] = (),
        image_px: int = IMAGE_PX,
        randomize: bool = False,
    ) -> None:
        self.control_hz = CONTROL_HZ
        self.cameras: dict[str, Camera] = {name: (image_px, image_px, 3) for name in cameras}
        self.limits = limits or CarLimits()
        self._many, self._image_px, self._randomize = many_places, image_px, randomize
        self._place: str | int = place
        self._earlier_s, self._earlier_collisions = 0.0, 0
        self._build(track(place))
        self.reset(CarScene(*_pose(self.track)), np.random.default_rng(0))

    def _build(self, found: Track) -> None:
        """Another world."""
        self.track = found
        self._physics = CarPhysics(found)
        self.model = self._physics.model
        self._shown = mujoco.MjData(self.model)
        self._pictures = Views(self.model, self._shown, tuple(self.cameras), self._image_px)

    def reset(self, scene: CarScene, rng: np.random.Generator) -> None:
        """Puts the car down where the scene says, at rest, with a fresh battery."""
        if self._many and scene.place != self._place:
            self._pictures.close()
            self._earlier_s, self._earlier_collisions = self.time_s, self.collisions
            self._build(track(scene.place))
            self._place = scene.place
        self._rng = np.random.default_rng(rng.integers(2**63))
        self._grain = np.random.default_rng(rng.integers(2**63))
        self._noise = self._rng.uniform(0.5, 2.0) if self._randomize else 1.0
        variation = drawn(self._rng) if self._randomize else Variation()
        self._physics.put(scene.position_m, scene.heading_rad, variation)
        self._command = CarCommand()
        self._start_sensing()

    def settle(self) -> None:
        """Takes the car as it is."""

    def act(self, action: np.ndarray) -> np.ndarray:
        """Changes the command by an action and runs one control period; returns the action as executed."""
        command, done = self.limits.apply(self._command, action)
        self.drive(command)
        return done

    def drive(self, command: CarCommand) -> None:
        """One control period with a command of its own, backwards too; not finite: it brakes."""
        limits, speed, steering = self.limits, command.speed_mps, command.steering_rad
        if not math.isfinite(steering):
            steering = self._command.steering_rad
        self._command = CarCommand(
            float(max(-limits.reverse_mps, min(limits.fastest_mps, speed))) if math.isfinite(speed) else 0.0,
            float(max(-limits.steering_rad, min(limits.steering_rad, steering))),
        )
        self._physics.run(self._command, PERIOD_S - ODOMETRY_LATE_S)
        odometry = self._physics.odometry()
        self._physics.run(self._command, ODOMETRY_LATE_S - SEEN_LATE_S)
        self._sense(odometry)
        self._physics.run(self._command, SEEN_LATE_S)
        self._reading = dataclasses.replace(self._reading, command=self._command)

    def _start_sensing(self) -> None:
        """Stands still until the sensors tell of nothing else."""
        self.drive(self._command)

    def _sense(self, odometry: Odometry) -> None:
        """Takes a reading, and keeps what the camera sees."""
        rng, noise = self._rng, self._noise
        accel, jolt = self._physics.inertial()
        self._reading = CarReading(
            stamp_s=self.time_s,
            position_m=odometry.position_m + noise * POSITION_M * rng.standard_normal(2),
            heading_rad=odometry.heading_rad + noise * HEADING_RAD * rng.standard_normal(),
            velocity_mps=odometry.velocity_mps + noise * SPEED_MPS * rng.standard_normal(2),
            yaw_rate_radps=odometry.yaw_rate_radps + noise * YAW_RADPS * rng.standard_normal(),
            accel_mps2=accel + noise * ACCEL_MPS2 * rng.standard_normal(3),
            jolt_mps2=jolt,
            wheel_mps=odometry.wheel_mps + noise * SPEED_MPS * rng.standard_normal(),
            battery_v=odometry.battery_v + noise * VOLT * rng.standard_normal(),
            command=self._command,
        )
        self._seen = self._physics.data.qpos.copy()
        self._frames: dict[str, np.ndarray] | None = None

    def observe(self) -> CarReading:
        """The newest reading; its `stamp_s` is that of the accelerometer."""
        return self._reading

    def images(self) -> dict[str, np.ndarray]:
        """What each camera saw when the reading was stamped, uint8 [H, W, 3]; drawn when asked for."""
        if self._frames is None:
            self._show(self._seen)
            self._frames = self._pictures.frames(self._grain)
        return {name: frame.copy() for name, frame in self._frames.items()}

    def _show(self, qpos: np.ndarray) -> None:
        """Brings what is drawn into a state."""
        self._shown.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self._shown)
        mujoco.mj_comPos(self.model, self._shown)
        mujoco.mj_camlight(self.model, self._shown)

    @property
    def time_s(self) -> float:
        """Simulated time; never goes back."""
        return self._earlier_s + self._physics.time_s

    @property
    def collisions(self) -> int:
        """How often the car really began to touch a wall or an obstacle."""
        return self._earlier_collisions + self._physics.collisions

    @property
    def touching(self) -> bool:
        """Whether it really touches one now."""
        return self._physics.touching

    @property
    def true_position_m(self) -> np.ndarray:
        """Where it really is [2]."""
        return self._physics.odometry().position_m

    @property
    def true_heading_rad(self) -> float:
        """Where it really points."""
        return self._physics.odometry().heading_rad

    def upright(self) -> bool:
        """Whether it really stands on its wheels."""
        return self._physics.up() > 0.5

    def right_up(self) -> None:
        """A person puts it on its wheels, at rest; on the middle of the track where it has no room."""
        position_m, heading_rad = self.true_position_m, self.true_heading_rad
        ahead = np.array([math.cos(heading_rad), math.sin(heading_rad)])
        if min(self.track.clearance_m(position_m + x * ahead) for x in LENGTHWISE_M) < ROOM_M:
            position_m, heading_rad = self.track.pose(self.track.nearest(position_m))
        self._physics.put(position_m, heading_rad)
        self._command = CarCommand()
        self._start_sensing()

    def render(self) -> np.ndarray:
        """A picture for people, from high above, uint8 [480, 640, 3]."""
        self._show(self._physics.data.qpos)
        return self._pictures.film()

    def close(self) -> None:
        """Frees the cameras; may be called twice."""
        self._pictures.close()


def drawn(rng: np.random.Generator) -> Variation:
    """Another car of the same make."""
    nominal = DriveConfig()
    drive = dataclasses.replace(
        nominal,
        motor_lag_s=nominal.motor_lag_s * rng.uniform(0.7, 1.4),
        servo_lag_s=nominal.servo_lag_s * rng.uniform(0.7, 1.5),
        top_mps_per_v=nominal.top_mps_per_v * rng.uniform(0.95, 1.05),
    )
    return Variation(mass=rng.uniform(0.85, 1.2), grip=rng.uniform(0.85, 1.15), drive=drive)


def _pose(found: Track) -> tuple[tuple[float, float], float]:
    (x, y), heading_rad = found.pose()
    return (float(x), float(y)), heading_rad
