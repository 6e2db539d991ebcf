"""Recording without ever holding up who offers: a queue, and a thread that writes, flushes and syncs.

A message is in the kernel's hands `flush_s` after it arrived, so a killed recorder loses no more; it is on
the disk after `flush_s + sync_s`, for a power cut. When the disk is nearly full the recorder says so once,
drops what comes and goes on when there is room: the robot needs the rest of the disk more than the bag does.
"""

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandlot.learners.errors import ConfigError, DiskFullError, StoreError
from sandlot.robots.kinds import KINDS
from sandlot.robots.recording.bag import BagWriter
from sandlot.robots.recording.bag_metadata import Recorded

log = logging.getLogger(__name__)

MB = 1 << 20
LOOK_S = 1.0
"""How often free space is looked at."""


@dataclass(frozen=True, kw_only=True)
class RecorderConfig:
    """How to record.

    Attributes:
        kind: of robot: `arm` or `car`.
        folder: where bags go; each start makes one in it, named by robot and time.
        bag: the bag's own folder instead; it must not exist.
        task: what is practised, kept with the bag.
        objects: tracked objects of the task.
        cameras: cameras to record.
        image_px: width and height of the frames that are observed, kept with the bag; 0: the task's default.
        compression: "none" or "lz4".
        split_mb: a new file is begun at this size.
        reserve_mb: so much of the disk is left free.
        flush_s: the longest a message waits in memory.
        sync_s: how often the disk is made to keep what it was given.
        queue_mb: messages wait in this much memory when the disk is slow; more are dropped and counted.
    """

    kind: str = "arm"
    folder: str = "bags"
    bag: str = ""
    task: str = ""
    objects: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    image_px: int = 0
    compression: str = "none"
    split_mb: int = 2048
    reserve_mb: int = 512
    flush_s: float = 0.25
    sync_s: float = 1.0
    queue_mb: int = 256

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind={self.kind!r} is unknown; robots are {', '.join(KINDS)}")
        if self.compression not in ("none", "lz4"):
            raise ConfigError(f"compression={self.compression!r} is unknown; choose none or lz4")
        for name in ("split_mb", "queue_mb", "flush_s", "sync_s"):
            if not 0 < getattr(self, name) < 1e6:
                raise ConfigError(f"{name}={getattr(self, name)} must be greater than 0 and below 1e6")
        if self.reserve_mb < 0:
            raise ConfigError(f"reserve_mb={self.reserve_mb} must not be negative")

    def bag_folder(self, robot: str, wall_s: float) -> Path:
        """The folder of the bag that is begun at this time."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(wall_s))
        return Path(self.bag) if self.bag else Path(self.folder) / f"{robot}-{stamp}"


@dataclass
class Figures:
    """What became of the messages: `recorded` went to the disk, `lost` did not."""

    recorded: int = 0
    lost: int = 0
    full: bool = False
    cause: str = ""


class Recorder:
    """A bag that is filled from any thread; `offer` never waits for the disk."""

    def __init__(
        self, folder: Path, topics: list[Recorded], config: RecorderConfig, custom: dict[str, str]
    ) -> None:
        """Makes the bag and starts the thread.

        Raises:
            DiskFullError: there is not even room to begin.
            StoreError: the folder cannot be made.
        """
        self.config, self.figures, self.folder = config, Figures(), folder
        compression = "" if config.compression == "none" else config.compression
        try:
            self._bag = BagWriter(
                folder, topics, custom=custom, split_bytes=config.split_mb * MB, compression=compression
            )
        except OSError as error:  # StoreError is one too: it says enough
            if isinstance(error, StoreError):
                raise
            raise _no_room(folder, error) from error
        self._queue: deque[tuple[str, int, bytes] | Recorded] = deque()
        self._queued_bytes, self.behind = 0, False
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def add_topic(self, topic: Recorded) -> None:
        """Records one more topic from here on."""
        self._queue.append(topic)

    def offer(self, topic: str, log_ns: int, data: bytes) -> None:
        """Hands over one message; it is dropped and counted when the disk is far behind."""
        if self._queued_bytes > self.config.queue_mb * MB:
            self.figures.lost += 1
            if not self.behind:
                log.warning("event=recorder_behind bag=%s queued_mb=%d", self.folder, self.config.queue_mb)
            self.behind = True
            return
        self.behind = False
        self._queued_bytes += len(data)
        self._queue.append((topic, log_ns, data))

    def close(self) -> None:
        """Writes what is queued and ends the bag."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        try:
            self._bag.close()
        except OSError as error:
            self._say(True, f"{error.strerror}; `sandlot data repair {self.folder}` ends the bag")
        log.info(
            "event=recorder_stopped bag=%s recorded=%d lost=%d",
            self.folder,
            self.figures.recorded,
            self.figures.lost,
        )

    def _run(self) -> None:
        flushed_s = synced_s = looked_s = time.monotonic()
        while not self._stop.is_set() or self._queue:
            self._wake.wait(self.config.flush_s / 5)
            self._drain()
            now_s = time.monotonic()
            if now_s - looked_s >= LOOK_S:
                looked_s = now_s
                self._look()
            if now_s - flushed_s >= self.config.flush_s:
                flushed_s = now_s
                self._try(self._bag.flush)
            if now_s - synced_s >= self.config.sync_s:
                synced_s = now_s
                self._try(self._bag.sync)

    def _drain(self) -> None:
        while self._queue:
            item = self._queue.popleft()
            if isinstance(item, Recorded):
                self._try(self._bag.add_topic, item)
                continue
            self._queued_bytes -= len(item[2])
            if self.figures.full:
                self.figures.lost += 1
            else:
                self.figures.recorded += 1
                self._try(self._bag.write, *item)

    def _look(self) -> None:
        """Stops and starts writing by how much of the disk is free."""
        free_mb = shutil.disk_usage(self.folder).free // MB
        full = free_mb < self.config.reserve_mb
        if full and not self.figures.full:
            self._try(self._bag.flush)  # there is room for this much
        what = (
            f"{free_mb} MB of the disk are free, reserve_mb={self.config.reserve_mb} are kept for the robot"
        )
        self._say(full, what)

    def _try(self, do: Callable[..., None], *args: Any) -> None:
        """Writes something; what could not be written is counted as lost."""
        before = self._bag.held
        try:
            do(*args)
        except OSError as error:
            lost = before - self._bag.held
            self.figures.lost += lost
            self.figures.recorded -= lost
            self._say(True, f"{error.strerror}")

    def _say(self, full: bool, cause: str) -> None:
        """One line when recording stops, one when it goes on."""
        if full and not self.figures.full:
            log.error("event=recorder_stopped_writing bag=%s cause=%r", self.folder, cause)
        elif self.figures.full and not full:
            log.warning("event=recorder_writes_again bag=%s lost=%d", self.folder, self.figures.lost)
        self.figures.full, self.figures.cause = full, cause if full else ""


def _no_room(folder: Path, error: OSError) -> DiskFullError:
    return DiskFullError(
        f"bag '{folder}' cannot be begun: {error.strerror}; make room or name a folder on another disk"
    )
