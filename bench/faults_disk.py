"""Fault 13: the disks under the run store and the spool are full, at every place where they may fill."""

import contextlib
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.transport_rig import LAYOUT, QUICK, SPEC, acked_s, batch, damage, row
from sandlot.learners.errors import DiskFullError
from sandlot.learners.schema import Stream
from sandlot.learners.spool import Spool
from sandlot.learners.store import RunStore
from sandlot.learners.transport import StepClient, StepServer

Row = dict[str, Any]
LOOPBACK = "tcp://127.0.0.1:0"
_TMPFS_MB = 64


def _send(client: StepClient, first: int) -> None:
    made = batch(first, 5)
    client.send(made.steps, made.finals)


def _ms(call: Callable[[], object]) -> float:
    begin_s = time.perf_counter()
    call()
    return (time.perf_counter() - begin_s) * 1e3


class SmallDisk:
    """A folder on a disk of 64 MB that can be filled up to any byte: a tmpfs, which only root may mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        options = f"size={_TMPFS_MB}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    def fill(self, leave_bytes: int) -> None:
        """Leaves so much room, rounded down to pages."""
        status = os.statvfs(self.folder)
        ballast = max(0, status.f_bavail * status.f_frsize - leave_bytes)
        with open(self.folder / "ballast", "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, ballast))

    def free(self) -> None:
        """Makes room again."""
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounts."""
        subprocess.run(["umount", str(self.folder)], check=True)


@contextlib.contextmanager
def small_disk() -> Iterator[SmallDisk]:
    """A small disk for a while."""
    with tempfile.TemporaryDirectory() as folder:
        disk = SmallDisk(Path(folder) / "disk")
        try:
            yield disk
        finally:
            disk.close()


def can_mount() -> bool:
    """Whether this process may make a small disk."""
    try:
        with small_disk():
            return True
    except (subprocess.CalledProcessError, FileNotFoundError):
        return False


def fault_13(injections: int = 100, seed: int = 0) -> Row:
    """The learner's disk fills up, each time at another write: acks stop, alarm, recovery without restart."""
    rng = random.Random(seed)  # noqa: S311
    violations, sent, resumed_ms = 0, 0, list[float]()
    with small_disk() as disk, tempfile.TemporaryDirectory() as folder:
        store = RunStore.open(disk.folder / "run", SPEC)
        with StepServer(store, LOOPBACK, options=QUICK) as server:
            with StepClient(SPEC, "a", server.address, spool=f"{folder}/spool", options=QUICK) as client:
                client.wait_ready()
                while len(resumed_ms) < injections:
                    disk.fill(rng.randrange(40) * 4096)
                    while not server.alarm:
                        _send(client, sent)
                        sent += 5
                        time.sleep(rng.uniform(0.0, 0.002))
                    committed = server.status()["steps"]
                    violations += (
                        _ms(server.drain) > 100 or committed == sent
                    )  # training goes on, acks do not
                    disk.free()
                    took_s = acked_s(client, sent)
                    violations += took_s > 10
                    resumed_ms.append(took_s * 1e3)
                stream = Stream("a", client.run)
        store.close()
        violations += damage(store.folder, {stream: sent})
    return row("13 full disk, learner", len(resumed_ms), violations, resumed_ms, "ms to go on")


def fault_13_spool(injections: int = 1000, seed: int = 0) -> Row:
    """The actor's disk fills up while it spools: all that was taken is whole, and then it goes on."""
    rng = random.Random(seed)  # noqa: S311
    violations, append_us, stream = 0, list[float](), Stream("a", "r")
    with small_disk() as disk:
        for _ in range(injections):
            first = 0
            with contextlib.closing(Spool(disk.folder / "spool", LAYOUT, segment_bytes=65536)) as spool:
                disk.fill(rng.randrange(40) * 4096 + 8192)
                with contextlib.suppress(DiskFullError):
                    while True:
                        count = rng.randint(1, 9)
                        spool.append(batch(first, count, stream))
                        first += count
                disk.free()
                begin_s = time.perf_counter()
                spool.append(batch(first, 3, stream))
                append_us.append((time.perf_counter() - begin_s) * 1e6)
            with contextlib.closing(Spool(disk.folder / "spool", LAYOUT)) as spool:
                found = [spool.read(record) for record in spool.after(0)]
                want = batch(0, first + 3, stream).steps.tobytes()
                violations += b"".join(b.steps.tobytes() for b in found) != want
                spool.release(stream, first + 3)
    return row("13 full disk, actor", injections, violations, append_us, "us to go on")
