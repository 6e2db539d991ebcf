"""Keeps a graph's processes running, with supervisor (supervisord.org) as a child of `sandlot up`.

It starts them in order and ends them in the reverse one, starts again what crashed, and writes their output
to the run's logs. Ended with code 0 (done) or 2 (refused), a process stays down. When `sandlot up` dies,
however it dies, supervisor gets SIGTERM and ends everything in order; when supervisor dies, every process
gets SIGTERM.
"""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client  # nosec  (to a socket of our own)
from collections.abc import Mapping, Sequence
from typing import Any

from sandlot.learners.errors import SandlotError
from sandlot.learners.process import PARENT_VARIABLE, USAGE_EXIT, die_with_parent, last_lines
from sandlot.robots.graph import NodeSpec

END_WITHIN_S = 10
"""A process that has not ended this long after SIGTERM is killed."""
REACH_WITHIN_S = 10.0
PROGRAM = """
[program:{name}]
command={command}
priority={priority}
autorestart=unexpected
exitcodes=0,{refused}
startsecs=0
stopwaitsecs={wait_s}
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""
HEAD = """
[supervisord]
nodaemon=true
silent=true
logfile={logs}/supervisor.log
logfile_maxbytes=1MB
pidfile={private}/pid
[unix_http_server]
file={private}/socket
chmod=0600
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


@dataclasses.dataclass(frozen=True)
class ProcessState:
    """How one process is.

    Attributes:
        state: starting, running, exited, ...; supervisor's words in lower case.
        pid: 0 while it is down.
        exit_code: of its last end; -1: a signal ended it.
        restarts: how often it was started again.
    """

    state: str
    pid: int = 0
    exit_code: int = 0
    restarts: int = 0

    @property
    def done(self) -> bool:
        """Whether it ended because its work is done."""
        return self.state == "exited" and self.exit_code == 0

    @property
    def refused(self) -> bool:
        """Whether starting it again would be refused again."""
        return self.state == "exited" and self.exit_code == USAGE_EXIT


class Supervisor:
    """The processes of one graph.

    Args:
        specs: what to run, in order.
        logs: folder of the log files.
        environment: for all of them.
    """

    def __init__(
        self,
        specs: Sequence[NodeSpec],
        logs: pathlib.Path,
        environment: Mapping[str, str],
    ) -> None:
        self.specs, self.logs = specs, logs
        self._private = tempfile.TemporaryDirectory(prefix="sandlot-up-")  # a socket's path must be short
        config = pathlib.Path(self._private.name) / "supervisor.ini"
        config.write_text(configuration(specs, logs, pathlib.Path(self._private.name)))
        self._pids: dict[str, list[int]] = {spec.name: [] for spec in specs}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sandlot.robots.supervise", str(config)],
            stdin=subprocess.DEVNULL,
            env={**environment, PARENT_VARIABLE: str(os.getpid())},
            start_new_session=True,  # Ctrl-C reaches `sandlot up` alone
        )

    def states(self) -> dict[str, ProcessState]:
        """How every process is now; SandlotError when supervisor is gone."""
        return {info["name"]: self._state(info) for info in self._ask()}

    def last_line(self, name: str) -> str:
        """The last line that a process wrote: what a refused one had to say."""
        return (self.last_lines(name) or ["(it wrote nothing)"])[-1]

    def last_lines(self, name: str) -> list[str]:
        """The end of a process's log."""
        return last_lines(self.logs / f"{name}.log")

    def stop(self) -> None:
        """Ends all processes, in the reverse order of their start, and supervisor itself."""
        if self._process.poll() is None:
            with contextlib.suppress(SandlotError):
                for state in self.states().values():
                    with contextlib.suppress(ProcessLookupError):
                        if state.pid:
                            os.kill(state.pid, signal.SIGCONT)  # a frozen process cannot handle SIGTERM
            self._process.terminate()
            try:
                self._process.wait(len(self.specs) * (END_WITHIN_S + 2.0))
            except subprocess.TimeoutExpired:
                self._process.kill()  # every process has asked for SIGTERM when this one dies
                self._process.wait()
        self._private.cleanup()

    def _ask(self) -> list[dict[str, Any]]:
        until_s = time.monotonic() + REACH_WITHIN_S
        while True:
            try:
                found: Any = _server(
                    pathlib.Path(self._private.name) / "socket"
                ).supervisor.getAllProcessInfo()
                return list(found)
            except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
                gone = self._process.poll() is not None
                if gone or time.monotonic() > until_s:
                    raise SandlotError(
                        f"supervisor {'ended' if gone else 'does not answer'} ({error}); "
                        f"see {self.logs / 'supervisor.log'}"
                    ) from error
            time.sleep(0.05)

    def _state(self, info: Mapping[str, Any]) -> ProcessState:
        pids, pid = self._pids[info["name"]], int(info["pid"])
        if pid and pid not in pids:
            pids.append(pid)
        return ProcessState(info["statename"].lower(), pid, int(info["exitstatus"]), max(0, len(pids) - 1))


def configuration(specs: Sequence[NodeSpec], logs: pathlib.Path, private: pathlib.Path) -> str:
    """Supervisor's configuration file for a graph."""
    text = HEAD.format(logs=_escaped(str(logs)), private=private)
    for priority, spec in enumerate(specs, 1):
        text += PROGRAM.format(
            name=spec.name,
            command=_escaped(shlex.join(spec.argv())),
            priority=priority,
            refused=USAGE_EXIT,
            wait_s=END_WITHIN_S,
            log=_escaped(str(logs / f"{spec.name}.log")),
        )
    return text


def _escaped(text: str) -> str:
    """Text as supervisor's configuration file takes it."""
    return text.replace("%", "%%")


def _server(socket: pathlib.Path) -> xmlrpc.client.ServerProxy:
    from supervisor.xmlrpc import SupervisorTransport  # noqa: PLC0415  (an extra)

    transport = SupervisorTransport(None, None, serverurl=f"unix://{socket}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)


def main() -> None:
    """Supervisor itself, told to die with `sandlot up`, and its children with it."""
    from supervisor.supervisord import main as supervise  # noqa: PLC0415  (an extra)

    die_with_parent()
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    supervise(["-c", sys.argv[1]])


if __name__ == "__main__":
    main()
