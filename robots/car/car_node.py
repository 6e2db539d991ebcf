"""The car's driver: `python -m sandlot.robots.car.car_node --ros-args -r __ns:=/car -p device:=sim`.

A driver node round one `CarDevice` that obeys `command/drive`;
when the gate falls silent it brakes. Where the
device knows where it is (the simulated one), the node publishes odometry and inertial sensor too; on a car
those are other nodes': `robot_localization`, an IMU's driver.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandlot.robots import ros_node
from sandlot.robots.car import devices, ros_messages, topics
from sandlot.robots.car.device import CarDevice, CarState, Inertial
from sandlot.robots.car.wheel_check import Sample, WheelCheck, WheelCheckConfig, look
from sandlot.robots.driver import DriverConfig, Verdict
from sandlot.robots.errors import DeviceError
from sandlot.robots.ros_driver_node import NAME, PRECEDENCE, DriverNode, DriverNodeConfig
from sandlot.robots.stamps import Clocks, read_clocks

FAULT_S = 1.0
"""A fault of the drive is told for at least so long: the gate looks for it twice a second."""


@dataclass(frozen=True, kw_only=True)
class CarDriverConfig(DriverConfig):
    """When the car's driver brakes by itself; see `DriverConfig`."""

    gate_timeout_s: float = 0.08
    deadline_s: float = 0.12


@dataclass(frozen=True, kw_only=True)
class CarNodeConfig(DriverNodeConfig):
    """What the car's driver node drives, and how often it says so; see `DriverNodeConfig`.

    Attributes:
        task: the place, of a simulated car.
        wheel_check: brake, and stay braked, when wheels or steering do not do what their settings say, by the
            inertial sensor; where nobody publishes one, nothing is checked.
        wheelbase_m: between the axles, for that check.
    """

    task: str = "car_hall"
    state_hz: float = topics.STATE_HZ
    wheel_check: bool = True
    wheelbase_m: float = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        self.checking  # noqa: B018  (it checks itself)

    @property
    def checking(self) -> WheelCheckConfig:
        """When a setting of the wheels counts as wrong."""
        return WheelCheckConfig(wheelbase_m=self.wheelbase_m)


class CarDriverNode(DriverNode[CarDevice, CarNodeConfig]):
    """The driver node."""

    def __init__(self) -> None:
        self._fault, self._fault_s = "", -math.inf
        self._wheels_seen = WheelCheck()
        self._felt: Inertial | None = None
        super().__init__(CarNodeConfig, devices.find, topics.HOLD, CarDriverConfig)

    def listen(self) -> None:
        """Everything about the car's state; commands from the gate."""
        self._odom, self._imu = (ros_node.publisher(self, t) for t in (topics.ODOM, topics.IMU))
        self._wheels, self._battery = (ros_node.publisher(self, t) for t in (topics.WHEELS, topics.BATTERY))
        ros_node.subscription(self, topics.COMMAND, self._on_command)

    def found(self) -> None:
        """A first measurement shows that somebody is there; the inertial sensor may be another's."""
        if self._device.read(time.monotonic()).inertial is None:
            ros_node.subscription(self, topics.IMU, self._on_imu)

    def publish(self, clocks: Clocks) -> None:
        """Reads and tells; a fault of the drive holds the car, and stops the gate until somebody arms it."""
        state = self._device.read(clocks.steady_s)
        self._look_at(state.fault, clocks.steady_s)
        self._check_wheels(state)
        stamp_ns = round(clocks.wall_of(state.stamp_s) * ros_messages.NS)
        self._wheels.publish(
            ros_messages.wheels_message(state, stamp_ns, faulty=bool(self._fault or self._wheels_seen.cause))
        )
        self._battery.publish(ros_messages.battery_message(state, stamp_ns))
        if state.odometry is not None:
            at_ns = round(clocks.wall_of(state.odometry.stamp_s) * ros_messages.NS)
            self._odom.publish(ros_messages.odometry_message(state.odometry, at_ns))
        if state.inertial is not None:
            at_ns = round(clocks.wall_of(state.inertial.stamp_s) * ros_messages.NS)
            self._imu.publish(ros_messages.imu_message(state.inertial, at_ns))

    def _on_imu(self, message: Any) -> None:
        self._felt = ros_messages.imu_from(message)

    def _check_wheels(self, state: CarState) -> None:
        """A wrong sign looks right in everything that the car says of itself."""
        felt = state.inertial or self._felt
        if not self._config.wheel_check or felt is None or self._wheels_seen.cause:
            return
        accel, yaw = float(felt.accel_mps2[0]), float(felt.gyro_radps[2])
        sample = Sample(state.stamp_s, state.wheel_mps, state.steering_rad, accel, yaw)
        self._wheels_seen = look(self._wheels_seen, sample, self._config.checking)
        if self._wheels_seen.cause:
            self._hold(self._driver.lock(self._wheels_seen.cause))

    def _look_at(self, fault: str, now_s: float) -> None:
        """Locks at a fault, and holds while there is one: a device forgets one that is over at a hold."""
        if fault:
            self._fault_s = now_s
        if fault and not self._fault:
            self._fault = fault
            self._hold(self._driver.lock(f"drive fault: {fault}"))
        elif fault:
            self._device.hold(now_s)
        elif self._fault and now_s - self._fault_s > FAULT_S:
            self._release(f"drive fault: {self._fault}")
            self._fault = ""

    def _on_command(self, message: Any) -> None:
        """Obeys a new command at once; a repeat is said again, for the device's watchdog."""
        clocks = read_clocks()
        command, stamp_ns = ros_messages.command_from(message), ros_messages.stamp_ns(message)
        age_s = self._stamps.age_s(ros_messages.stamp_s(message), clocks)
        fault = ros_messages.command_fault(command)
        if self._driver.offer(fault, stamp_ns, age_s, clocks.steady_s) is Verdict.IGNORE:
            return
        try:
            self._device.command(command, clocks.steady_s)
        except DeviceError as error:
            self._hold(self._driver.hold(f"refused: {error}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the driver; frames of its own cameras need shared memory, all else does without."""
    words = sys.argv[1:] if argv is None else argv
    frames = any(w.startswith("cameras:=") and w != "cameras:=[]" for w in words)
    return ros_node.run_node(NAME, CarDriverNode, argv=argv, precedence=PRECEDENCE, control=not frames)


if __name__ == "__main__":
    sys.exit(main())
