"""The arm's driver: `python -m sandlot.robots.arm.arm_node --ros-args -r __ns:=/arm -p device:=sim`.

A lifecycle node around one `ArmDevice`: `configure` connects it, `activate` publishes its state and obeys
`command/*`, `deactivate` holds it. What is obeyed is decided by `robots.driver`. `~/stop` locks it in a hold
until `~/arm`; `/estop` until someone publishes False.
"""

import contextlib
import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from std_srvs.srv import Trigger

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.perception.cameras.registry import crops as crops_of
from sandlot.robots import ros_node, ros_params
from sandlot.robots.arm import devices, ros_messages, topics
from sandlot.robots.arm.device import ArmDevice, Placeable
from sandlot.robots.arm.ros_state import CameraThread, StatePublisher
from sandlot.robots.driver import Driver, DriverConfig, Verdict
from sandlot.robots.errors import DeviceError
from sandlot.robots.estop import Pressed
from sandlot.robots.ros_diagnostics import ERROR, OK, WARN, diagnostics
from sandlot.robots.stamps import StampClock, is_fresh, read_clocks
from sandlot.robots.topics import DIAGNOSTICS, ESTOP

log = logging.getLogger(__name__)

NAME = "driver"
TOLD = Duration(seconds=0.3)
"""How long a node that failed waits until its last words are heard."""
PRECEDENCE = 2
"""Before the actor and the cameras' thread, after the gate."""
ESTOPPED, STOPPED, INACTIVE = "e-stop", "stop service", "not active"


@dataclass(frozen=True, kw_only=True)
class ArmNodeConfig:
    """What the driver node drives, and how often it says so.

    Attributes:
        device: a name in `devices.MODULES`.
        task: what the arm practises; the simulated device puts its objects on the table.
        cameras: the device's own cameras to publish.
        state_hz: rate of the state topics.
        camera_hz: rate of each camera.
        camera_file: the file with the crops of those cameras; "" for whole pictures.
        autostart: configure and activate at once; otherwise a lifecycle manager does.
    """

    device: str = "sim"
    task: str = "arm_pick"
    cameras: tuple[str, ...] = ()
    state_hz: float = topics.STATE_HZ
    camera_hz: float = 10.0
    camera_file: str = ""
    autostart: bool = True

    def __post_init__(self) -> None:
        for name, most in (("state_hz", 1000.0), ("camera_hz", 120.0)):
            if not 1.0 <= getattr(self, name) <= most:
                raise ConfigError(
                    f"parameter '{name}' is {getattr(self, name)}: it must lie in [1, {most:g}]"
                )


class ArmDriverNode(LifecycleNode):
    """The driver node."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self._config = ros_params.declare(self, ArmNodeConfig)
        self._driver = Driver(ros_params.declare(self, DriverConfig))
        self._driver.lock(INACTIVE)
        self._pressed = Pressed()
        kind = devices.find(self._config.device)
        self._device: ArmDevice = kind.make(ros_params.declare(self, kind.config_type))
        ros_params.refuse_unknown(self)
        self._stamps, self._width_m, self._ticks = StampClock(), math.nan, 0
        self._connected = False
        self._error: SandlotError | None = None
        self._timer: Timer | None = None
        self._cameras: CameraThread | None = None
        self._placing: list[Subscription[Any]] = []
        self._state = StatePublisher(self, self._device.joint_names)
        self._diagnostics = ros_node.publisher(self, DIAGNOSTICS)
        ros_node.subscription(self, topics.COMMAND_GRIPPER, self._on_gripper)
        ros_node.subscription(self, topics.COMMAND_POSE, self._on_pose)
        ros_node.subscription(self, topics.COMMAND_HOLD, self._on_hold)
        ros_node.subscription(self, ESTOP, self._on_estop)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(Trigger, "~/arm", self._on_arm)
        ros_node.timer(self, 1.0, self._diagnose)
        if self._config.autostart:
            self._start()

    def _start(self) -> None:
        """Straight to active; what fails on the way is raised."""
        for transition in (self.trigger_configure, self.trigger_activate):
            if transition() is not TransitionCallbackReturn.SUCCESS:
                raise self._error or DeviceError(f"device '{self._config.device}' did not start")

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Connects the device; nothing moves. When it cannot be, the node stays unconfigured."""
        try:
            self._device.connect()
            if self._device.cameras:
                crops = crops_of(self._config.camera_file) if self._config.camera_file else {}
                self._cameras = CameraThread(self, self._device, self._config.camera_hz, crops)
            first = self._device.read(time.monotonic())
        except Exception as error:  # rclpy would swallow it
            log.error("event=not_connected device=%s cause=%r", self._config.device, str(error))
            unknown = DeviceError(f"device '{self._config.device}': {error!r}")
            self._error = error if isinstance(error, SandlotError) else unknown
            return TransitionCallbackReturn.FAILURE
        self._connected, self._width_m = True, first.width_m
        if isinstance(self._device, Placeable):
            self._placing = [
                ros_node.subscription(self, topics.place(name), partial(self._on_place, self._device, name))
                for name in first.objects
            ]
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begins to publish, and to obey; until the first command the arm holds."""
        self._driver.release(INACTIVE)
        self._hold("activated")
        self._timer = ros_node.timer(self, 1.0 / self._config.state_hz, self._on_tick)
        if self._cameras is not None:
            self._cameras.publishing = True
        log.info("event=active device=%s state_hz=%g", self._config.device, self._config.state_hz)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Holds, and falls silent."""
        self._hold(self._driver.lock(INACTIVE))
        self._fall_silent()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Lets go of the device."""
        self.close()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Holds and lets go of the device."""
        self.close()
        return super().on_shutdown(state)

    def _on_tick(self) -> None:
        """Holds when it is time to, then reads and tells; late ones are counted."""
        clocks = read_clocks()
        cause = self._driver.tick(clocks.steady_s)
        if cause:
            self._hold(cause)
        if self._cameras is not None and self._cameras.failure is not None:
            raise self._cameras.failure
        self._state.publish(self._device.read(clocks.steady_s), clocks)
        self._ticks += 1

    def _on_gripper(self, message: Any) -> None:
        """Kept for the pose that follows."""
        width_m = ros_messages.gripper_from(message)
        age_s = self._stamps.age_s(ros_messages.stamp_s(message), read_clocks())
        if math.isfinite(width_m) and is_fresh(age_s, self._driver.config.deadline_s):
            self._width_m = width_m
        else:
            self._driver.counts["ignored_gripper"] += 1

    def _on_pose(self, message: Any) -> None:
        """Obeys a new command at once."""
        clocks = read_clocks()
        age_s = self._stamps.age_s(ros_messages.stamp_s(message), clocks)
        fault, followed = ros_messages.pose_fault(message), self._driver.follows
        if self._driver.offer(fault, ros_messages.stamp_ns(message), age_s, clocks.steady_s) is Verdict.OBEY:
            self._device.command(ros_messages.pose_from(message), self._width_m, clocks.steady_s)
            if not followed:
                log.info("event=following")

    def _on_hold(self, message: Any) -> None:
        self._hold(self._driver.hold(message.data or "hold"))

    def _hold(self, cause: str) -> None:
        """Tells the device, first of all."""
        if self._connected:
            self._device.hold(time.monotonic())
        log.info("event=hold cause=%r mode=%s", cause, self._driver.mode.value)

    def _on_estop(self, message: Any, info: Any) -> None:
        """Several buttons share the topic: all of them must be released."""
        heard: frozenset[bytes] = frozenset()
        if not message.data:
            heard = frozenset(bytes(i.endpoint_gid) for i in self.get_publishers_info_by_topic(ESTOP.name))
        self._pressed = self._pressed.hear(info["publisher_gid"]["data"], message.data, heard)
        self._lock(ESTOPPED) if self._pressed else self._release(ESTOPPED)

    def _on_stop(self, _: Any, response: Any) -> Any:
        self._lock(STOPPED)
        response.success, response.message = True, "holding; call arm to obey the gate again"
        return response

    def _on_arm(self, _: Any, response: Any) -> Any:
        self._release(STOPPED)
        response.success, response.message = not self._driver.locked, self._driver.cause
        return response

    def _lock(self, by: str) -> None:
        self._hold(self._driver.lock(by))

    def _release(self, by: str) -> None:
        self._driver.release(by)
        log.info("event=released by=%r mode=%s cause=%r", by, self._driver.mode.value, self._driver.cause)

    def _on_place(self, device: Placeable, name: str, message: Any) -> None:
        """Puts an object somewhere; what makes no sense or cannot be moved is told and ignored."""
        fault = ros_messages.pose_fault(message)
        try:
            if not fault:
                device.place(name, ros_messages.pose_from(message), time.monotonic())
        except DeviceError as error:
            fault = str(error)
        if fault:
            log.warning("event=place_refused object=%s cause=%s", name, fault)

    def _diagnose(self) -> None:
        """Once a second: mode, cause, counts, command ages, true rates."""
        driver = self._driver
        ages_ms = [1e3 * a for a in driver.ages_s]
        values: dict[str, object] = {"mode": driver.mode.value, "cause": driver.cause, **driver.counts}
        values |= {"state_hz": self._ticks, "clock_jumps": self._stamps.jumps}
        if ages_ms:
            p50, p99 = np.percentile(ages_ms, (50, 99))
            values |= {"command_age_p50_ms": float(p50), "command_age_p99_ms": float(p99)}
        if self._cameras is not None:
            values |= {"frames": self._cameras.published, "late_frames": self._cameras.late}
        self._ticks = 0
        self._tell(
            WARN if driver.locked else OK, ": ".join(filter(None, (driver.mode.value, driver.cause))), values
        )

    def _tell(self, level: bytes, text: str, values: dict[str, object]) -> None:
        name = self.get_fully_qualified_name()
        self._diagnostics.publish(diagnostics(name, level, text, values, self._config.device))

    def _fall_silent(self) -> None:
        if self._timer is not None:
            self.destroy_timer(self._timer)
        if self._cameras is not None:
            self._cameras.publishing = False
        self._timer = None

    def _hold_if_it_listens(self) -> None:
        if self._connected:
            with contextlib.suppress(SandlotError):  # it may be the device that failed
                self._device.hold(time.monotonic())

    def fail(self, error: Exception) -> None:
        """A callback raised: the node ends, but holds and tells first."""
        self._hold_if_it_listens()
        self._tell(ERROR, f"failed: {error}", {"mode": "failed", "cause": str(error)})
        self._diagnostics.wait_for_all_acked(TOLD)

    def close(self) -> None:
        """Holds, if the device still listens, and lets go of it."""
        self._hold_if_it_listens()
        connected, self._connected = self._connected, False
        self._fall_silent()
        while self._placing:
            self.destroy_subscription(self._placing.pop())
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None
        if connected:
            self._device.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the driver; frames of its own cameras need shared memory, all else does without."""
    words = sys.argv[1:] if argv is None else argv
    frames = any(w.startswith("cameras:=") and w != "cameras:=[]" for w in words)
    return ros_node.run_node(NAME, ArmDriverNode, argv=argv, precedence=PRECEDENCE, control=not frames)


if __name__ == "__main__":
    sys.exit(main())
