"""LeRobotDataset v3.0: files, features, and which of ours is which of theirs.

Beside the features that LeRobot knows, ours carry everything else that a step holds, so that steps come back
as they went. What fits no feature (our spec, streams, the observation after each segment) is in
`meta/sandlot/`, which LeRobot leaves alone.
"""

import math
import re
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.schema import Entry, EnvSpec, Flag
from sandlot.robots.recording.errors import DatasetError

VERSION = "v3.0"
MOST_NAMES = 4
CHUNK_FILES, DATA_MB, VIDEO_MB = 1000, 100, 200
INFO, STATS, TASKS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet"
OURS, FINALS = "meta/sandlot/spec.json", "meta/sandlot/finals.parquet"
FILE = "chunk-{chunk_index:03d}/file-{file_index:03d}"
EPISODES = f"meta/episodes/{FILE}.parquet"
DATA = f"data/{FILE}.parquet"
VIDEO = "videos/{video_key}/" + FILE + ".mp4"
STATE, ACTION, POLICY_ACTION, IMAGE = "observation.state", "action", "action.policy", "observation.images."
DEFAULTS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


class Plain(NamedTuple):
    """A number of ours: its feature, the field of a step, and the type it is written with."""

    feature: str
    field: str
    dtype: str


PLAIN = (
    Plain("next.reward", "reward", "float32"),
    Plain("next.discount", "discount", "float32"),
    Plain("observation.stamp_ns", "t_obs_ns", "int64"),
    Plain("action.stamp_ns", "t_act_ns", "int64"),
    Plain("wall_s", "wall_s", "float64"),
    Plain("source", "source", "int64"),
    Plain("flags", "flags", "int64"),
    Plain("segment", "segment", "int64"),
    Plain("policy_version", "policy_version", "int64"),
    Plain("stream.step", "step", "int64"),
    Plain("stream.episode", "episode", "int64"),
)
"""Written as they are. `observation.stamp_ns` and `action.stamp_ns` are true, unlike `timestamp`."""

ENDS = {
    "next.done": Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED,
    "next.truncated": Flag.TRUNCATED,
    "next.success": Flag.SUCCESS,
}
"""What LeRobot's users look for, from our flags."""
STREAM = "stream"


def features(spec: EnvSpec, *, video: bool) -> dict[str, dict[str, Any]]:
    """Every feature, as `info.json` lists them."""
    made: dict[str, dict[str, Any]] = {}
    if spec.state_size:
        made[STATE] = _feature("float32", spec.state_size, names(spec.state))
    for camera, (height, width, _) in spec.images.items():
        kind = "video" if video else "image"
        axes = ["height", "width", "channels"]
        made[IMAGE + camera] = {"dtype": kind, "shape": [height, width, 3], "names": axes}
    made[ACTION] = _feature("float32", spec.action_size, names(spec.action))
    made[POLICY_ACTION] = _feature("float32", spec.action_size, names(spec.action))
    made |= {p.feature: _feature(p.dtype) for p in PLAIN}
    made |= {name: _feature("bool") for name in ENDS}
    made[STREAM] = _feature("int64")
    return made | {name: _feature(dtype) for name, dtype in DEFAULTS.items()}


def names(entries: tuple[Entry, ...]) -> list[str]:
    """A name for every number: `tool_position.0`, or the entry's own where it is one number."""
    return [e.name if e.size == 1 else f"{e.name}.{i}" for e in entries for i in range(e.size)]


def robot_type(spec: EnvSpec) -> str:
    """`sandlot_arm` for `arm_pick`."""
    return "sandlot_" + re.split(r"[^A-Za-z0-9]", spec.task)[0]


def fps(spec: EnvSpec) -> int:
    """Frames a second, which LeRobot wants to be whole; the true rate is in our spec."""
    return max(1, round(spec.control_hz))


def info(spec: EnvSpec, made: dict[str, dict[str, Any]], episodes: int, frames: int) -> dict[str, Any]:
    """The content of `info.json`."""
    video = any(f["dtype"] == "video" for f in made.values())
    return {
        "codebase_version": VERSION,
        "robot_type": robot_type(spec),
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": 1,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": fps(spec),
        "splits": {"train": f"0:{episodes}"},
        "data_path": DATA,
        "video_path": VIDEO if video else None,
        "features": made,
    }


def check_same_robot(spec: EnvSpec, found: dict[str, Any]) -> None:
    """Raises DatasetError naming the first feature of a data set that `spec`'s robot has not got.

    Args:
        spec: of the task that wants the steps.
        found: a data set's `info.json`.
    """
    theirs = found["features"]
    wanted = {k: v for k, v in features(spec, video=True).items() if k in (STATE, ACTION) or IMAGE in k}
    for name, mine in wanted.items():
        if name not in theirs:
            raise _other(spec, name, "missing", _shown(mine))
        if not _fits(mine, theirs[name]):
            raise _other(
                spec, name, *(_shown(*pair) for pair in ((theirs[name], mine), (mine, theirs[name])))
            )
    if int(found["fps"]) != fps(spec):
        raise _other(spec, "fps", found["fps"], fps(spec))


def _fits(mine: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Whether a feature of a data set can be this one of ours; names count when both give them."""
    images = {"video", "image"}
    if mine["dtype"] in images:
        return theirs["dtype"] in images and list(theirs["shape"]) == mine["shape"]
    same_names = not isinstance(theirs.get("names"), list) or theirs["names"] == mine["names"]
    floating = str(theirs["dtype"]).startswith("float")
    return floating and list(theirs["shape"]) == mine["shape"] and same_names


def _shown(feature: dict[str, Any], other: dict[str, Any] | None = None) -> str:
    """A feature's type and shape, and the first of its names that another has not got."""
    size = f"{feature['dtype']}{list(feature['shape'])}"
    mine, theirs = feature.get("names"), (other or {}).get("names")
    if not isinstance(mine, list) or not isinstance(theirs, list):
        return size
    own = [str(name) for name in mine if name not in theirs]
    more = ", ..." if len(own) > MOST_NAMES else ""
    return f"{size} with {', '.join(own[:MOST_NAMES])}{more}" if own else size


def _other(spec: EnvSpec, name: str, theirs: object, mine: object) -> DatasetError:
    return DatasetError(
        f"the data set is of another robot than task '{spec.task}': feature '{name}' is {theirs}, wanted is "
        f"{mine}; name the task it was recorded with"
    )


def _feature(dtype: str, size: int = 1, named: list[str] | None = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [size], "names": named}


def sampled(count: int) -> np.ndarray:
    """The frames that image statistics are made of: at most 100 to 10000, evenly spread."""
    wanted = min(count, max(100, min(10_000, math.ceil(count**0.75))))
    return np.round(np.linspace(0, count - 1, wanted)).astype(int)
