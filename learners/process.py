"""OS processes: start them, watch them, restart what died, end only what we started."""

import contextlib
import ctypes
import dataclasses
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from sandlot.learners.errors import SandlotError

log = logging.getLogger(__name__)

PARENT_VARIABLE = "SANDLOT_PARENT_PID"
USAGE_EXIT = 2
"""Exit code of anything refused on purpose: starting it again would be refused again."""

SWITCH_INTERVAL_S = 0.0002
"""For processes with a deadline: by Python's default another thread may hold up the loop for 5 ms."""

STOPPED_EXIT = 3
"""Exit code of a learner that was told to stop before its run was finished."""

TAIL_BYTES = 65_536
"""So much of a log's end is looked through for what its process had to say."""

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Asks Linux for SIGTERM when the supervisor dies, even by SIGKILL; does nothing when started by hand."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before we asked
        raise SandlotError(
            f"the supervisor (pid {parent}) is gone; start this process by hand without {PARENT_VARIABLE}"
        )


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or Ctrl-C sets; a second signal interrupts at once."""
    stop = threading.Event()

    def handle(number: int, _frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        log.info("stopping signal=%s", signal.Signals(number).name)

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def take_precedence(level: int = 1) -> bool:
    """Puts this thread, and those it starts, before all ordinary processes; False where that is not allowed.

    Linux allows it to root, or up to `ulimit -r`. A control loop needs little time, but that at once.

    Args:
        level: before whom else: a process of a higher level goes before those of a lower one.
    """
    for allowed in sorted({level, 1}, reverse=True):
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(allowed))
        except (OSError, AttributeError):  # not permitted; not Linux
            continue
        return True
    return False


def yield_precedence() -> None:
    """Makes this thread, and those it starts, ordinary ones again."""
    with contextlib.suppress(OSError, AttributeError):  # not permitted; not Linux
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@dataclasses.dataclass
class RestartPolicy:
    """The wait before a restart: doubles from `first_s` to `most_s`, is `first_s` again after `calm_s`."""

    first_s: float = 0.5
    most_s: float = 10.0
    calm_s: float = 30.0
    failures: int = 0

    def delay_s(self, ran_s: float) -> float:
        """Notes a death after `ran_s` seconds of life and returns the wait before the next start."""
        self.failures = 1 if ran_s > self.calm_s else self.failures + 1
        return min(self.first_s * 2 ** (self.failures - 1), self.most_s)


def last_lines(file: pathlib.Path) -> list[str]:
    """The last lines of a log, the newest last; empty when there is none yet."""
    try:
        with file.open("rb") as log_file:
            log_file.seek(max(0, log_file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return log_file.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return []


class Child:
    """One supervised process; its output goes to a log file in the run folder."""

    def __init__(
        self, name: str, argv: list[str], log_file: pathlib.Path, *, nice: int = 0, forever: bool = False
    ) -> None:
        """A process of its own; one that runs `forever` is also restarted when it ends without an error."""
        self.name, self.argv, self.log_file, self.nice, self.forever = name, argv, log_file, nice, forever
        self.restarts = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._policy = RestartPolicy()
        self._started_s = 0.0
        self._start_at_s = 0.0

    def start(self, now_s: float) -> None:
        """Starts it in its own process group, so that Ctrl-C reaches the supervisor alone."""
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                ["nice", "-n", str(self.nice), *self.argv] if self.nice else self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                start_new_session=True,
            )
        self._started_s = now_s

    def tick(self, now_s: float, on_event: Callable[[str], None]) -> int | None:
        """Restarts it when it died; returns the exit code when it ended for good (done, or refused)."""
        if self.process is None:
            if now_s >= self._start_at_s:
                self.start(now_s)
            return None
        code = self.process.poll()
        if code is None:
            return None
        if code == USAGE_EXIT or (code == 0 and not self.forever):
            return code
        delay_s = self._policy.delay_s(now_s - self._started_s)
        self.process, self._start_at_s = None, now_s + delay_s
        self.restarts += 1
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        on_event(f"{self.name} died {how}; restarting in {delay_s:.1f} s (see {self.log_file})")
        return None

    @property
    def pid(self) -> int:
        """Process id, 0 while it is down."""
        return self.process.pid if self.process else 0

    def last_line(self) -> str:
        """The last line it wrote: what a refused process had to say."""
        return (last_lines(self.log_file) or ["(it wrote nothing)"])[-1]

    def stop(self, timeout_s: float = 15.0) -> None:
        """SIGTERM, then SIGKILL when it does not end in time."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGCONT)  # a frozen process cannot handle SIGTERM
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            log.warning("killed name=%s pid=%d after_s=%.0f", self.name, self.process.pid, timeout_s)
            self.process.kill()
            self.process.wait()


def sandlot_argv(*arguments: str) -> list[str]:
    """The command line of a Sandlot subcommand under this Python."""
    return [sys.executable, "-m", "sandlot", *arguments]
