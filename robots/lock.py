"""One instance of a node on a machine: a lock file that dies with its process; no ROS import here."""

import contextlib
import fcntl
import os
import pathlib
import tempfile
from types import TracebackType

from sandlot.learners.errors import BusyError


def lock_file(full_name: str, domain: str | None = None) -> pathlib.Path:
    """Where the lock of a node lies: one a ROS domain and full name, shared by all users of the machine."""
    domain = os.environ.get("ROS_DOMAIN_ID", "0") if domain is None else domain
    name = full_name.strip("/").replace("/", "-")
    return pathlib.Path(tempfile.gettempdir()) / f"sandlot-{domain or '0'}-{name}.lock"


class InstanceLock:
    """Holds the lock of one node until it is closed or the process ends, however it ends.

    Args:
        full_name: of the node, `/arm/driver`.

    Raises:
        BusyError: another process holds it; the text says which.
    """

    def __init__(self, full_name: str) -> None:
        self.full_name = full_name
        self.path = lock_file(full_name)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._handle: int | None = os.open(self.path, flags, 0o666)
        except OSError as error:
            raise BusyError(
                f"node {full_name}: its lock {self.path} cannot be opened ({error.strerror}); another user "
                "runs it, or left the file behind: remove it, or choose another ROS_DOMAIN_ID"
            ) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._handle, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._handle)
            raise BusyError(
                f"node {full_name} already runs on this machine (pid {owner}); stop that one first, or "
                "choose another namespace or ROS_DOMAIN_ID"
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)

    def close(self) -> None:
        """Gives the lock back; may be called twice. The file stays, or a successor could miss it."""
        handle, self._handle = self._handle, None
        if handle is not None:
            with contextlib.suppress(OSError):
                os.close(handle)

    def __enter__(self) -> "InstanceLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
