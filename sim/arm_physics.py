"""`ArmPhysics`: an arm in the world of one task, under control at 500 Hz; inside every simulated arm."""

import logging

import mujoco
import numpy as np

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.robots import rotation
from sandlot.robots.arm.spec import ArmLimits, ArmReading, ArmScene, Command, Pose
from sandlot.sim import arm_kinematics, arm_scene
from sandlot.sim.arm_brake import Brake
from sandlot.sim.arm_control import Impedance, Loop, run_ticks
from sandlot.sim.arm_gripper import Gripper
from sandlot.sim.arm_kinematics import Chain
from sandlot.sim.arm_model import ArmModel
from sandlot.sim.randomization import Draw, Nominal

log = logging.getLogger(__name__)

SETTLE_TICKS = 1000
AWAY_M = (0.5, 0.0, -10.0)
"""Where nothing is in the way."""
SENSORS_OFF = int(mujoco.mjtDisableBit.mjDSBL_SENSOR)
AUTORESET_OFF = int(mujoco.mjtDisableBit.mjDSBL_AUTORESET)
DIVERGED = (
    mujoco.mjtWarning.mjWARN_BADQPOS,
    mujoco.mjtWarning.mjWARN_BADQVEL,
    mujoco.mjtWarning.mjWARN_BADQACC,
)

# MuJoCo would write its warnings to MUJOCO_LOG.TXT in whatever folder this runs in.
mujoco.set_mju_user_warning(lambda text: log.warning("event=mujoco_warning text=%r", text))


class ArmPhysics:
    """Model, state, controller and gripper of one simulated arm.

    Args:
        world: a key of `arm_scene.WORLDS`.
        limits: of the commands; the posture is chosen for the middle of their workspace.
        impedance: gains of the controller.
        arm: the arm.
    """

    def __init__(self, world: str, limits: ArmLimits, impedance: Impedance, arm: ArmModel) -> None:
        self._impedance = impedance
        self._arm = arm
        self._world = arm_scene.build(world, arm)
        try:
            self.model = arm.spec.compile()
        except ValueError as err:
            raise ConfigError(
                f"the arm does not fit into world '{world}': {' '.join(str(err).split())}"
            ) from err
        self.model.opt.disableflags |= AUTORESET_OFF
        self.data = mujoco.MjData(self.model)
        self.timestep_s = float(self.model.opt.timestep)
        self._bind(limits)

    def _bind(self, limits: ArmLimits) -> None:
        """Looks names up once; makes the views that the compiled loop reads and writes."""
        m, d = self.model, self.data
        ids = np.array([m.joint(name).id for name in self._arm.joints])
        self.chain = Chain(
            m, d, np.array([ids, m.jnt_qposadr[ids], m.jnt_dofadr[ids]]), m.site(self._world.site).id
        )
        home_rad = arm_kinematics.posture_at(self.chain, np.array(self._arm.home_rad), limits.middle())
        self._wrist = m.site(arm_scene.WRIST).id
        self._hand = int(m.site_bodyid[self._wrist])
        self._hand_kg = float(m.body_subtreemass[self._hand])
        force = int(m.sensor("wrist_force").adr[0])
        self.loop = Loop(
            model=m._address,
            data=d._address,
            gains=self._impedance.gains(m.opt.timestep),
            where=self.chain.where,
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
            tool_pos=d.site_xpos[self.chain.site],
            tool_mat=d.site_xmat[self.chain.site].reshape(3, 3),
            applied=d.qfrc_applied,
            sensed=d.sensordata[force : force + 6],
        )
        self.brake = Brake(self.chain, self.loop)
        self.objects = {o.name: o for o in self._world.objects if o.placed}
        self._bodies = {o.name: m.body(o.name).id for o in self._world.objects}
        free = [self._bodies[o.name] for o in self._world.objects if o.free]
        self._nominal = Nominal(m, free)
        added = [m.joint(name).id for name in self._world.joints]
        others = [j for j in range(m.njnt) if j not in (*ids, *added) and m.jnt_bodyid[j] not in free]
        self.gripper = Gripper(m, self._arm, others, self._world.grip_m)
        self._added = np.concatenate([np.arange(*_qpos_span(m, j)) for j in added]) if added else None
        if self._added is not None:
            self._let_rest(self._added, limits)

    def _let_rest(self, adr: np.ndarray, limits: ArmLimits) -> None:
        """Has the joints that the world added come to rest under gravity; trials start with them so."""
        self._rest = self.model.qpos0[adr].copy()
        nowhere = {name: Pose(np.array(AWAY_M), np.eye(3)) for name in self.objects}
        self.reset(ArmScene(limits.middle(), False, nowhere), Draw())
        self.run(SETTLE_TICKS)
        self._rest = self.data.qpos[adr].copy()

    def reset(self, scene: ArmScene, draw: Draw) -> None:
        """Puts the arm and the objects where the scene says, at rest, in a world varied by `draw`."""
        m, d = self.model, self.data
        mujoco.mj_resetData(m, d)
        self.vary(draw)
        for name, pose in scene.objects.items():
            self.place(name, pose)
        self.gripper.reset(d, scene.gripper_open)
        if self._added is not None:
            d.qpos[self._added] = self._rest
        arm_kinematics.solve(self.chain, self.loop.posture_rad, scene.tool)
        mujoco.mj_forward(m, d)
        d.qfrc_applied[self.chain.where[2]] = d.qfrc_bias[self.chain.where[2]]
        self.stay()

    def vary(self, draw: Draw) -> None:
        """Varies the world as it is; nothing moves."""
        self._nominal.apply(draw)
        self.loop.gains[:] = self._impedance.gains(self.model.opt.timestep, draw.stiffness)
        self.data.xfrc_applied[self._hand, :3] = draw.payload_kg * self.model.opt.gravity

    def stay(self) -> None:
        """Makes where the tool is now its reference and goal."""
        self.set_goal(self.tool(), 0)
        self.loop.reference[:] = self.loop.goal

    def set_goal(self, pose: Pose, ticks: int) -> None:
        """Where the reference shall be after so many ticks."""
        self.loop.goal[0], self.loop.goal[1:] = pose.position_m, pose.rotation
        self._remaining = ticks

    def place(self, name: str, pose: Pose) -> None:
        """Puts an object at a pose, at rest; seen after the next `mj_forward` or tick."""
        body = self._bodies[name]
        if self.objects[name].free:
            joint = self.model.body_jntadr[body]
            adr, dof = self.model.jnt_qposadr[joint], self.model.jnt_dofadr[joint]
            self.data.qpos[adr : adr + 3] = pose.position_m
            self.data.qpos[adr + 3 : adr + 7] = rotation.quat(pose.rotation)
            self.data.qvel[dof : dof + 6] = 0.0
        else:
            self.model.body_pos[body] = pose.position_m
            self.model.body_quat[body] = rotation.quat(pose.rotation)

    def run(self, ticks: int) -> None:
        """Runs physics and control."""
        self._remaining = run_ticks(self.loop, ticks, self._remaining)

    def run_sensing(self, ticks: int) -> None:
        """The same with the wrist sensor on (it costs time at every tick); then positions are up to date."""
        with_sensors(self.model, True)
        self.run(ticks)
        with_sensors(self.model, False)
        mujoco.mj_forward(self.model, self.data)

    def check_finite(self) -> None:
        """Raises SandlotError when the physics blew up: what it says from then on is not experience."""
        bad = [w.name for w in DIVERGED if self.data.warning[w].number]
        if bad:
            raise SandlotError(
                f"the simulation diverged at {self.data.time:.2f} s ({', '.join(bad)}); its episode is "
                "aborted. If this happens often, look at the masses, gains and contacts of the model"
            )

    def tool(self) -> Pose:
        """Where the tool is."""
        return Pose(self.loop.tool_pos.copy(), self.loop.tool_mat.copy())

    def read(self, command: Command) -> ArmReading:
        """Everything known at this instant, without sensor errors."""
        d = self.data
        twist = np.empty(6)  # angular, then linear
        mujoco.mj_objectVelocity(self.model, d, mujoco.mjtObj.mjOBJ_SITE, self.chain.site, twist, 0)
        force, torque = self._external_wrench()
        return ArmReading(
            tool=self.tool(),
            velocity_mps=twist[3:],
            angular_radps=twist[:3],
            joints_rad=d.qpos[self.chain.where[1]],
            width_m=self.gripper.width_m(d),
            force_n=force,
            torque_nm=torque,
            command=command,
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
        force, torque = -(mat @ self.loop.wrench[:3]), -(mat @ self.loop.wrench[3:])
        return force - weight, torque - np.cross(arm, weight)


def _qpos_span(model: mujoco.MjModel, joint: int) -> tuple[int, int]:
    """First address in qpos of a joint, and the one after its last."""
    start = int(model.jnt_qposadr[joint])
    return start, start + (4 if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL else 1)


def with_sensors(model: mujoco.MjModel, on: bool) -> None:
    """Switches the model's sensors."""
    flags = int(model.opt.disableflags)
    model.opt.disableflags = flags & ~SENSORS_OFF if on else flags | SENSORS_OFF
