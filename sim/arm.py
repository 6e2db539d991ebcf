"""`SimArm`: the arm in MuJoCo behind the Robot protocol."""

import mujoco
import numpy as np

from sandlot.robots import rotation
from sandlot.robots.arm.command import advance, executed
from sandlot.robots.arm.spec import MAX_WIDTH_M, ArmLimits, ArmReading, ArmScene, Command, Pose
from sandlot.robots.protocol import Camera
from sandlot.sim import arm_control, arm_model, arm_scene
from sandlot.sim.arm_control import Impedance

CONTROL_HZ = 10.0
IK_STEPS = 40


class SimArm:
    """A simulated arm in the world of one task; physics and impedance control at 500 Hz, actions at 10 Hz."""

    def __init__(self, world: str, limits: ArmLimits, impedance: Impedance = Impedance()) -> None:
        self.control_hz = CONTROL_HZ
        self.cameras: dict[str, Camera] = {}
        self._limits = limits
        spec = arm_model.panda()
        arm_scene.set_options(spec)
        arm_scene.add_room(spec)
        self._objects = arm_scene.WORLDS[world](spec)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._bind(impedance)

    def _bind(self, impedance: Impedance) -> None:
        """Looks up addresses once."""
        m, d = self.model, self.data
        ids = np.array([m.joint(name).id for name in arm_model.JOINTS])
        self._index = np.array([ids, m.jnt_qposadr[ids], m.jnt_dofadr[ids]])
        self._torque_limits = m.jnt_actfrcrange[ids, 1].copy()
        self._tool = m.site(arm_model.TOOL_SITE).id
        self._gains = impedance.gains(m.opt.timestep)
        self._ticks = round(1.0 / (self.control_hz * m.opt.timestep))
        self._reference, self._goal = np.zeros((4, 3)), np.zeros((4, 3))
        self._views = arm_control.views(d, self._tool)
        self._home = np.array(arm_model.READY_RAD)
        self._remaining = 0
        self._fingers = np.array([m.joint(f"finger_{s}").qposadr[0] for s in ("left", "right")])
        self._gripper = m.actuator(arm_model.GRIPPER).id
        m.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_SENSOR

    def reset(self, scene: ArmScene, rng: np.random.Generator) -> None:
        """Puts the arm and the objects where the scene says, at rest."""
        m, d = self.model, self.data
        mujoco.mj_resetData(m, d)
        d.qpos[self._fingers] = MAX_WIDTH_M / 2 if scene.gripper_open else 0.0
        for obj in self._objects:
            self._place(obj, scene.objects[obj.name])
        self._solve_ik(scene.tool)
        mujoco.mj_forward(m, d)
        d.qfrc_applied[self._index[2]] = d.qfrc_bias[self._index[2]]
        pose = Pose(d.site_xpos[self._tool].copy(), d.site_xmat[self._tool].reshape(3, 3).copy())
        self._command = Command(pose, scene.gripper_open)
        self._reference[0], self._reference[1:] = pose.position_m, pose.rotation
        self._goal[:] = self._reference
        self._remaining = 0

    def _place(self, obj: arm_scene.ObjectSpec, pose: Pose) -> None:
        body = self.model.body(obj.name)
        if obj.free:
            adr = self.model.jnt_qposadr[body.jntadr[0]]
            self.data.qpos[adr : adr + 3] = pose.position_m
            self.data.qpos[adr + 3 : adr + 7] = rotation.quat(pose.rotation)
        else:
            body.pos[:], body.quat[:] = pose.position_m, rotation.quat(pose.rotation)

    def _solve_ik(self, tool: Pose) -> None:
        """Sets the arm's joints so that the tool is at a pose: damped least squares from the home posture."""
        m, d = self.model, self.data
        joints, qadr, _ = self._index
        low, high = m.jnt_range[joints].T
        d.qpos[qadr] = self._home
        for _ in range(IK_STEPS):
            mujoco.mj_kinematics(m, d)
            point, mat = d.site_xpos[self._tool], d.site_xmat[self._tool].reshape(3, 3)
            error = np.concatenate([tool.position_m - point, rotation.between(mat, tool.rotation)])
            if np.linalg.norm(error) < 1e-6:
                break
            jac = arm_control.jacobian(d.xanchor, d.xaxis, joints, point)
            step = jac.T @ np.linalg.solve(jac @ jac.T + 1e-4 * np.eye(6), error)
            d.qpos[qadr] = np.clip(d.qpos[qadr] + step, low, high)

    def act(self, action: np.ndarray) -> np.ndarray:
        """Moves the command by an action and runs one control period."""
        done = executed(action, 7 if self._limits.gripper else 6)
        d = self.data
        tool = Pose(d.site_xpos[self._tool].copy(), d.site_xmat[self._tool].reshape(3, 3).copy())
        self._command = advance(self._command, done, tool, self._limits)
        self._goal[0], self._goal[1:] = self._command.pose.position_m, self._command.pose.rotation
        d.ctrl[self._gripper] = MAX_WIDTH_M if self._command.gripper_open else -0.02
        self._remaining = self._run(self._ticks, self._ticks)
        mujoco.mj_forward(self.model, d)
        return done

    def _run(self, ticks: int, remaining: int) -> int:
        return arm_control.run_ticks(
            self.model._address, self.data._address, ticks, self._gains, self._index, self._torque_limits,
            self._home, self._reference, self._goal, remaining, *self._views,
        )  # fmt: skip

    def observe(self) -> ArmReading:
        """The reading at this instant."""
        d = self.data
        point, mat = d.site_xpos[self._tool].copy(), d.site_xmat[self._tool].reshape(3, 3).copy()
        jac = arm_control.jacobian(d.xanchor, d.xaxis, self._index[0], point)
        twist = jac @ d.qvel[self._index[2]]
        return ArmReading(
            tool=Pose(point, mat),
            velocity_mps=twist[:3],
            angular_radps=twist[3:],
            joints_rad=d.qpos[self._index[1]].copy(),
            width_m=float(d.qpos[self._fingers].sum()),
            force_n=np.zeros(3),
            torque_nm=np.zeros(3),
            command=self._command,
            objects={o.name: self._pose(o.name) for o in self._objects},
        )

    def _pose(self, name: str) -> Pose:
        body = self.data.body(name)
        return Pose(body.xpos.copy(), body.xmat.reshape(3, 3).copy())

    def images(self) -> dict[str, np.ndarray]:
        """Camera frames."""
        return {}

    def render(self) -> np.ndarray:
        """A picture."""
        raise NotImplementedError

    def close(self) -> None:
        """Frees what it holds."""
