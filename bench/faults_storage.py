"""Faults of the learner's memory: killed or out of room while it saves, updates that are not finite."""

import contextlib
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.transport_rig import row
from sandlot.learners import checkpoint
from sandlot.learners.checkpoint import Disk
from sandlot.learners.errors import DiskFullError, StoreError

Row = dict[str, Any]
KEEP = 2
PIECES_BYTES = 2 * checkpoint.PIECE_BYTES + 1000  # the arrays are written in three pieces


def contents(step: int) -> dict[str, np.ndarray]:
    """The arrays that checkpoint `step` must hold."""
    return {"w": np.random.default_rng(step).integers(0, 256, PIECES_BYTES, np.uint8), "n": np.array(step)}


def intact(found: checkpoint.Checkpoint) -> bool:
    """Whether a loaded checkpoint is the one its step says, to the last bit."""
    expected = contents(found.step)
    same = all(np.array_equal(found.arrays[k], v) for k, v in expected.items())
    return same and found.arrays.keys() == expected.keys() and found.meta == {"step": found.step}


class Failing(Disk):
    """A disk on which call number `at` (counted from 0) goes wrong; `calls` counts those made."""

    METHODS = frozenset({"create", "write", "sync", "make_folder", "rename", "remove", "remove_folder"})

    def __init__(self, at: int = -1) -> None:
        """With `at` = -1 nothing goes wrong."""
        self.at, self.calls = at, 0

    def __getattribute__(self, name: str) -> Any:
        """Every call that changes the disk passes here."""
        method = object.__getattribute__(self, name)
        if name not in Failing.METHODS:
            return method

        def call(*args: Any) -> Any:
            self.calls += 1
            return self.fail(name, *args) if self.calls - 1 == self.at else method(*args)

        return call

    def fail(self, name: str, *args: Any) -> Any:
        """There is no room: a write gets half of its bytes to the disk first."""
        if name == "write":
            os.write(args[0], args[1][: len(args[1]) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Deadly(Failing):
    """A disk at whose call number `at` the process is killed; a write is cut in the middle."""

    def fail(self, name: str, *args: Any) -> Any:
        """Ends this process as `kill -9` does."""
        if name == "write":
            os.write(args[0], args[1][: len(args[1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)


def calls_of_a_save() -> int:
    """How many boundaries a save has that also removes an old checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        for step in range(KEEP + 1):
            disk = Failing()
            checkpoint.save(Path(folder), step, contents(step), {"step": step}, keep=KEEP, disk=disk)
    return disk.calls


# ---- 14: kill during a checkpoint ------------------------------------------------------------------------


def fault_14(injections: int = 420, seed: int = 0) -> Row:
    """SIGKILL at every write boundary of a save, in processes of their own, all on one folder.

    After each kill the newest checkpoint must load bit for bit and be no older than the last save that
    returned, and everything that looks like a checkpoint must be complete.
    """
    env = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, __file__, str(injections), str(seed)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=3600)
    result = json.loads(done.stdout)
    return row("14 killed during a checkpoint", injections, result["violations"], result["ms"], "ms to load")


def kill_many(injections: int, seed: int) -> dict[str, Any]:
    """Runs in a process without threads, which may fork: saves, kills and loads `injections` times."""
    rng, calls = np.random.default_rng(seed), calls_of_a_save()
    violations, ms = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder, last = Path(name), -1
        for at in rng.permutation(np.arange(injections) % (2 * calls)).tolist():
            last, killed = save_until_killed(folder, last + 1, at, last)
            start = time.perf_counter()
            found = checkpoint.load_latest(folder)
            ms.append(1e3 * (time.perf_counter() - start))
            newest = -1 if found is None else found.step
            good = killed and newest in {last, last + 1} and (found is None or intact(found))
            violations += not (good and all_complete(folder))
            last = max(last, newest)
        checkpoint.save(folder, last + 1, contents(last + 1), {"step": last + 1}, keep=KEEP)
        violations += len(list(folder.iterdir())) != KEEP  # what the kills left behind is gone
    return {"violations": violations, "ms": ms}


def save_until_killed(folder: Path, step: int, at: int, last: int) -> tuple[int, bool]:
    """A child saves step after step until it dies; the last save that returned, and whether it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            disk = Deadly(at)
            for n in itertools.count(step):
                checkpoint.save(folder, n, contents(n), {"step": n}, keep=KEEP, disk=disk)
                os.write(write, n.to_bytes(8, "little"))
        finally:
            os._exit(1)  # an error is not the kill that was asked for
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        done = pipe.read()
    last = int.from_bytes(done[-8:], "little") if done else last
    return last, os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def all_complete(folder: Path) -> bool:
    """Whether every folder named as a checkpoint is one."""
    try:
        return all(intact(checkpoint.load(p, step)) for _, step, p in checkpoint.listing(folder))
    except StoreError:
        return False


# ---- 13: full disk ---------------------------------------------------------------------------------------


def fault_13_checkpoint(injections: int = 200, seed: int = 0) -> Row:
    """No room at each call of a save in turn, and on a small tmpfs (as root) with too little free.

    The save must say so, the last good checkpoint must load, nothing half written may stay, and the next save
    must work once there is room.
    """
    violations, ms, calls = 0, [], calls_of_a_save()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i in range(injections):
            violations += not survives(folder, i, Failing(i % calls), ms, must_raise=False)
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name)) as mounted:
        tries = injections // 4 if mounted else 0
        for i in range(tries):
            filler = Path(name) / "filler"
            free = int(rng.integers(0, PIECES_BYTES - 10_000))
            violations += not survives(
                Path(name) / "c", i, Disk(), ms, must_raise=True, filler=filler, free=free
            )
    return row("13 full disk, checkpoint", injections + tries, violations, ms, "ms to save with room again")


def survives(
    folder: Path,
    i: int,
    disk: Disk,
    ms: list[float],
    *,
    must_raise: bool,
    filler: Path | None = None,
    free: int = 0,
) -> bool:
    """Saves once with room, once without, once with room again; whether all promises held."""
    checkpoint.save(folder, 3 * i, contents(3 * i), {"step": 3 * i}, keep=KEEP)
    if filler:
        fill(filler, free)
    try:
        checkpoint.save(folder, 3 * i + 1, contents(3 * i + 1), {"step": 3 * i + 1}, keep=KEEP, disk=disk)
        raised = False
    except DiskFullError:
        raised = True
    if filler:
        filler.unlink()
    found = checkpoint.load_latest(folder)
    good = found is not None and intact(found) and found.step >= 3 * i and (raised or not must_raise)
    good = good and (found.step == 3 * i + 1 or raised) and not (raised and any(folder.glob(".*")))
    start = time.perf_counter()
    checkpoint.save(folder, 3 * i + 2, contents(3 * i + 2), {"step": 3 * i + 2}, keep=KEEP)
    ms.append(1e3 * (time.perf_counter() - start))
    found = checkpoint.load_latest(folder)
    return good and found is not None and found.step == 3 * i + 2 and intact(found) and all_complete(folder)


def fill(path: Path, free: int) -> None:
    """Takes all room but `free` bytes."""
    room = os.statvfs(path.parent)
    size = max(0, room.f_bavail * room.f_frsize - free)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, size))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mounts a 16 MB tmpfs there; yields whether that was allowed."""
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


# ---- 17: updates that are not finite ---------------------------------------------------------------------


def fault_17(injections: int = 1000, seed: int = 0) -> Row:
    """NaN, infinities and 1e38 in every field of a batch; see `bench.faults_update`."""
    from bench.faults_update import poison_many  # loads JAX, which the process that forks must not

    violations, ms = poison_many(injections, seed)
    return row("17 update that is not finite", injections, violations, ms, "ms to roll back")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kill_many(int(sys.argv[1]), int(sys.argv[2]))))
