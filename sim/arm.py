"""`SimArm`: the arm in MuJoCo behind the Robot protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sandlot.robots.arm.command import advance, executed
from sandlot.robots.arm.spec import ArmLimits, ArmReading, ArmScene, Command, Pose
from sandlot.robots.protocol import Camera
from sandlot.sim.arm_control import Impedance
from sandlot.sim.arm_model import ArmModel, panda
from sandlot.sim.arm_physics import ArmPhysics
from sandlot.sim.randomization import Draw, Randomization
from sandlot.sim.render import Views
from sandlot.sim.windows import WHOLE, Window

CONTROL_HZ = 10.0
SENSE_TICKS = 5  # the wrench is averaged over 10 ms, as a sensor's own filter would


class SimArm:
    """A simulated arm in the world of one task; physics and impedance control at 500 Hz, actions at 10 Hz.

    Args:
        world: a key of `arm_scene.WORLDS`.
        limits: what an action means.
        impedance: gains of the controller.
        arm: the arm, by default the Panda of `arm_model`.
        randomization: ranges to vary; None for the nominal world.
        cameras: names of `arm_scene.CAMERAS` whose frames `images` returns.
        image_px: width and height of those frames.
        windows: the part of each camera's picture that is drawn; all of it where there is none.
    """

    def __init__(
        self,
        world: str,
        limits: ArmLimits,
        *,
        impedance: Impedance | None = None,
        arm: ArmModel | None = None,
        randomization: Randomization | None = None,
        cameras: Sequence[str] = (),
        image_px: int = 128,
        windows: Mapping[str, Window] | None = None,
    ) -> None:
        self.control_hz = CONTROL_HZ
        self.cameras: dict[str, Camera] = {name: (image_px, image_px, 3) for name in cameras}
        self.crops = {name: (windows or {}).get(name, WHOLE) for name in cameras}
        self._limits = limits
        self._randomization = randomization
        self._physics = ArmPhysics(world, limits, impedance or Impedance(), arm or panda())
        self.model, self.data = self._physics.model, self._physics.data
        self._ticks = self._in_ticks(1.0 / CONTROL_HZ)
        self._pictures = Views(self.model, self.data, cameras, image_px, windows)

    def reset(self, scene: ArmScene, rng: np.random.Generator) -> None:
        """Puts the arm and the objects where the scene says, at rest."""
        self._rng = rng
        self._draw = self._randomization.draw(rng) if self._randomization else Draw()
        self._physics.reset(scene, self._draw)
        self._pictures.refresh()
        self._command = Command(self._physics.tool(), scene.gripper_open)
        self._run_sensing(SENSE_TICKS)

    def settle(self) -> None:
        """Takes arm and objects as they are: an episode begins where the last one ended."""
        if self._randomization:
            self._draw = self._randomization.draw(self._rng)
            self._physics.vary(self._draw)
            self._pictures.refresh()
        self._physics.stay()
        self._command = Command(self._physics.tool(), self._command.gripper_open)
        self._run_sensing(SENSE_TICKS)

    def act(self, action: np.ndarray) -> np.ndarray:
        """Moves the command by an action and runs one control period; returns the action as executed."""
        done = executed(action, 7 if self._limits.gripper else 6)
        self._command = advance(self._command, done, self._physics.tool(), self._limits)
        late, stale = (self._in_ticks(s) for s in (self._draw.action_delay_s, self._draw.sensor_delay_s))
        self._physics.run(late)
        self._physics.set_goal(self._command.pose, self._ticks)
        self._physics.gripper.command(self.data, self._command.gripper_open)
        self._physics.run(self._ticks - late - stale - SENSE_TICKS)
        self._run_sensing(SENSE_TICKS)
        self._physics.run(stale)
        self._physics.check_finite()
        return done

    def _in_ticks(self, seconds: float) -> int:
        return round(seconds / self._physics.timestep_s)

    def _run_sensing(self, ticks: int) -> None:
        """Runs with the wrist sensor on, then takes a reading and frames."""
        self._physics.run_sensing(ticks)
        self._reading = self._physics.read(self._command)
        self._frames = self._pictures.frames(self._rng)

    def observe(self) -> ArmReading:
        """The newest reading, with this episode's sensor errors if there are any."""
        if self._randomization is None:
            return self._reading
        return with_errors(self._reading, self._draw, self._rng)

    def images(self) -> dict[str, np.ndarray]:
        """The newest frame of each camera, taken at the same instant as the reading."""
        return self._frames

    def render(self) -> np.ndarray:
        """A picture for people, uint8 [480, 640, 3]."""
        return self._pictures.film()

    def close(self) -> None:
        """Frees the cameras; may be called twice."""
        self._pictures.close()


def with_errors(reading: ArmReading, draw: Draw, rng: np.random.Generator) -> ArmReading:
    """The reading as imperfect sensors give it."""

    def near(value: np.ndarray, std: float, bias: np.ndarray | float = 0.0) -> np.ndarray:
        return value + bias + std * rng.standard_normal(3)

    objects = {
        name: Pose(near(p.position_m, draw.pose_noise_m, draw.pose_bias_m), p.rotation)
        for name, p in reading.objects.items()
    }
    return replace(
        reading,
        tool=Pose(near(reading.tool.position_m, draw.tool_noise_m), reading.tool.rotation),
        velocity_mps=near(reading.velocity_mps, draw.velocity_noise_mps),
        angular_radps=near(reading.angular_radps, draw.velocity_noise_mps),
        width_m=reading.width_m + draw.width_noise_m * rng.standard_normal(),
        force_n=near(reading.force_n, draw.force_noise_n, draw.force_bias_n),
        torque_nm=near(reading.torque_nm, draw.force_noise_n / 10, draw.force_bias_n / 10),
        objects=objects,
    )
