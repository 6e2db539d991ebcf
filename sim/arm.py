"""`SimArm`: the arm in MuJoCo behind the Robot protocol."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.robots import rotation
from sandlot.robots.arm.command import advance, executed
from sandlot.robots.arm.spec import ArmLimits, ArmReading, ArmScene, Command, Pose
from sandlot.robots.protocol import Camera
from sandlot.sim import arm_kinematics, arm_scene
from sandlot.sim.arm_control import Impedance, Loop, run_ticks
from sandlot.sim.arm_gripper import Gripper
from sandlot.sim.arm_kinematics import Chain
from sandlot.sim.arm_model import ArmModel, panda
from sandlot.sim.randomization import Draw, Nominal, Randomization
from sandlot.sim.render import Views

log = logging.getLogger(__name__)

CONTROL_HZ = 10.0
SENSE_TICKS = 5  # the wrench is averaged over 10 ms, as a sensor's own filter would
SENSORS_OFF = int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
AUTORESET_OFF = int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
DIVERGED = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)

# MuJoCo would write its warnings to MUJOCO_LOG.TXT in whatever folder this runs in.
mujoco.set_mju_user_warning(lambda text: log.warning("event=mujoco_warning text=%r", text))


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
    ) -> None:
        self.control_hz = CONTROL_HZ
        self.cameras: dict[str, Camera] = {name: (image_px, image_px, 3) for name in cameras}
        self._limits = limits
        self._impedance = impedance or Impedance()
        self._randomization = randomization
        self._arm = arm or panda()
        self._world = arm_scene.build(world, self._arm)
        try:
            self.model = self._arm.spec.compile()
        except ValueError as err:
            raise ConfigError(
                f"the arm does not fit into world '{world}': {' '.join(str(err).split())}"
            ) from err
        self.model.opt.disableflags |= AUTORESET_OFF
        self.data = mujoco.MjData(self.model)
        self._bind()
        self._pictures = Views(self.model, self.data, cameras, image_px)

    def _bind(self) -> None:
        """Looks names up once; makes the views that the compiled loop reads and writes."""
        m, d = self.model, self.data
        ids = np.array([m.joint(name).id for name in self._arm.joints])
        self._chain = Chain(
            m, d, np.array([ids, m.jnt_qposadr[ids], m.jnt_dofadr[ids]]), m.site(self._world.site).id
        )
        home_rad = arm_kinematics.posture_at(self._chain, np.array(self._arm.home_rad), self._limits.middle())
        self._ticks = round(1.0 / (self.control_hz * m.opt.timestep))
        self._wrist = m.site(arm_scene.WRIST).id
        self._hand = int(m.site_bodyid[self._wrist])
        self._hand_kg = float(m.body_subtreemass[self._hand])
        force = int(m.sensor("wrist_force").adr[0])
        self._loop = Loop(
            model=m._address,
            data=d._address,
            gains=self._impedance.gains(m.opt.timestep),
            where=self._chain.where,
            torque_nm=np.array(self._arm.torque_nm, float),
            posture_rad=home_rad,
            reference=np.zeros((4, 3)),
            goal=np.zeros((4, 3)),
            wrench=np.zeros(6),
            qpos=d.qpos,
            qvel=d.qvel,
            bias=d.qfrc_bias,
            anchor=d.xanchor,
            axis=d.xaxis,
            tool_pos=d.site_xpos[self._chain.site],
            tool_mat=d.site_xmat[self._chain.site].reshape(3, 3),
            applied=d.qfrc_applied,
            sensed=d.sensordata[force : force + 6],
        )
        self._bodies = {o.name: m.body(o.name).id for o in self._world.objects}
        free = [self._bodies[o.name] for o in self._world.objects if o.free]
        self._nominal = Nominal(m, free)
        others = [j for j in range(m.njnt) if j not in ids and m.jnt_bodyid[j] not in free]
        self._gripper = Gripper(m, self._arm, others, self._world.grip_m)

    def reset(self, scene: ArmScene, rng: np.random.Generator) -> None:
        """Puts the arm and the objects where the scene says, at rest."""
        m, d = self.model, self.data
        self._rng = rng
        self._draw = self._randomization.draw(rng) if self._randomization else Draw()
        self._nominal.apply(self._draw)
        self._loop.gains[:] = self._impedance.gains(m.opt.timestep, self._draw.stiffness)
        mujoco.mj_resetData(m, d)
        d.xfrc_applied[self._hand, :3] = self._draw.payload_kg * m.opt.gravity
        for obj in self._world.objects:
            self._place(obj, scene.objects[obj.name])
        self._gripper.reset(d, scene.gripper_open)
        arm_kinematics.solve(self._chain, self._loop.posture_rad, scene.tool)
        mujoco.mj_forward(m, d)
        d.qfrc_applied[self._chain.where[2]] = d.qfrc_bias[self._chain.where[2]]
        self._command = Command(self._tool(), scene.gripper_open)
        self._set_goal(self._command.pose)
        self._loop.reference[:] = self._loop.goal
        self._remaining = 0
        self._run_sensing(SENSE_TICKS)

    def _place(self, obj: arm_scene.Tracked, pose: Pose) -> None:
        body = self._bodies[obj.name]
        if obj.free:
            adr = self.model.jnt_qposadr[self.model.body_jntadr[body]]
            self.data.qpos[adr : adr + 3] = pose.position_m
            self.data.qpos[adr + 3 : adr + 7] = rotation.quat(pose.rotation)
        else:
            self.model.body_pos[body] = pose.position_m
            self.model.body_quat[body] = rotation.quat(pose.rotation)

    def act(self, action: np.ndarray) -> np.ndarray:
        """Moves the command by an action and runs one control period; returns the action as executed."""
        done = executed(action, 7 if self._limits.gripper else 6)
        self._command = advance(self._command, done, self._tool(), self._limits)
        late, stale = (self._in_ticks(s) for s in (self._draw.action_delay_s, self._draw.sensor_delay_s))
        self._run(late)
        self._set_goal(self._command.pose)
        self._gripper.command(self.data, self._command.gripper_open)
        self._remaining = self._ticks
        self._run(self._ticks - late - stale - SENSE_TICKS)
        self._run_sensing(SENSE_TICKS)
        self._run(stale)
        self._check_finite()
        return done

    def _check_finite(self) -> None:
        """Raises SandlotError when the physics blew up: what it says from then on is not experience."""
        bad = [w.name for w in DIVERGED if self.data.warning[w].number]
        if bad:
            raise SandlotError(
                f"the simulation diverged at {self.data.time:.2f} s ({', '.join(bad)}); its episode is "
                "aborted. If this happens often, look at the masses, gains and contacts of the model"
            )

    def _in_ticks(self, seconds: float) -> int:
        return round(seconds / self.model.opt.timestep)

    def _set_goal(self, pose: Pose) -> None:
        self._loop.goal[0], self._loop.goal[1:] = pose.position_m, pose.rotation

    def _run(self, ticks: int) -> None:
        """Runs physics and control."""
        self._remaining = run_ticks(self._loop, ticks, self._remaining)

    def _run_sensing(self, ticks: int) -> None:
        """The same with the wrist sensor on (it costs time at every tick), then takes a reading."""
        opt = self.model.opt
        opt.disableflags &= ~SENSORS_OFF
        self._run(ticks)
        opt.disableflags |= SENSORS_OFF
        mujoco.mj_forward(self.model, self.data)
        self._reading = self._read()
        self._frames = self._pictures.frames()

    def observe(self) -> ArmReading:
        """The newest reading, with this episode's sensor errors if there are any."""
        if self._randomization is None:
            return self._reading
        return with_errors(self._reading, self._draw, self._rng)

    def _tool(self) -> Pose:
        return Pose(self._loop.tool_pos.copy(), self._loop.tool_mat.copy())

    def _read(self) -> ArmReading:
        """Everything known at this instant, without sensor errors."""
        d = self.data
        twist = np.empty(6)  # angular, then linear
        mujoco.mj_objectVelocity(self.model, d, mujoco.mjtObj.mjOBJ_SITE, self._chain.site, twist, 0)
        force, torque = self._external_wrench()
        return ArmReading(
            tool=self._tool(),
            velocity_mps=twist[3:],
            angular_radps=twist[:3],
            joints_rad=d.qpos[self._chain.where[1]],
            width_m=self._gripper.width_m(d),
            force_n=force,
            torque_nm=torque,
            command=self._command,
            objects={
                name: Pose(d.xpos[i].copy(), d.xmat[i].reshape(3, 3).copy())
                for name, i in self._bodies.items()
            },
        )

    def _external_wrench(self) -> tuple[np.ndarray, np.ndarray]:
        """Force and torque of the world on the hand, base frame, about the wrist, less the weight."""
        d = self.data
        mat = d.site_xmat[self._wrist].reshape(3, 3)
        weight = self._hand_kg * self.model.opt.gravity
        arm = d.subtree_com[self._hand] - d.site_xpos[self._wrist]
        force, torque = -(mat @ self._loop.wrench[:3]), -(mat @ self._loop.wrench[3:])
        return force - weight, torque - np.cross(arm, weight)

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
