"""How every node's process runs: environment, single instance, executor, signals, exit code.

    def main(argv=None) -> int:
        return ros_node.run_node("driver", ArmDriver, argv=argv, precedence=True)

Exit codes: 0 stopped by a signal, 2 refused (a setting, a second instance: starting it again would be refused
again), 1 failed (a supervisor may start it again). What went wrong is one line on stderr.
"""

import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402  after its environment
from rclpy.clock import Clock, ClockType  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.logging import get_logger  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rclpy.signals import SignalHandlerOptions  # noqa: E402
from rclpy.subscription import Subscription  # noqa: E402
from rclpy.timer import Timer  # noqa: E402

from sandlot.learners import process  # noqa: E402
from sandlot.learners.errors import BusyError, ConfigError, SandlotError  # noqa: E402
from sandlot.robots import ros_qos  # noqa: E402
from sandlot.robots.lock import InstanceLock  # noqa: E402
from sandlot.robots.topics import Topic  # noqa: E402

log = logging.getLogger(__name__)

REFUSED_EXIT, FAILED_EXIT = process.USAGE_EXIT, 1
STEADY = Clock(clock_type=ClockType.STEADY_TIME)
WAKE_S = 0.1
"""How soon a signal is seen by a node that has nothing else to do."""
HERE_S, ELSEWHERE_S = 0.3, 1.5
"""How long the graph is asked for a node of the same name, on this machine alone and on a network."""


def run_node(
    name: str,
    make: Callable[[], Node],
    *,
    argv: Sequence[str] | None = None,
    precedence: int = 0,
    control: bool = False,
) -> int:
    """Runs one node until SIGTERM or Ctrl-C and returns its exit code.

    Args:
        name: the node's name before any `-r __node:=`, as its class gives it to `Node`.
        make: makes the node, once it is certain to be the only one of its name. Its method `fail(error)`, if
            it has one, is called when a callback raised; its method `close` at the end, whatever ended it.
        argv: ROS arguments; those of this process when None.
        precedence: unless 0 it has a deadline: its threads go before those of ordinary processes, and of
            nodes with a lower number.
        control: it must never wait for another process, and sends nothing large: no shared memory. The
            process starts anew for it, so only with its own arguments.
    """
    if control and argv is None and ros_env.prepare_control():
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very program
    process.die_with_parent()
    stop = process.stop_on_signals()
    if precedence:
        sys.setswitchinterval(process.SWITCH_INTERVAL_S)
        process.take_precedence(precedence)
    try:
        _init([name, *(sys.argv[1:] if argv is None else argv)])
        with only_instance(name) as lock:
            _log_to_ros(lock.full_name)
            return _run(make, stop)
    except SandlotError as error:
        return _give_up(name, error)
    finally:
        rclpy.try_shutdown()


def _init(args: list[str]) -> None:
    """Starts ROS; ConfigError on one line when its arguments cannot be read."""
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)  # stop_on_signals has them
    except RuntimeError as error:  # rclpy's RCLError and UnknownROSArgsError
        text = str(error).split(", at /")[0]
        raise ConfigError(f"ROS arguments {' '.join(args[1:])} cannot be used: {text}") from error


def _run(make: Callable[[], Node], stop: threading.Event) -> int:
    """Makes the node and spins it."""
    node = make()
    try:
        spin(node, stop)
    except Exception as error:
        getattr(node, "fail", lambda _: None)(error)
        raise
    finally:
        getattr(node, "close", lambda: None)()
    return 0


def spin(node: Node, stop: threading.Event) -> None:
    """Runs a node's callbacks in this thread until `stop`; what a callback raises is raised here."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    timer(node, WAKE_S, lambda: None)
    gc.collect()
    gc.freeze()  # what exists now stays: collections need not look at it again
    while not stop.is_set() and rclpy.ok():
        executor.spin_once()


def _give_up(name: str, error: SandlotError) -> int:
    """One line on stderr and the exit code."""
    sys.stderr.write(f"sandlot {name}: {' '.join(str(error).split())}\n")
    return REFUSED_EXIT if isinstance(error, ConfigError | BusyError) else FAILED_EXIT


def timer(node: Node, period_s: float, callback: Callable[[], Any]) -> Timer:
    """A timer on the steady clock: it neither jumps nor stops when the wall clock or /clock does."""
    return node.create_timer(period_s, callback, clock=STEADY)


def publisher(node: Node, topic: Topic) -> Publisher[Any]:
    """A publisher of a topic, with its type and quality of service."""
    return node.create_publisher(ros_qos.message_class(topic), topic.name, ros_qos.profile(topic))


def subscription(node: Node, topic: Topic, callback: Callable[..., None]) -> Subscription[Any]:
    """A subscription to a topic; `callback(msg)`, or `callback(msg, info)` where the publisher matters."""
    return node.create_subscription(
        ros_qos.message_class(topic), topic.name, callback, ros_qos.profile(topic)
    )


def only_instance(name: str) -> InstanceLock:
    """The lock of the node that this process is about to start; BusyError when there is one already.

    On this machine a lock file decides, so that a successor may start while DDS still lists a node that was
    killed; on others, the graph does.
    """
    probe = rclpy.create_node(name, enable_rosout=False, start_parameter_services=False)
    try:
        full_name = str(probe.get_fully_qualified_name())
        lock = InstanceLock(full_name)
        alone = os.environ.get(ros_env.DISCOVERY) in {"LOCALHOST", "OFF", "SYSTEM_DEFAULT"}
        until_s = time.monotonic() + (HERE_S if alone else ELSEWHERE_S)
        while time.monotonic() < until_s:
            if _another(probe, full_name):
                lock.close()
                raise BusyError(
                    f"node {full_name} already runs in ROS domain {os.environ.get('ROS_DOMAIN_ID', '0')}, "
                    "outside this machine's lock; stop that one first, or choose another namespace"
                )
            time.sleep(0.05)
        return lock
    finally:
        probe.destroy_node()


def _another(probe: Node, full_name: str) -> bool:
    """Whether the graph shows a living node of this name in another process."""
    mine: set[bytes] = set()
    theirs: set[bytes] = set()
    for endpoint in probe.get_publishers_info_by_topic("/parameter_events"):
        found = f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}"
        if found == full_name:
            gid = bytes(endpoint.endpoint_gid)
            (mine if is_own(gid) else theirs).add(gid)
    return any(is_alive(gid, next(iter(mine), b"")) for gid in theirs)


def is_own(gid: bytes) -> bool:
    """Whether a Fast DDS endpoint is of this process: bytes 4 and 5 of its id are the pid's low half."""
    return gid[:2] == b"\x01\x0f" and int.from_bytes(gid[4:6], "little") == os.getpid() & 0xFFFF


def is_alive(gid: bytes, mine: bytes) -> bool:
    """False for an endpoint of this machine (bytes 2 and 3 are the host's) whose process is gone."""
    if gid[:4] != mine[:4]:
        return True
    low = int.from_bytes(gid[4:6], "little")
    return any(int(p) & 0xFFFF == low for p in os.listdir("/proc") if p.isdigit())


class _ToRos(logging.Handler):
    """Hands log records to a node's logger: the terminal, /rosout and ROS_LOG_DIR, as ROS users know it."""

    def __init__(self, full_name: str) -> None:
        super().__init__()
        self._logger = get_logger(full_name.strip("/").replace("/", "."))

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


def _log_to_ros(full_name: str) -> None:
    logging.basicConfig(level=logging.INFO, handlers=[_ToRos(full_name)], format="%(message)s", force=True)
