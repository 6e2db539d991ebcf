"""Shared memory that dead ROS processes left behind; no ROS import here.

A killed process cannot remove its Fast DDS segments (32 MB each with our profile); some hundred of them fill
/dev/shm, and then no node starts any more.
"""

import contextlib
import fcntl
import os
import pathlib
import re

SHM = pathlib.Path("/dev/shm")  # noqa: S108  where Linux keeps it
NAME = re.compile(r"(sem\.)?fastdds_\w+")
LOCKS = ("_el", "_sl")
"""A living owner of `X` holds an flock on `X_el`, readers of a port on `X_sl`."""
MUTEX = re.compile(r"sem\.(fastdds_port\d+)_mutex")


def clean(folder: pathlib.Path = SHM) -> int:
    """Removes our own Fast DDS files that no process uses any more; returns how many bytes that frees."""
    files = [f for f in folder.glob("*fastdds_*") if NAME.fullmatch(f.name) and _ours(f)]
    used = _in_use() if files else set()
    freed = 0
    for file in files:
        if str(file) not in used and not _locked(folder, _owner(file.name)):
            with contextlib.suppress(OSError):
                freed += file.stat().st_blocks * 512
                file.unlink()
    return freed


def _ours(file: pathlib.Path) -> bool:
    try:
        return file.stat().st_uid == os.getuid()
    except OSError:  # gone meanwhile
        return False


def _owner(name: str) -> str:
    """The segment or port that a file belongs to."""
    mutex = MUTEX.fullmatch(name)
    return mutex[1] if mutex else name.removesuffix(LOCKS[0]).removesuffix(LOCKS[1])


def _locked(folder: pathlib.Path, owner: str) -> bool:
    """Whether somebody holds a lock of this segment or port, in another container too."""
    return any(_held(folder / f"{owner}{suffix}") for suffix in LOCKS)


def _held(lock: pathlib.Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _in_use() -> set[str]:
    """Every file in shared memory that some process of this machine has mapped or open."""
    used: set[str] = set()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            for line in (process / "maps").read_text().splitlines():
                if "/dev/shm/" in line:  # noqa: S108
                    used.add(line.split(maxsplit=5)[5].removesuffix(" (deleted)"))
            for entry in os.scandir(process / "fd"):
                with contextlib.suppress(OSError):
                    used.add(os.readlink(entry.path))
    return used
