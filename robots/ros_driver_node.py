"""What every driver node is: a lifecycle node around one device, which holds unless it is told otherwise.

`configure` connects the device, `activate` publishes its state and obeys the gate, `deactivate` holds. What
is obeyed is decided by `robots.driver`. `~/stop` locks it in a hold until `~/arm`; `/estop` until someone
publishes False. A subclass says what is published and what a command is.
"""

import abc
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.timer import Timer
from std_srvs.srv import Trigger

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.perception.cameras.registry import crops as crops_of
from sandlot.robots import ros_node, ros_params
from sandlot.robots.device import Device, DeviceKind
from sandlot.robots.driver import Driver, DriverConfig
from sandlot.robots.errors import DeviceError
from sandlot.robots.estop import Pressed
from sandlot.robots.ros_camera_thread import CameraThread
from sandlot.robots.ros_diagnostics import ERROR, OK, WARN, diagnostics
from sandlot.robots.stamps import Clocks, StampClock, read_clocks
from sandlot.robots.topics import DIAGNOSTICS, ESTOP, Topic

log = logging.getLogger(__name__)

NAME = "driver"
TOLD = Duration(seconds=0.3)
"""How long a node that failed waits until its last words are heard."""
PRECEDENCE = 2
"""Before the actor and the cameras' thread, after the gate."""
ESTOPPED, STOPPED, INACTIVE = "e-stop", "stop service", "not active"


@dataclass(frozen=True, kw_only=True)
class DriverNodeConfig:
    """What a driver node drives, and how often it says so.

    Attributes:
        device: a name among the robot's devices.
        task: what the robot practises; a simulated device builds its world.
        cameras: the device's own cameras to publish.
        state_hz: rate of the state topics.
        camera_hz: rate of each camera.
        camera_file: the file with the crops of those cameras; "" for whole pictures.
        autostart: configure and activate at once; otherwise a lifecycle manager does.
    """

    device: str = "sim"
    task: str = ""
    cameras: tuple[str, ...] = ()
    state_hz: float = 100.0
    camera_hz: float = 10.0
    camera_file: str = ""
    autostart: bool = True

    def __post_init__(self) -> None:
        for name, most in (("state_hz", 1000.0), ("camera_hz", 120.0)):
            if not 1.0 <= getattr(self, name) <= most:
                raise ConfigError(
                    f"parameter '{name}' is {getattr(self, name)}: it must lie in [1, {most:g}]"
                )


Its = TypeVar("Its", bound=Device)
Settings = TypeVar("Settings", bound=DriverNodeConfig)


class DriverNode(LifecycleNode, abc.ABC, Generic[Its, Settings]):
    """The driver node of a robot.

    Args:
        config: the class of its settings.
        find: a kind of device by its name.
        hold: the topic on which the gate says to hold.
        driver: the class of the settings of what is obeyed.
    """

    def __init__(
        self,
        config: type[Settings],
        find: Callable[[str], DeviceKind],
        hold: Topic,
        driver: type[DriverConfig] = DriverConfig,
    ) -> None:
        super().__init__(NAME)
        self._config = ros_params.declare(self, config)
        self._driver = Driver(ros_params.declare(self, driver))
        self._driver.lock(INACTIVE)
        self._pressed = Pressed()
        kind = find(self._config.device)
        self._device: Its = kind.make(ros_params.declare(self, kind.config_type))
        ros_params.refuse_unknown(self)
        self._stamps, self._ticks = StampClock(), 0
        self._connected = False
        self._error: SandlotError | None = None
        self._timer: Timer | None = None
        self._cameras: CameraThread | None = None
        self._diagnostics = ros_node.publisher(self, DIAGNOSTICS)
        self.listen()
        ros_node.subscription(self, hold, self._on_hold)
        ros_node.subscription(self, ESTOP, self._on_estop)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_service(Trigger, "~/arm", self._on_arm)
        ros_node.timer(self, 1.0, self._diagnose)
        if self._config.autostart:
            self._start()

    @abc.abstractmethod
    def listen(self) -> None:
        """Makes publishers of the state and subscriptions to what is obeyed."""

    @abc.abstractmethod
    def found(self) -> None:
        """The device has just been connected: takes its first measurement."""

    @abc.abstractmethod
    def publish(self, clocks: Clocks) -> None:
        """Reads the device and tells."""

    def let_go(self) -> None:
        """Called before the device is closed."""
        return

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
            self.found()
        except Exception as error:  # rclpy would swallow it
            log.error("event=not_connected device=%s cause=%r", self._config.device, str(error))
            unknown = DeviceError(f"device '{self._config.device}': {error!r}")
            self._error = error if isinstance(error, SandlotError) else unknown
            return TransitionCallbackReturn.FAILURE
        self._connected = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begins to publish, and to obey; until the first command the robot holds."""
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
        self.publish(clocks)
        self._ticks += 1

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
        self.let_go()
        if self._cameras is not None:
            self._cameras.close()
            self._cameras = None
        if connected:
            self._device.close()
