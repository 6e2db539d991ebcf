"""The simulated car as a device: MuJoCo in real time, for the driver node. The stand-in for hardware.

Physics is brought up to the present whenever the driver reads or commands, so a command acts at once. What
it measures is told as late as by the sensors of a real car. Frames are drawn from a copy of the joints'
positions by whoever asks for them, so drawing never delays a command.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.device import CarState, Frame, Inertial, Odometry
from sandlot.robots.car.spec import CAMERA, CarCommand
from sandlot.sim.car import (
    ACCEL_MPS2,
    HEADING_RAD,
    ODOMETRY_LATE_S,
    POSITION_M,
    SEEN_LATE_S,
    SPEED_MPS,
    YAW_RADPS,
)
from sandlot.sim.car_envs import TASKS, start
from sandlot.sim.car_physics import CarPhysics, Variation
from sandlot.sim.car_scene import TIMESTEP_S
from sandlot.sim.car_tracks import track
from sandlot.sim.grain import Grain
from sandlot.sim.keep_up import KeepUp
from sandlot.sim.render import Renderer

KEPT_S = 0.3


@dataclass(frozen=True, kw_only=True)
class Config:
    """Where the car is, and what it sees.

    Attributes:
        task: the place.
        cameras: none, or the bumper's.
        image_width_px: of its frames.
        image_height_px: of its frames.
        seed: of sensor noise.
    """

    task: str = "car_hall"
    cameras: tuple[str, ...] = ()
    image_width_px: int = 160
    image_height_px: int = 160
    seed: int = 0

    def __post_init__(self) -> None:
        places = [task for task, name in TASKS.items() if name]
        if self.task not in places:
            raise ConfigError(f"task is '{self.task}': it must be one of {', '.join(places)}")
        if set(self.cameras) - {CAMERA}:
            raise ConfigError(f"cameras {', '.join(self.cameras)}: a simulated car has one, '{CAMERA}'")
        for name in ("image_width_px", "image_height_px"):
            if not 16 <= getattr(self, name) <= 4096:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must lie in [16, 4096]")


class _Moment(NamedTuple):
    """What was measured at one instant."""

    at_s: float
    odometry: Odometry
    wheel_mps: float
    inertial: Inertial
    jolt_mps2: float
    qpos: np.ndarray


def make(config: Config) -> "SimCarDevice":
    """The device; `connect` builds its world."""
    return SimCarDevice(config)


class SimCarDevice:
    """One simulated car; a CarDevice."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.cameras = config.cameras
        self._pace = KeepUp(TIMESTEP_S)
        self._renderer: Renderer | None = None

    def connect(self) -> None:
        """Builds the world, the car on its way to the start line, at rest."""
        config = self._config
        self._rng, self._grain_rng = np.random.default_rng(config.seed), np.random.default_rng(config.seed)
        found = track(TASKS[config.task])
        self._physics, scene = CarPhysics(found), start(found)
        self._physics.put(scene.position_m, scene.heading_rad, Variation())
        self._command, self._pace = CarCommand(), KeepUp(TIMESTEP_S)
        self._seen = mujoco.MjData(self._physics.model)
        self._grain = Grain(3 * config.image_width_px * config.image_height_px)
        self._moments: deque[_Moment] = deque()
        self._told_s = -math.inf

    def read(self, now_s: float) -> CarState:
        """What the sensors say at `now_s`: odometry of 50 ms ago, inertial sensor of 40 ms ago."""
        self._advance(now_s)
        where, felt = self._ago(now_s - ODOMETRY_LATE_S), self._ago(now_s - SEEN_LATE_S)
        since = [m.jolt_mps2 for m in self._moments if self._told_s < m.at_s <= felt.at_s]
        self._told_s = felt.at_s
        return CarState(
            stamp_s=where.at_s,
            wheel_mps=where.wheel_mps,
            steering_rad=self._command.steering_rad,
            battery_v=self._physics.odometry().battery_v,
            motor_a=0.0,
            inertial=felt.inertial,
            odometry=where.odometry,
            jolt_mps2=max(since, default=0.0),
        )

    def _ago(self, at_s: float) -> _Moment:
        """What was measured last by then; the oldest that is known when that is later."""
        return next((m for m in reversed(self._moments) if m.at_s <= at_s), self._moments[0])

    def command(self, command: CarCommand, now_s: float) -> None:
        """Speed and steering from now on."""
        self._advance(now_s)
        self._command = command

    def hold(self, now_s: float) -> None:
        """Brakes with all its wheels; they stay as they are steered."""
        self._advance(now_s)
        self._command = CarCommand(0.0, self._command.steering_rad)

    def _advance(self, now_s: float) -> None:
        """Runs physics up to now, in whole steps, and measures."""
        steps = self._pace.due(now_s)
        if steps > 0:
            self._physics.run(self._command, steps * TIMESTEP_S)
        if steps > 0 or not self._moments:
            self._moments.append(self._measured(self._pace.ran_s))
        while self._moments[0].at_s < now_s - KEPT_S:
            self._moments.popleft()

    def _measured(self, at_s: float) -> _Moment:
        """What the sensors would say now, with their noise."""
        noise, there = self._rng.standard_normal, self._physics.odometry()
        accel, jolt_mps2 = self._physics.inertial()
        yaw_radps = there.yaw_rate_radps + YAW_RADPS * float(noise())
        odometry = Odometry(
            at_s,
            there.position_m + POSITION_M * noise(2),
            there.heading_rad + HEADING_RAD * float(noise()),
            there.velocity_mps + SPEED_MPS * noise(2),
            yaw_radps,
        )
        inertial = Inertial(at_s, accel + ACCEL_MPS2 * noise(3), np.array([0.0, 0.0, yaw_radps]))
        wheel_mps = there.wheel_mps + SPEED_MPS * float(noise())
        return _Moment(at_s, odometry, wheel_mps, inertial, jolt_mps2, self._physics.data.qpos.copy())

    def frames(self, now_s: float) -> dict[str, Frame]:
        """Draws what the camera saw 40 ms ago; for one thread, which keeps the graphics context."""
        if not self.cameras or not self._moments:
            return {}
        moment = list(self._moments)
        then = next((m for m in reversed(moment) if m.at_s <= now_s - SEEN_LATE_S), moment[0])
        self._seen.qpos[:] = then.qpos
        mujoco.mj_kinematics(self._physics.model, self._seen)
        mujoco.mj_comPos(self._physics.model, self._seen)
        mujoco.mj_camlight(self._physics.model, self._seen)
        if self._renderer is None:
            size = self._config.image_width_px, self._config.image_height_px
            self._renderer = Renderer(self._physics.model, *size)
        drawn = self._renderer.draw(self._seen, CAMERA)
        return {CAMERA: Frame(then.at_s, self._grain.on(drawn, self._grain_rng))}

    def close(self) -> None:
        """There is nothing to let go of but what `close_frames` frees."""

    def close_frames(self) -> None:
        """Frees the graphics context; in the thread that drew, which alone may."""
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()
