"""A rosbag2 bag: a folder with MCAP files and `metadata.yaml`, for `ros2 bag`, Foxglove and ourselves.

`BagWriter` writes one that is readable at every moment; `Bag` reads one, finished or not. Messages are CDR
bytes; `decoder` makes objects of them, with the attributes of rclpy's messages, without ROS.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sandlot.learners.errors import StoreError
from sandlot.robots.recording.bag_metadata import (
    Recorded,
    file_line,
    metadata,
    qos,
    read_metadata,
    write_metadata,
)
from sandlot.robots.recording.errors import BagError, needs
from sandlot.robots.recording.mcap_read import McapReader, Message, repair
from sandlot.robots.recording.mcap_write import McapWriter

ACKERMANN = {
    "ackermann_msgs/msg/AckermannDrive": "\n".join(
        f"float32 {name}"
        for name in ("steering_angle", "steering_angle_velocity", "speed", "acceleration", "jerk")
    ),
    "ackermann_msgs/msg/AckermannDriveStamped": "std_msgs/Header header\nackermann_msgs/AckermannDrive drive",
}
"""A car's messages, which are not among those of ROS itself."""


class BagInfo(NamedTuple):
    """What is in a bag: messages by topic, types, first and last arrival, bytes; `finished`: not killed."""

    counts: dict[str, int]
    types: dict[str, str]
    first_ns: int
    last_ns: int
    size_bytes: int
    finished: bool


class BagWriter:
    """A bag being written. All methods from one thread."""

    def __init__(
        self,
        folder: Path,
        topics: Sequence[Recorded],
        *,
        custom: Mapping[str, str],
        split_bytes: int = 2 << 30,
        compression: str = "",
    ) -> None:
        """Makes the folder, which must not exist.

        Args:
            folder: of the bag; its name is that of the files in it.
            topics: everything that will be written.
            custom: texts to keep with the bag (`custom_data`).
            split_bytes: a new file is begun when one has this size.
            compression: "lz4" or "".
        """
        self.folder, self.topics, self._custom = folder, list(topics), dict(custom)
        self._split_bytes, self._compression = split_bytes, compression
        self._types = typestore()
        self._files: list[dict[str, Any]] = []
        self.counts: Counter[str] = Counter()
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise StoreError(
                f"bag folder '{folder}' cannot be made: {error.strerror}; name another one"
            ) from error
        self._next_file()

    def add_topic(self, topic: Recorded) -> None:
        """Declares one more topic to write."""
        self.topics.append(topic)
        self._declare(topic)

    def write(self, topic: str, log_ns: int, data: bytes) -> None:
        """Adds a message; it is safe against a kill after `flush`, against a power cut after `sync`."""
        if self._file.size >= self._split_bytes:
            self._end_file()
            self._next_file()
        self._file.write(self._channels[topic], log_ns, data)
        self.counts[topic] += 1

    @property
    def held(self) -> int:
        """Messages that are only in memory."""
        return self._file.held

    def flush(self) -> None:
        """Hands what was written to the kernel; OSError when there is no room: then it is lost."""
        self._file.flush()

    def sync(self) -> None:
        """Puts what was flushed on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Ends the last file and writes `metadata.yaml`."""
        self._end_file()

    def _next_file(self) -> None:
        path = self.folder / f"{self.folder.name}_{len(self._files)}.mcap"
        self._file = McapWriter(path, compression=self._compression)
        self._channels: dict[str, int] = {}
        for topic in self.topics:
            self._declare(topic)
        self._files.append(file_line(path.name, 0, 0, 0))
        write_metadata(self.folder, self._metadata())

    def _declare(self, topic: Recorded) -> None:
        definition, _ = self._types.generate_msgdef(topic.type, ros_version=2)
        extra = {"offered_qos_profiles": yaml.safe_dump([qos(topic.quality)])}
        self._channels[topic.name] = self._file.add_channel(topic.name, topic.type, definition, extra)

    def _end_file(self) -> None:
        self._file.finish()
        summary = self._file.summary
        self._files[-1] = file_line(self._file.path.name, *summary.times, summary.counts.total())
        write_metadata(self.folder, self._metadata())

    def _metadata(self) -> dict[str, Any]:
        topics = [(t, self.counts[t.name], self._types.hash_rihs01(t.type)) for t in self.topics]
        return metadata(topics, self._files, self._custom)


class Bag:
    """A bag to read. Nothing in it is changed but by `repair`."""

    def __init__(self, folder: Path | str) -> None:
        """Finds the files.

        Raises:
            BagError: there is no bag, or its `metadata.yaml` makes no sense.
        """
        self.folder = Path(folder)
        self._known = read_metadata(self.folder)
        storage = self._known.get("storage_identifier", "mcap")
        if storage != "mcap":
            raise BagError(
                f"bag '{folder}' is stored as '{storage}'; only mcap is read: rosbags-convert makes one"
            )
        self.files = sorted(self.folder.glob("*.mcap"), key=_natural)
        if not self.files:
            raise BagError(f"'{folder}' holds no bag: there is no *.mcap file in it")

    @property
    def custom(self) -> dict[str, str]:
        """The texts kept with the bag."""
        return dict(self._known.get("custom_data") or {})

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Message]:
        """Every message of these topics (None: all) in the order of arrival; BagError where it is damaged."""
        for path in self.files:
            yield from McapReader(path).messages(topics)

    def info(self) -> BagInfo:
        """Counts what is there, by reading it through."""
        counts, types, times, finished = Counter[str](), dict[str, str](), [], True
        for path in self.files:
            reader = McapReader(path)
            reader.scan()
            finished &= reader.finished
            times += [reader.summary.times] if reader.summary.counts else []
            for number, channel in reader.summary.channels.items():
                counts[channel.topic] += reader.summary.counts[number]
                schema = reader.summary.schemas.get(channel.schema_id)
                types[channel.topic] = schema.name if schema else ""
        first, last = min((t[0] for t in times), default=0), max((t[1] for t in times), default=0)
        size = sum(path.stat().st_size for path in self.files)
        return BagInfo(dict(counts), types, first, last, size, finished and bool(self._known))

    def repair(self) -> bool:
        """Ends the files of a killed recorder and writes `metadata.yaml` anew; whether anything was to do."""
        done = [repair(path) for path in self.files]
        if not any(done) and self._known:
            return False
        store = typestore()
        info, lines = self.info(), []
        for path in self.files:
            reader = McapReader(path)
            reader.scan()
            lines.append(file_line(path.name, *reader.summary.times, reader.summary.counts.total()))
        old = {t["topic_metadata"]["name"]: t for t in self._known.get("topics_with_message_count", ())}
        topics = [
            (Recorded(name, kind, "sensor"), info.counts[name], store.hash_rihs01(kind))
            for name, kind in info.types.items()
        ]
        made = metadata(topics, lines, self.custom)
        for line in made["topics_with_message_count"]:
            name = line["topic_metadata"]["name"]
            line["topic_metadata"] = old.get(name, line)["topic_metadata"]
        write_metadata(self.folder, made)
        self._known = made
        return True


def typestore() -> Any:
    """The message types of ROS 2, without ROS."""
    with needs("data", "reading and writing bags"):
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore  # noqa: PLC0415  (an extra)

        store = get_typestore(Stores.ROS2_KILTED)
        for name, definition in ACKERMANN.items():
            store.register(get_types_from_msg(definition, name))
        return store


def decoder() -> Callable[[Message], Any]:
    """A function from a recorded message to an object with its fields."""
    store = typestore()

    def decode(message: Message) -> Any:
        if message.type not in store.fielddefs:
            raise BagError(f"topic '{message.topic}' has the unknown type '{message.type}'; leave it out")
        try:
            return store.deserialize_cdr(message.data, message.type)
        except Exception as error:  # rosbags promises no exception class for bytes that make no sense
            raise BagError(
                f"topic '{message.topic}': a message of {len(message.data)} bytes at {message.log_ns} ns is "
                f"no {message.type} ({error!r}); record it again"
            ) from error

    return decode


def _natural(path: Path) -> list[Any]:
    """bag_9 before bag_10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
