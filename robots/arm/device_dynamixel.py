"""A position-controlled arm of Dynamixel servos as a device.

A tool pose becomes joint goals by inverse kinematics, and each servo's profile velocity is chosen so that all
joints arrive together, one control period later. The servos' own bus watchdog stops the arm when this process
dies or hangs. Forces are not sensed.
"""

import logging
import math
import time

import numpy as np

from sandlot.robots.arm.device import ArmState, Frame
from sandlot.robots.arm.dynamixel_config import Config
from sandlot.robots.arm.spec import Pose
from sandlot.robots.dynamixel import registers as reg
from sandlot.robots.dynamixel.bus import Bus
from sandlot.robots.errors import DeviceError
from sandlot.robots.serial_port import Port

log = logging.getLogger(__name__)

CONTROL_S = 0.1
SILENT_SHARE = 0.8
"""Of the watchdog's time: after so long a silence it may have tripped."""
NOWHERE = np.full(3, math.nan)


def make(config: Config) -> "DynamixelArm":
    """The device; `connect` opens the port."""
    return DynamixelArm(config)


class DynamixelArm:
    """An ArmDevice on a Dynamixel bus."""

    cameras: tuple[str, ...] = ()

    def __init__(self, config: Config) -> None:
        self._config, self._chain = config, config.chain()
        self.joint_names = config.names
        self._ids = [*config.ids, *([config.gripper_id] if config.gripper_id else [])]
        gripper = [1.0] if config.gripper_id else []
        self._signs = np.array([*map(float, config.directions), *gripper])
        self._zeros = np.array([*config.zeros_rad, *(0.0 for _ in gripper)])
        self._bus: Bus | None = None
        self._angles = np.zeros(len(self._ids))  # joints, then the gripper's servo
        self._holds = False

    def connect(self) -> None:
        """Finds every servo, makes them stiff where they are, and starts their watchdogs."""
        bus = Bus(Port(self._config.port, self._config.baud), self._config)
        try:
            for id_, name in zip(self._ids, [*self.joint_names, "gripper"], strict=False):
                _check(bus, id_, name, self._config)
            self._take(bus)
            for id_ in self._ids:
                bus.write(id_, reg.TORQUE_ENABLE, 1)
        except DeviceError:
            bus.close()
            raise
        self._bus = bus
        log.info("event=connected port=%s servos=%s", self._config.port, self._ids)

    def read(self, now_s: float) -> ArmState:
        """Position and speed of every joint, in one question to all servos."""
        bus = self._opened()
        speeds = self._measure(bus)
        n = len(self.joint_names)
        tool, jacobian = self._chain.forward(self._angles[:n])
        twist = jacobian @ speeds[:n]
        return ArmState(
            stamp_s=now_s,
            joints_rad=self._angles[:n].copy(),
            joint_speeds_radps=speeds[:n],
            tool=tool,
            velocity_mps=twist[:3],
            angular_radps=twist[3:],
            width_m=self._width_m(),
            force_n=NOWHERE,
            torque_nm=NOWHERE,
        )

    def frames(self, now_s: float) -> dict[str, Frame]:
        """An arm has no cameras of its own."""
        return {}

    def command(self, pose: Pose, width_m: float, now_s: float) -> None:
        """Sends every joint to where it has to be, so fast that it is there one control period later."""
        bus = self._opened()
        self._holds = False
        n = len(self.joint_names)
        joints = self._chain.solve(pose, self._angles[:n], self._config.turn_m)
        goal = np.concatenate([joints, self._grip_rad(width_m)])
        speeds = np.abs(goal - self._angles) / CONTROL_S
        most = self._config.max_speed_radps
        speeds[:n] *= min(1.0, most / max(1e-9, speeds[:n].max()))  # too far: all joints take longer together
        self._send(bus, goal, np.minimum(speeds, most))

    def hold(self, now_s: float) -> None:
        """Every joint's goal is where it is now; asked again, it stays where it was told to hold."""
        bus = self._opened()
        if not self._holds:
            self._measure(bus)
            self._send(bus, self._angles, np.zeros(len(self._ids)))
        self._holds = True

    def close(self) -> None:
        """Leaves the servos stiff, unless told otherwise, and frees the port."""
        bus, self._bus = self._bus, None
        if bus is None:
            return
        try:
            for id_ in self._ids:
                bus.write(id_, reg.BUS_WATCHDOG, 0)
                if self._config.limp_at_close:
                    bus.write(id_, reg.TORQUE_ENABLE, 0)
        except DeviceError as error:
            log.warning("event=not_left_in_order cause=%r", str(error))
        finally:
            bus.close()

    def _opened(self) -> Bus:
        if self._bus is None:
            raise DeviceError(f"{self._config.port}: the arm is not connected")
        silent_s = time.monotonic() - self._bus.spoke_s
        if silent_s > SILENT_SHARE * self._config.watchdog_s:
            log.warning("event=bus_was_silent seconds=%.3f", silent_s)
            self._take(self._bus)
        return self._bus

    def _take(self, bus: Bus) -> None:
        """Has every servo hold where it is and starts its watchdog, even if that has tripped.

        Slowly first: a servo that is freed from a tripped watchdog might go on to its old goal.
        """
        self._measure(bus)
        for id_, tick in zip(self._ids, self._ticks(self._angles), strict=True):
            bus.write(id_, reg.PROFILE_VELOCITY, 1)
            bus.write(id_, reg.BUS_WATCHDOG, 0)
            bus.write(id_, reg.GOAL_POSITION, tick)
            bus.write(id_, reg.BUS_WATCHDOG, round(self._config.watchdog_s / reg.WATCHDOG_UNIT_S))
        self._holds = True

    def _measure(self, bus: Bus) -> np.ndarray:
        """Reads every servo: angles into `_angles`; returns speeds, rad/s [n]."""
        found = bus.sync_read(self._ids, reg.MOTION)
        for id_, name in zip(self._ids, [*self.joint_names, "gripper"], strict=False):
            if id_ not in found:
                raise DeviceError(
                    f"{self._config.port}: servo {id_} ('{name}') fell silent; check its cable and power"
                )
        for id_ in bus.alerted & set(self._ids):
            _raise_hardware_error(bus, id_, self._config.port)
        position, velocity = reg.PRESENT_POSITION, reg.PRESENT_VELOCITY
        start = reg.MOTION.address
        ticks = [position.unpack(found[i][position.address - start :]) for i in self._ids]
        units = [velocity.unpack(found[i][velocity.address - start :]) for i in self._ids]
        servo_rad = (np.array(ticks) - reg.CENTRE_TICKS) / reg.TICKS_PER_RAD
        self._angles = self._signs * (servo_rad - self._zeros)
        return self._signs * np.array(units) * reg.RADPS_PER_UNIT

    def _send(self, bus: Bus, angles_rad: np.ndarray, speeds_radps: np.ndarray) -> None:
        """Goals of every servo with the speed to go there: one packet, so that all begin at once."""
        units = np.ceil(speeds_radps / reg.RADPS_PER_UNIT).astype(int)
        values = {
            id_: reg.PROFILE_VELOCITY.pack(max(1, int(unit))) + reg.GOAL_POSITION.pack(tick)
            for id_, unit, tick in zip(self._ids, units, self._ticks(angles_rad), strict=True)
        }
        bus.sync_write(reg.ORDER, values)

    def _ticks(self, angles_rad: np.ndarray) -> list[int]:
        """Servo positions of joint angles."""
        turned = self._signs * angles_rad + self._zeros
        return [round(t) for t in (turned * reg.TICKS_PER_RAD + reg.CENTRE_TICKS).tolist()]

    def _width_m(self) -> float:
        """Opening of the gripper, NaN without one."""
        c = self._config
        if not c.gripper_id:
            return math.nan
        share = (self._angles[-1] - c.gripper_closed_rad) / (c.gripper_open_rad - c.gripper_closed_rad)
        return float(share * c.gripper_width_m)

    def _grip_rad(self, width_m: float) -> list[float]:
        """Angle of the gripper's servo for an opening; an opening that is not a number leaves it as it is."""
        c = self._config
        if not c.gripper_id:
            return []
        if not math.isfinite(width_m):
            return [float(self._angles[-1])]
        share = min(1.0, max(0.0, width_m / c.gripper_width_m))
        return [c.gripper_closed_rad + share * (c.gripper_open_rad - c.gripper_closed_rad)]


def _check(bus: Bus, id_: int, name: str, config: Config) -> None:
    """DeviceError unless a servo is there, healthy and in a position mode."""
    where = f"{config.port}: servo {id_} ('{name}')"
    if bus.ping(id_) is None and bus.ping(id_) is None:
        raise DeviceError(
            f"{where} does not answer at {config.baud} baud; check power, cable, id and baud rate"
        )
    if id_ in bus.alerted:
        _raise_hardware_error(bus, id_, config.port)
    mode = bus.read(id_, reg.OPERATING_MODE)
    if mode not in (reg.POSITION_MODE, reg.EXTENDED_POSITION_MODE):
        raise DeviceError(
            f"{where} is in operating mode {mode}; the arm needs 3 (position): set it with torque off, for "
            "example in Dynamixel Wizard"
        )


def _raise_hardware_error(bus: Bus, id_: int, port: str) -> None:
    errors = reg.hardware_errors(bus.read(id_, reg.HARDWARE_ERROR))
    raise DeviceError(
        f"{port}: servo {id_} switched itself off ({errors}); support the arm, find the cause, power cycle it"
    )
