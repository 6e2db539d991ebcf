"""The simulated arm as a device: MuJoCo in real time, for the driver node. The stand-in for hardware.

Physics is brought up to the present whenever the driver reads or commands, so a command acts at once. Between
calls nothing runs. Frames are drawn from a copy of the joints' positions by whoever asks for them, so drawing
never delays a command.
"""

from dataclasses import dataclass

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.device import ArmState, Frame
from sandlot.robots.arm.spec import MAX_WIDTH_M, ArmReading, Command, Pose
from sandlot.robots.arm.tasks import TASKS
from sandlot.robots.errors import DeviceError
from sandlot.sim.arm_envs import IMPEDANCES
from sandlot.sim.arm_load import load_arm
from sandlot.sim.arm_model import ArmModel, panda
from sandlot.sim.arm_physics import ArmPhysics, with_sensors
from sandlot.sim.grain import Grain
from sandlot.sim.keep_up import KeepUp
from sandlot.sim.randomization import Draw
from sandlot.sim.render import Renderer

CONTROL_S = 0.1
"""A command is reached in this time, at constant speed."""
ENCODER_RAD, SPEED_RADPS, TOOL_M, FORCE_N, WIDTH_M = 1e-5, 1e-4, 1e-6, 1e-2, 1e-6
"""Standard deviations of sensor noise: small, but a sensor that repeats itself is broken."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which world the arm is in, and what it sees.

    Attributes:
        task: the task whose objects lie on the table.
        cameras: names of the world's cameras to publish: wrist, front, side.
        image_width_px: of their frames.
        image_height_px: of their frames.
        mjcf: an MJCF file of another arm instead of the built-in one.
        seed: of sensor noise and of where things are at first.
    """

    task: str = "arm_pick"
    cameras: tuple[str, ...] = ()
    image_width_px: int = 640
    image_height_px: int = 480
    mjcf: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(f"task is '{self.task}': it must be one of {', '.join(TASKS)}")
        for name in ("image_width_px", "image_height_px"):
            if not 16 <= getattr(self, name) <= 4096:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must lie in [16, 4096]")


def make(config: Config) -> "SimArmDevice":
    """The device; `connect` builds its world."""
    return SimArmDevice(config)


class SimArmDevice:
    """One simulated arm; an ArmDevice that can also place objects."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.cameras = config.cameras
        self.joint_names = tuple(name.rpartition("/")[2] for name in self._arm().joints)
        self._renderer: Renderer | None = None

    def _arm(self) -> ArmModel:
        """A fresh one: building a world adds to its spec."""
        return load_arm(self._config.mjcf) if self._config.mjcf else panda()

    def connect(self) -> None:
        """Builds the world, the arm at the start of a trial, at rest."""
        task = TASKS[self._config.task]()
        self._rng = np.random.default_rng(self._config.seed)
        self._physics = ArmPhysics(task.name, task.limits, IMPEDANCES[task.name], self._arm())
        known = [self._physics.model.camera(i).name for i in range(self._physics.model.ncam)]
        for name in set(self.cameras) - set(known):
            raise ConfigError(f"camera '{name}' does not exist; choose from {', '.join(known)}")
        scene = task.scene(self._rng)
        self._physics.reset(scene, Draw())
        with_sensors(self._physics.model, True)
        self._command = Command(scene.tool, scene.gripper_open)
        self.pace = KeepUp(self._physics.timestep_s)
        self._warm_up()
        self._seen = mujoco.MjData(self._physics.model)
        self._grain_rng = np.random.default_rng(self._config.seed)
        size = 3 * self._config.image_width_px * self._config.image_height_px
        self._grain = Grain(size)
        self._expose(0.0)

    def _warm_up(self) -> None:
        """Has both control loops compiled before time counts; ends at rest, braked."""
        self._physics.run(1)
        self._physics.brake.engage()
        self._physics.brake.run(1)
        self._braking = True

    def read(self, now_s: float) -> ArmState:
        """The measurement at `now_s`, with the noise of real encoders."""
        self._advance(now_s)
        physics = self._physics
        mujoco.mj_forward(physics.model, physics.data)
        physics.check_finite()
        speeds = physics.data.qvel[physics.chain.where[2]]
        return self._measured(physics.read(self._command), speeds, now_s)

    def _measured(self, reading: ArmReading, speeds_radps: np.ndarray, now_s: float) -> ArmState:
        def noisy(value: np.ndarray, std: float) -> np.ndarray:
            return value + std * self._rng.standard_normal(value.shape)

        return ArmState(
            stamp_s=now_s,
            joints_rad=noisy(reading.joints_rad, ENCODER_RAD),
            joint_speeds_radps=noisy(speeds_radps, SPEED_RADPS),
            tool=Pose(noisy(reading.tool.position_m, TOOL_M), reading.tool.rotation),
            velocity_mps=noisy(reading.velocity_mps, SPEED_RADPS),
            angular_radps=noisy(reading.angular_radps, SPEED_RADPS),
            width_m=reading.width_m + WIDTH_M * float(self._rng.standard_normal()),
            force_n=noisy(reading.force_n, FORCE_N),
            torque_nm=noisy(reading.torque_nm, FORCE_N / 10),
            objects={n: Pose(noisy(p.position_m, TOOL_M), p.rotation) for n, p in reading.objects.items()},
        )

    def command(self, pose: Pose, width_m: float, now_s: float) -> None:
        """Moves the reference to a pose within 100 ms from now; the gripper knows open and closed only."""
        self._advance(now_s)
        if self._braking:
            mujoco.mj_kinematics(self._physics.model, self._physics.data)
            self._physics.stay()
            self._braking = False
        self._command = Command(pose, width_m > MAX_WIDTH_M / 2)
        self._physics.set_goal(pose, round(CONTROL_S / self._physics.timestep_s))
        self._physics.gripper.command(self._physics.data, self._command.gripper_open)

    def hold(self, now_s: float) -> None:
        """Brakes every joint, then holds; the gripper keeps what it holds."""
        self._advance(now_s)
        if not self._braking:
            self._physics.brake.engage()
            self._braking = True

    def place(self, name: str, pose: Pose, now_s: float) -> None:
        """Puts an object somewhere, at rest."""
        if name not in self._physics.objects:
            known = ", ".join(self._physics.objects)
            raise DeviceError(f"sim arm: there is no object '{name}' in this world; there are: {known}")
        self._advance(now_s)
        self._physics.place(name, pose)

    def _advance(self, now_s: float) -> None:
        """Runs physics up to now, in whole ticks."""
        physics = self._physics
        ticks = self.pace.due(now_s)
        if ticks > 0:
            (physics.brake.run if self._braking else physics.run)(ticks)
            self._expose(now_s)

    def _expose(self, now_s: float) -> None:
        """Keeps what a camera would see; one assignment, so no lock is needed."""
        self._exposed = (now_s, self._physics.data.qpos.copy())

    def frames(self, now_s: float) -> dict[str, Frame]:
        """Draws what each camera sees; for one thread, which keeps the graphics context."""
        if not self.cameras:
            return {}
        model, seen, (stamp_s, qpos) = self._physics.model, self._seen, self._exposed
        seen.qpos[:] = qpos
        mujoco.mj_kinematics(model, seen)
        mujoco.mj_comPos(model, seen)
        mujoco.mj_camlight(model, seen)
        if self._renderer is None:
            size = self._config.image_width_px, self._config.image_height_px
            self._renderer = Renderer(model, *size)
        drawn = {name: self._renderer.draw(seen, name) for name in self.cameras}
        return {name: Frame(stamp_s, self._grain.on(f, self._grain_rng)) for name, f in drawn.items()}

    def close(self) -> None:
        """There is nothing to let go of but what `close_frames` frees."""

    def close_frames(self) -> None:
        """Frees the graphics context; in the thread that drew, which alone may."""
        renderer, self._renderer = self._renderer, None
        if renderer is not None:
            renderer.close()
