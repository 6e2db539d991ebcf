"""A Franka arm (FR3, Panda) as a device, through franky: Cartesian impedance, so that contact stays gentle.

The controller runs at 1 kHz inside franky; only its target moves from here, gliding to each command within
one control period. When this process hangs or dies, the arm's firmware stops it 20 ms later. Tried against
franky-sim, which speaks the arm's protocol; not on an arm.
"""

import importlib
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.robots import rotation
from sandlot.robots.arm.device import ArmState, Frame
from sandlot.robots.arm.franka_hand import FrankaHand
from sandlot.robots.arm.glide import Glide, staying
from sandlot.robots.arm.spec import Pose
from sandlot.robots.errors import DeviceError

log = logging.getLogger(__name__)

CONTROL_S, TARGET_S = 0.1, 0.01


@dataclass(frozen=True, kw_only=True)
class Config:
    """Which arm, and how it behaves.

    Attributes:
        host: address of the arm's control box.
        realtime: whether a kernel without real-time scheduling is refused; only a simulator does without.
        stiffness_npm: how hard the tool is pulled to its target, per metre.
        turn_stiffness_nmprad: the same for its orientation, per radian.
        max_force_n: the arm stops by itself at a larger force on the tool.
        max_torque_nm: and at a larger torque on a joint.
        hand: whether the Franka hand is mounted.
        hand_speed_mps: of its fingers.
        grasp_force_n: how hard they hold.
    """

    host: str
    realtime: bool = True
    stiffness_npm: float = 800.0
    turn_stiffness_nmprad: float = 40.0
    max_force_n: float = 40.0
    max_torque_nm: float = 40.0
    hand: bool = True
    hand_speed_mps: float = 0.1
    grasp_force_n: float = 30.0

    def __post_init__(self) -> None:
        most = {"stiffness_npm": 3000.0, "turn_stiffness_nmprad": 300.0, "max_force_n": 200.0}
        most |= {"max_torque_nm": 100.0, "hand_speed_mps": 0.2, "grasp_force_n": 70.0}
        for name, limit in most.items():
            if not 0.0 < getattr(self, name) <= limit:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in (0, {limit:g}]")


def make(config: Config) -> "FrankaArm":
    """The device; `connect` imports franky and takes the arm."""
    return FrankaArm(config)


class FrankaArm:
    """An ArmDevice on the Franka Control Interface."""

    cameras: tuple[str, ...] = ()
    joint_names = tuple(f"joint{i}" for i in range(1, 8))

    def __init__(self, config: Config) -> None:
        self._config = config
        self._franky: Any = None
        self._robot: Any = None
        self._tracker: Any = None
        self._hand: FrankaHand | None = None
        self._lock = threading.Lock()
        self._way: Glide | None = None
        self._holds = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Takes the arm, clears an old error, and has it hold where it is."""
        config = self._config
        self._franky = franky = _franky()
        wanted = franky.RealtimeConfig.Enforce if config.realtime else franky.RealtimeConfig.Ignore
        try:
            self._robot = franky.Robot(config.host, realtime_config=wanted)
            if self._robot.has_errors:
                log.warning("event=recovering errors=%s", self._robot.state.current_errors)
                self._robot.recover_from_errors()
            self._robot.set_collision_behavior(config.max_torque_nm, config.max_force_n)
            if config.hand:
                hand = franky.Gripper(config.host)
                self._hand = FrankaHand(hand, config.hand_speed_mps, config.grasp_force_n)
            self._tracker = franky.CartesianImpedanceTracker(
                self._robot,
                translational_stiffness=config.stiffness_npm,
                rotational_stiffness=config.turn_stiffness_nmprad,
            )
        except (franky.Exception, franky.GripperException, RuntimeError) as error:
            self.close()
            raise DeviceError(
                f"Franka at {config.host}: {_one_line(error)}; is it on, unlocked, in execution mode, and is "
                "FCI active in Desk?"
            ) from error
        self._stop.clear()
        self._thread = threading.Thread(target=self._glide, name="franka-target", daemon=True)
        self._thread.start()
        log.info("event=connected host=%s", config.host)

    def read(self, now_s: float) -> ArmState:
        """The newest state, at most 1 ms old; DeviceError once the arm has stopped by itself."""
        state = self._checked().state
        twist = self._robot.current_cartesian_velocity.end_effector_twist
        wrench = -np.array(state.O_F_ext_hat_K)  # franky counts what the arm exerts
        return ArmState(
            stamp_s=now_s,
            joints_rad=np.array(state.q),
            joint_speeds_radps=np.array(state.dq),
            tool=_pose(state.O_T_EE),
            velocity_mps=np.array(twist.linear),
            angular_radps=np.array(twist.angular),
            width_m=self._hand.width_m if self._hand else float("nan"),
            force_n=wrench[:3],
            torque_nm=wrench[3:],
        )

    def frames(self, now_s: float) -> dict[str, Frame]:
        """The arm has no cameras."""
        return {}

    def command(self, pose: Pose, width_m: float, now_s: float) -> None:
        """The target glides to a pose from where it is, or from the tool when it held."""
        tool = _pose(self._checked().state.O_T_EE)
        with self._lock:
            start = self._way.at(now_s) if self._way is not None and not self._holds else tool
            self._way, self._holds = Glide(start, pose, now_s, CONTROL_S), False
        if self._hand is not None:
            self._hand.order(width_m)

    def hold(self, now_s: float) -> None:
        """The target is where the tool is; asked again, it stays there."""
        tool = _pose(self._checked().state.O_T_EE)
        with self._lock:
            if not self._holds:
                self._way = staying(tool)
            self._holds = True

    def close(self) -> None:
        """Brings the arm to rest, where its own controller holds it, and lets go of it."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if self._hand is not None:
            self._hand.close()
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            try:
                tracker.stop()
            except self._franky.Exception as error:
                log.warning("event=stopped_with_error cause=%r", _one_line(error))
        self._robot = self._hand = self._thread = self._way = None

    def _checked(self) -> Any:
        """The robot, as long as it is ours."""
        if self._robot is None or self._tracker is None:
            raise DeviceError(f"Franka at {self._config.host}: not connected")
        if not self._tracker.is_running:
            errors = self._robot.state.last_motion_errors
            raise DeviceError(
                f"Franka at {self._config.host} stopped by itself ({errors}); free the arm, then start the "
                "driver again: it clears the error"
            )
        return self._robot

    def _glide(self) -> None:
        """Moves the target along the way."""
        while not self._stop.wait(TARGET_S):
            with self._lock:
                pose = self._way.at(time.monotonic()) if self._way is not None else None
            if pose is not None and self._tracker is not None:
                self._tracker.set_target(_affine(self._franky, pose))


def _franky() -> Any:
    """The package, imported only when a Franka is asked for."""
    try:
        return importlib.import_module("franky")
    except ImportError as error:
        raise DeviceError(f"a Franka needs 'franky-control' ({error}): pip install franky-control") from error


def _pose(affine: Any) -> Pose:
    """A franky Affine as a pose."""
    matrix = np.array(affine.matrix)
    return Pose(matrix[:3, 3], rotation.from_quat(rotation.quat(np.ascontiguousarray(matrix[:3, :3]))))


def _affine(franky: Any, pose: Pose) -> Any:
    """A pose as a franky Affine; its quaternions are x, y, z, w."""
    w, x, y, z = rotation.quat(pose.rotation)
    return franky.Affine(pose.position_m, np.array([x, y, z, w]))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
