"""Steps to a LeRobotDataset v3.0: parquet, mp4 (or PNG inside the parquet) and its metadata.

Everything is written beside the target and renamed at the end: there is a whole data set or none.
"""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sandlot.learners.errors import ConfigError, StoreError
from sandlot.learners.schema import EnvSpec
from sandlot.robots.recording import lerobot_format as fmt
from sandlot.robots.recording import lerobot_stats as stats
from sandlot.robots.recording.beside import beside
from sandlot.robots.recording.episodes import EpisodeSteps
from sandlot.robots.recording.lerobot_video import VideoWriter

Images = Literal["video", "png"]
MB = 1 << 20
OUR_FORMAT = 1


class Exported(NamedTuple):
    """What an export came to."""

    episodes: int
    frames: int
    size_bytes: int


def export(
    spec: EnvSpec, episodes: Iterable[EpisodeSteps], folder: Path, *, text: str = "", images: Images = "video"
) -> Exported:
    """Writes a data set.

    Args:
        spec: of the steps.
        episodes: at least one.
        folder: of the data set; it must not exist.
        text: what is done, in words; the task's name when empty.
        images: `video` is small and lossy, `png` larger and exact.

    Raises:
        StoreError: the folder exists, or there is nothing to write.
    """
    with beside(folder) as made:
        writer = _Writer(spec, made, text or spec.task, images)
        try:
            for episode in episodes:
                writer.add(episode)
        finally:
            writer.close()
        if writer.episodes == 0:
            raise StoreError(f"'{folder}' is not written: there are no steps to export")
        writer.finish()
        size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    return Exported(writer.episodes, writer.frames, size)


class _Place:
    """Which file comes next: chunk and file index."""

    def __init__(self) -> None:
        self.number = 0

    def index(self) -> dict[str, int]:
        chunk, file = divmod(self.number, fmt.CHUNK_FILES)
        return {"chunk_index": chunk, "file_index": file}


class _Writer:
    def __init__(self, spec: EnvSpec, folder: Path, text: str, images: Images) -> None:
        self.spec, self.folder, self.text = spec, folder, text
        self.video = images == "video"
        self.features = fmt.features(spec, video=self.video)
        self.episodes = self.frames = 0
        self._streams: list[tuple[str, str, int, int]] = []
        self._lines: list[dict[str, Any]] = []
        self._stats: list[dict[str, stats.Stats]] = []
        self._finals: list[dict[str, Any]] = []
        self._data_place, self._data_bytes = _Place(), 0
        self._data: pq.ParquetWriter | None = None
        self._video_place = {camera: _Place() for camera in spec.images}
        self._video: dict[str, VideoWriter] = {}

    def add(self, episode: EpisodeSteps) -> None:
        """Appends one episode."""
        n, first = len(episode.steps), self.frames
        columns = self._columns(episode)
        pictures = {c: _rgb(episode.steps[f"image.{c}"]) for c in self.spec.images}
        line: dict[str, Any] = {
            "episode_index": self.episodes,
            "tasks": [self.text],
            "length": n,
            "dataset_from_index": first,
            "dataset_to_index": first + n,
        }
        line |= self._write_data(columns, pictures)
        for camera in self.spec.images if self.video else ():
            line |= self._write_video(camera, pictures[camera])
        line |= {f"meta/episodes/{k}": 0 for k in ("chunk_index", "file_index")}
        found = {name: stats.of_numbers(values) for name, values in columns.items()}
        found |= {fmt.IMAGE + c: stats.of_images(frames) for c, frames in pictures.items()}
        self._stats.append(found)
        self._lines.append(line)
        self._keep_finals(episode, first)
        self.frames, self.episodes = first + n, self.episodes + 1

    def close(self) -> None:
        """Ends the files that are open; harmless when they are not."""
        if self._data:
            self._data.close()
            self._data = None
        for camera in list(self._video):
            self._end_video(camera)

    def finish(self) -> None:
        """Writes what is known only at the end."""
        whole = {name: stats.together([s[name] for s in self._stats]) for name in self._stats[0]}
        self._json(fmt.INFO, fmt.info(self.spec, self.features, self.episodes, self.frames))
        self._json(fmt.STATS, stats.as_json(whole))
        pq.write_table(_tasks_table([self.text]), self.folder / fmt.TASKS)
        for line, found in zip(self._lines, self._stats, strict=True):
            for feature, values in stats.as_json(found).items():
                line |= {f"stats/{feature}/{name}": value for name, value in values.items()}
        path = self.folder / fmt.EPISODES.format(chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self._lines), path, compression="snappy")
        ours = {"format": OUR_FORMAT, "spec": msgspec.to_builtins(self.spec), "streams": self._streams}
        self._json(fmt.OURS, ours)
        pq.write_table(pa.Table.from_pylist(self._finals), self.folder / fmt.FINALS)

    def _columns(self, episode: EpisodeSteps) -> dict[str, np.ndarray]:
        """Every feature that is a number, by name, in the order of `info.json`."""
        steps, n = episode.steps, len(episode.steps)
        key = (episode.stream.actor, episode.stream.run, episode.stream.env, episode.stream.agent)
        if key not in self._streams:
            self._streams.append(key)
        made = {fmt.STATE: steps["state"]} if self.spec.state_size else {}
        made |= {fmt.ACTION: steps["action"], fmt.POLICY_ACTION: steps["policy_action"]}
        made |= {p.feature: steps[p.field].astype(p.dtype) for p in fmt.PLAIN}
        made |= {name: (steps["flags"] & int(flag)) != 0 for name, flag in fmt.ENDS.items()}
        made[fmt.STREAM] = np.full(n, self._streams.index(key), np.int64)
        frame = np.arange(n, dtype=np.int64)
        made["timestamp"] = (frame / fmt.fps(self.spec)).astype(np.float32)
        made["frame_index"] = frame
        made["episode_index"] = np.full(n, self.episodes, np.int64)
        made["index"] = self.frames + frame
        made["task_index"] = np.zeros(n, np.int64)
        return made

    def _write_data(self, columns: dict[str, np.ndarray], pictures: dict[str, np.ndarray]) -> dict[str, int]:
        """Appends a row group; begins a new file when the last one is large."""
        arrays: dict[str, pa.Array] = {}
        for name in self.features:
            if name in columns:
                arrays[name] = _array(columns[name], self.features[name]["shape"][0])
            elif not self.video:
                arrays[name] = _png_array(pictures[name.removeprefix(fmt.IMAGE)])
        table = pa.table(arrays)
        if self._data and self._data_bytes + table.nbytes > fmt.DATA_MB * MB:
            self._data.close()
            self._data = None
            self._data_place.number += 1
        if self._data is None:
            path = self.folder / fmt.DATA.format(**self._data_place.index())
            path.parent.mkdir(parents=True, exist_ok=True)
            self._data = pq.ParquetWriter(path, table.schema, compression="snappy", use_dictionary=True)
            self._data_bytes = 0
        self._data.write_table(table)
        self._data_bytes += table.nbytes
        return {f"data/{k}": v for k, v in self._data_place.index().items()}

    def _write_video(self, camera: str, frames: np.ndarray) -> dict[str, Any]:
        key, place, rate = fmt.IMAGE + camera, self._video_place[camera], fmt.fps(self.spec)
        if camera in self._video and self._video[camera].size_bytes > fmt.VIDEO_MB * MB:
            self._end_video(camera)
            place.number += 1
        if camera not in self._video:
            path = self.folder / fmt.VIDEO.format(video_key=key, **place.index())
            self._video[camera] = VideoWriter(path, rate, (frames.shape[1], frames.shape[2]))
        video = self._video[camera]
        begin = video.count
        for frame in frames:
            video.add(frame)
        times = {"from_timestamp": begin / rate, "to_timestamp": video.count / rate}
        return {f"videos/{key}/{k}": v for k, v in {**place.index(), **times}.items()}

    def _end_video(self, camera: str) -> None:
        self.features[fmt.IMAGE + camera]["info"] = self._video.pop(camera).close()

    def _keep_finals(self, episode: EpisodeSteps, first: int) -> None:
        """The observation after each segment: no frame of LeRobot's has a place for it."""
        for final in episode.finals:
            at = first + int(np.searchsorted(episode.steps["step"], final["step"]))
            row: dict[str, Any] = {"index": at, "state": final["state"].tolist()}
            row |= {fmt.IMAGE + c: _png(_rgb(final[f"image.{c}"][None])[0]) for c in self.spec.images}
            self._finals.append(row)

    def _json(self, name: str, value: Any) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=4, ensure_ascii=False))


def _rgb(frames: np.ndarray) -> np.ndarray:
    """Frames [n, H, W, 1 or 3] with three channels."""
    if frames.shape[-1] not in (1, 3):
        raise ConfigError(f"cameras with {frames.shape[-1]} channels have no place in a LeRobot data set")
    return frames if frames.shape[-1] == 3 else np.repeat(frames, 3, axis=-1)


def _array(values: np.ndarray, size: int) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return flat if size == 1 else pa.FixedSizeListArray.from_arrays(flat, size)


def _png(frame: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _png_array(frames: np.ndarray) -> pa.Array:
    """Frames as `datasets.Image` stores them."""
    rows = [{"bytes": _png(frame), "path": None} for frame in frames]
    return pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def _tasks_table(texts: list[str]) -> pa.Table:
    """Tasks as pandas writes a frame whose index is the text: LeRobot reads it with pandas."""
    index = "__index_level_0__"
    table = pa.table({"task_index": pa.array(range(len(texts)), pa.int64()), index: pa.array(texts)})
    column = {"metadata": None, "field_name": None, "name": None}
    said = {
        "index_columns": [index],
        "column_indexes": [{**column, "pandas_type": "unicode", "numpy_type": "object"}],
        "columns": [
            {
                **column,
                "name": "task_index",
                "field_name": "task_index",
                "pandas_type": "int64",
                "numpy_type": "int64",
            },
            {**column, "field_name": index, "pandas_type": "unicode", "numpy_type": "object"},
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.3",
    }
    return table.replace_schema_metadata({b"pandas": json.dumps(said).encode()})
