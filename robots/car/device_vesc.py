"""A car behind a VESC as a device: speed and steering out, wheel speed and battery in, and its brakes.

Three things stop it. `hold` does at once. A thread of this device brakes when no command came within
`watchdog_s`, and lets go when the wheels stand; only `command` counts as a sign of life. For a computer that
died or froze, and for a cable that fell out, nothing but the VESC itself is left: in VESC Tool, App Settings,
General, set "Timeout" to 80 ms (it looks every 10 ms) and "Timeout Brake Current" to what stops the car
(20 A), and write the app settings. They come as 1000 ms and 0 A, with which the car drives on for a second
and then rolls, so `connect` refuses them. Nothing repeats commands here: the node must send the one in force
again every 20 ms, as the gate does.

"Enable Servo Output" on the same page is off in a new VESC, and it says so to nobody: when the wheels do not
turn to the side, look there first.
"""

import contextlib
import logging
import math
import threading
import time

from sandlot.learners import process
from sandlot.robots.car import watchdog
from sandlot.robots.car.device import CarState, Frame
from sandlot.robots.car.spec import CarCommand
from sandlot.robots.car.vesc_config import Config
from sandlot.robots.car.watchdog import STAND_MPS, Mode, Order, Watch
from sandlot.robots.errors import DeviceError
from sandlot.robots.serial_port import Port
from sandlot.robots.vesc import protocol
from sandlot.robots.vesc.host import Host, SilentError
from sandlot.robots.vesc.values import Values

log = logging.getLogger(__name__)

HELLO_TRIES = 5
YIELD_S = 0.005
"""The watchdog's thread rests for so long at least: others who talk to a silent VESC must get their turn."""
KILL_SWITCH = "kill switch pressed"
CLOSE_S = 2.0
"""A car that is closed while it drives is given so long to stand."""
LATE_S = 0.05
"""By so much a VESC may let go later than its timeout says, and this computer may see it later."""
SETTINGS = (
    "in VESC Tool, App Settings, General, set Timeout to 80 ms and Timeout Brake Current to what stops the "
    "car (20 A), and write; firmware_timeout_s:=0 drives without"
)


def make(config: Config) -> "VescCar":
    """The device; `connect` opens the port."""
    return VescCar(config)


class VescCar:
    """A CarDevice on a VESC. Its methods may be called from any thread."""

    cameras: tuple[str, ...] = ()

    def __init__(self, config: Config) -> None:
        self._config, self._watching = config, config.watching()
        self._wake = threading.Condition(threading.RLock())
        """Its lock is held by whoever talks to the VESC or looks at what follows."""
        self._host: Host | None = None
        self._thread: threading.Thread | None = None
        self._watch = Watch()
        self._state: CarState | None = None
        self._steering_rad = 0.0
        self._fault = self._present = self._lost = ""

    def connect(self) -> None:
        """Says hello, checks faults, kill switch and the VESC's own timeout; nothing moves."""
        self.close()
        host = Host(Port(self._config.port, self._config.baud), self._config)
        try:
            firmware = host.hello()
            fault = _fault(_ask(host, protocol.set_current(0.0)))
            if fault:
                raise DeviceError(
                    f"{self._config.port}: the VESC reports '{fault}'; put that right, then connect again"
                )
            _check_timeout(host, self._config)
        except DeviceError:
            host.close()
            raise
        with self._wake:
            self._host, self._watch, self._state = host, Watch(), None
            self._fault = self._present = self._lost = ""
        self._thread = threading.Thread(target=self._guard, args=(host,), name="car watchdog", daemon=True)
        self._thread.start()
        log.info("event=connected port=%s firmware='%s'", self._config.port, firmware)

    def read(self, now_s: float) -> CarState:
        """Wheel speed, battery and fault; an answer that is missing leaves the one before, with its stamp.

        A VESC that has been silent for the watchdog's time is told to brake.
        """
        with self._wake:
            host = self._opened()
            try:
                values = host.values()
            except SilentError:
                if self._state and now_s - self._state.stamp_s < self._watching.watchdog_s:
                    return self._state
                self._brake("the VESC does not answer")
                raise
            self._take(values)
            self._state = CarState(
                stamp_s=now_s,
                wheel_mps=self._config.wheel_mps(values.erpm),
                steering_rad=self._steering_rad,
                battery_v=values.battery_v,
                motor_a=values.motor_a,
                fault=self._fault,
            )
            return self._state

    def frames(self, now_s: float) -> dict[str, Frame]:
        """A VESC has no cameras."""
        return {}

    def command(self, command: CarCommand, now_s: float) -> None:
        """Sends speed and steering; one that comes later than `now_s` by the watchdog's time is none."""
        with self._wake:
            host = self._opened()
            if self._fault:
                raise DeviceError(
                    f"{self._config.port}: the car was braked ({self._fault}); put that right, then hold() "
                    "it before the next command"
                )
            if not (math.isfinite(command.speed_mps) and math.isfinite(command.steering_rad)):
                self._brake("a command that is no number")
                raise DeviceError(
                    f"{self._config.port}: {command} is no command: both must be numbers; the car brakes"
                )
            if time.monotonic() - now_s >= self._watching.silence_s:  # this process was frozen meanwhile
                log.warning("event=late_command seconds=%.3f", time.monotonic() - now_s)
                return
            self._watch = watchdog.commanded(self._watch, now_s)
            host.send(self._drive(command.speed_mps) + self._steer(command.steering_rad))
            self._wake.notify()

    def hold(self, now_s: float) -> None:
        """Brakes; once it stands and the VESC is well, a fault is forgotten."""
        with self._wake:
            self._opened()
            self._brake("held")
            if self._fault and not self._present and self._watch.mode is Mode.FREE:
                log.info("event=fault_forgotten fault=%r", self._fault)
                self._fault = ""

    def close(self) -> None:
        """Brakes until the car stands, leaves the VESC braking, and frees the port."""
        with self._wake:
            host, thread = self._host, self._thread
            if host is None:
                return
            until_s = time.monotonic() + CLOSE_S
            try:
                self._brake("closed")
                while self._watch.mode is Mode.BRAKING and not self._lost and time.monotonic() < until_s:
                    self._wake.wait(0.01)
                host.send(protocol.set_brake(self._config.brake_current_a))
            except DeviceError as error:
                log.warning("event=not_left_in_order cause=%r", str(error))
            self._host = self._thread = None
            self._wake.notify_all()
        if thread is not None:
            thread.join()
        host.close()

    def _opened(self) -> Host:
        if self._host is None:
            raise DeviceError(f"{self._config.port}: the car is not connected")
        return self._host

    def _guard(self, host: Host) -> None:
        """The watchdog's thread: asks when something is due, and tells the motor."""
        process.take_precedence()
        with self._wake:
            while self._host is host:
                try:
                    self._obey(host, look=True)
                except DeviceError as error:
                    if not self._lost:
                        log.error("event=cannot_brake cause=%r", str(error))
                    self._lost = str(error)
                wait_s = watchdog.due_s(self._watch, self._watching) - time.monotonic()
                self._wake.wait(None if math.isinf(wait_s) else max(YIELD_S, wait_s))

    def _brake(self, cause: str) -> None:
        """Brakes now, without waiting for an answer; the thread goes on with it."""
        self._watch = watchdog.held(self._watch, cause, time.monotonic())
        self._obey(self._opened(), look=False)
        self._wake.notify()

    def _obey(self, host: Host, *, look: bool) -> None:
        """Tells the motor what is due, and looks at the wheels where there is time for an answer."""
        before = self._watch.mode
        self._watch, order = watchdog.tick(self._watch, time.monotonic(), self._watching)
        if order is Order.RELEASE:
            host.send(protocol.set_current(0.0))
        elif order is Order.BRAKE:
            brake = protocol.set_brake(self._config.brake_current_a)
            if look:
                self._take(host.values(brake))
            else:
                host.send(brake)
        if self._watch.mode is not before:
            log.info("event=%s cause=%r", self._watch.mode.value, self._watch.cause)

    def _take(self, values: Values) -> None:
        """Notes what the VESC says; a fault brakes, and lasts until a hold."""
        stands = values.erpm / abs(self._config.speed_to_erpm_gain)
        self._watch = watchdog.measured(self._watch, stands, time.monotonic())
        self._lost = ""
        self._present = _fault(values)
        if self._present and self._present != self._fault:
            log.error("event=fault fault=%r", self._present)
            self._fault = self._present
        if self._fault and self._watch.mode is Mode.DRIVING:
            self._brake(self._fault)

    def _drive(self, speed_mps: float) -> bytes:
        """The motor's frame; to stand is to brake, since a VESC only lets go at very few revolutions."""
        if abs(speed_mps) < STAND_MPS:
            return protocol.set_brake(self._config.brake_current_a)
        return protocol.set_rpm(self._config.erpm(speed_mps))

    def _steer(self, steering_rad: float) -> bytes:
        position = self._config.servo(steering_rad)
        self._steering_rad = self._config.steering_rad(position)
        return protocol.set_servo(position)


def _fault(values: Values) -> str:
    """What is wrong with the drive, in words."""
    return KILL_SWITCH if values.killed else values.fault_text


def _ask(host: Host, before: bytes = b"") -> Values:
    """The measurements, asked for more patiently than while the car drives."""
    for _ in range(HELLO_TRIES):
        with contextlib.suppress(SilentError):
            return host.values(before)
    return host.values(before)


def _check_timeout(host: Host, config: Config) -> None:
    """DeviceError unless the VESC brakes by itself when nobody commands it: seen, and read in settings."""
    if not config.firmware_timeout_s:
        log.warning("event=firmware_timeout_unchecked port=%s", config.port)
        return
    told = host.timeout()
    if told and told.brake_a <= 0.0:
        raise DeviceError(
            f"{config.port}: the VESC would only let the car roll when this computer dies; {SETTINGS}"
        )
    host.send(protocol.set_current(0.0))
    until_s = time.monotonic() + config.firmware_timeout_s + LATE_S
    while not (timed_out := _ask(host).timed_out) and time.monotonic() < until_s:
        time.sleep(0.005)
    if not timed_out and not (told and 0.0 < told.timeout_s <= config.firmware_timeout_s):
        seen = f"{told.timeout_s:g} s" if told else f"more than {config.firmware_timeout_s:g} s, or unknown"
        raise DeviceError(
            f"{config.port}: the VESC's own timeout is {seen}, the most is firmware_timeout_s="
            f"{config.firmware_timeout_s:g}: a computer that dies would leave the car driving; {SETTINGS}"
        )
    if told is None:
        log.warning("event=timeout_brake_unknown port=%s", config.port)
