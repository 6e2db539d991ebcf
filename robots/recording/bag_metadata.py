"""`metadata.yaml`: what rosbag2 wants to know of a bag before it opens a file of it."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sandlot.robots.recording.errors import BagError
from sandlot.robots.topics import Quality

METADATA = "metadata.yaml"
VERSION = 9
DISTRO = "kilted"
_ROOT = "rosbag2_bagfile_information"
_FOREVER = {"sec": 9223372036, "nsec": 854775807}


class Recorded(NamedTuple):
    """A topic to record: its absolute name, its type, and the quality it was offered with."""

    name: str
    type: str
    quality: Quality


def metadata(
    topics: Sequence[tuple[Recorded, int, str]], files: Sequence[dict[str, Any]], custom: Mapping[str, str]
) -> dict[str, Any]:
    """What `metadata.yaml` says: topics with message count and type hash, and the files."""
    whole = [f for f in files if f["message_count"]] or list(files)
    first = min(f["starting_time"]["nanoseconds_since_epoch"] for f in whole)
    last = max(f["starting_time"]["nanoseconds_since_epoch"] + f["duration"]["nanoseconds"] for f in whole)
    return {
        "version": VERSION,
        "storage_identifier": "mcap",
        "relative_file_paths": [f["path"] for f in files],
        "starting_time": {"nanoseconds_since_epoch": first},
        "duration": {"nanoseconds": last - first},
        "message_count": sum(count for _, count, _ in topics),
        "compression_format": "",
        "compression_mode": "",
        "topics_with_message_count": [_topic_line(*topic) for topic in topics],
        "files": list(files),
        "custom_data": dict(custom) or None,
        "ros_distro": DISTRO,
    }


def write_metadata(folder: Path, values: dict[str, Any]) -> None:
    """Replaces `metadata.yaml`: a reader sees the old or the new one."""
    beside = folder / f".{METADATA}.new"
    try:
        beside.write_text(yaml.safe_dump({_ROOT: values}, sort_keys=False))
        os.replace(beside, folder / METADATA)
    except OSError:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def qos(quality: Quality) -> dict[str, Any]:
    """A quality of service as rosbag2 writes it."""
    depth = {"image": 5, "event": 10}.get(quality, 1)
    return {
        "history": "keep_last",
        "depth": depth,
        "reliability": "best_effort" if quality in ("sensor", "image") else "reliable",
        "durability": "transient_local" if quality == "latched" else "volatile",
        "deadline": _FOREVER,
        "lifespan": _FOREVER,
        "liveliness": "automatic",
        "liveliness_lease_duration": _FOREVER,
        "avoid_ros_namespace_conventions": False,
    }


def _topic_line(topic: Recorded, count: int, type_hash: str) -> dict[str, Any]:
    return {
        "topic_metadata": {
            "name": topic.name,
            "type": topic.type,
            "serialization_format": "cdr",
            "offered_qos_profiles": [qos(topic.quality)],
            "type_description_hash": type_hash,
        },
        "message_count": count,
    }


def file_line(name: str, first_ns: int, last_ns: int, count: int) -> dict[str, Any]:
    """What `metadata.yaml` says of one file."""
    return {
        "path": name,
        "starting_time": {"nanoseconds_since_epoch": first_ns},
        "duration": {"nanoseconds": last_ns - first_ns},
        "message_count": count,
    }


def read_metadata(folder: Path) -> dict[str, Any]:
    """What `metadata.yaml` says; empty when there is none."""
    path = folder / METADATA
    if not path.exists():
        return {}
    try:
        return dict(yaml.safe_load(path.read_text())[_ROOT])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise BagError(
            f"'{path}' is no bag's metadata ({type(error).__name__}); delete it, then "
            "`sandlot data repair` writes a new one"
        ) from error
