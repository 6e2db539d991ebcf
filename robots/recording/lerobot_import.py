"""A LeRobotDataset v3.0 back to steps: ours bit for bit, others' as demonstrations of a task."""

import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from sandlot.learners.errors import SpecError
from sandlot.learners.schema import EnvSpec, Flag, Source, Stream, obs_dtype, step_dtype
from sandlot.robots.recording import lerobot_format as fmt
from sandlot.robots.recording.episodes import EpisodeSteps
from sandlot.robots.recording.errors import DatasetError
from sandlot.robots.recording.lerobot_video import VideoReader


class LeRobotReader:
    """A data set to read steps from."""

    def __init__(self, folder: Path | str) -> None:
        """Reads what it holds.

        Raises:
            DatasetError: there is none, it is damaged, or of another version.
        """
        self.folder = Path(folder)
        self.info: dict[str, Any] = self._json(fmt.INFO)
        version = self.info.get("codebase_version")
        if version != fmt.VERSION:
            raise DatasetError(
                f"data set '{folder}' has version {version}, {fmt.VERSION} is read; convert it with "
                "python -m lerobot.datasets.v30.convert_dataset_v21_to_v30"
            )
        self.spec: EnvSpec | None = None
        self._streams: list[Stream] = []
        if (self.folder / fmt.OURS).exists():
            ours = self._json(fmt.OURS)
            try:
                self.spec = msgspec.convert(ours["spec"], EnvSpec)
                self._streams = [Stream(*key) for key in ours["streams"]]
            except (msgspec.ValidationError, KeyError, TypeError) as error:
                raise self._damaged(fmt.OURS, error) from error
        self._videos: dict[Path, VideoReader] = {}

    def episodes(self, spec: EnvSpec | None = None, *, succeeded: bool = False) -> Iterator[EpisodeSteps]:
        """Every episode in order.

        Args:
            spec: of the task that the steps are for; its own where Sandlot wrote the data set.
            succeeded: of a data set without rewards: every episode is a demonstration that succeeded.

        Raises:
            DatasetError: it is of another robot (names the feature), or damaged (names the file).
        """
        if spec is None and self.spec is None:
            raise DatasetError(
                f"data set '{self.folder}' was not written by Sandlot; say with --task what it shows"
            )
        spec = spec or self.spec
        assert spec is not None  # noqa: S101  (for the type checker)
        fmt.check_same_robot(spec, self.info)
        if self.spec is not None and self.spec.differences(spec):
            what = "; ".join(self.spec.differences(spec))[:500]
            raise SpecError(f"data set '{self.folder}' and the task differ: {what}")
        known = "next.reward" in self.info["features"]
        if not known and not succeeded:
            raise DatasetError(
                f"data set '{self.folder}' has no feature 'next.reward'; say --succeeded if every episode in "
                "it is a demonstration that succeeded"
            )
        finals = self._finals(spec) if self.spec else None
        for number, line in enumerate(self._lines()):
            yield self._episode(spec, number, line, finals)

    def _episode(
        self, spec: EnvSpec, number: int, line: dict[str, Any], finals: dict[int, np.ndarray] | None
    ) -> EpisodeSteps:
        first, length = int(line["dataset_from_index"]), int(line["length"])
        table = self._rows(line, first, length)
        steps = np.zeros(length, step_dtype(spec))
        if spec.state_size:
            steps["state"] = _matrix(table, fmt.STATE, spec.state_size)
        steps["action"] = _matrix(table, fmt.ACTION, spec.action_size)
        for camera, shape in spec.images.items():
            steps[f"image.{camera}"] = self._frames(table, line, camera, length)[..., : shape[2]]
        if finals is not None:
            return self._ours(spec, steps, table, first, finals)
        return self._theirs(spec, number, steps, table)

    def _ours(
        self, spec: EnvSpec, steps: np.ndarray, table: pa.Table, first: int, finals: dict[int, np.ndarray]
    ) -> EpisodeSteps:
        """What Sandlot wrote: everything is there."""
        steps["policy_action"] = _matrix(table, fmt.POLICY_ACTION, spec.action_size)
        for plain in fmt.PLAIN:
            steps[plain.field] = _column(table, plain.feature)
        stream = self._streams[int(_column(table, fmt.STREAM)[0])]
        kept = [i for i in range(len(steps)) if first + i in finals]
        ends = np.array([finals[first + i] for i in kept], obs_dtype(spec))
        ends["step"] = steps["step"][kept]
        return EpisodeSteps(stream, int(steps["episode"][0]), steps, ends)

    def _theirs(self, spec: EnvSpec, number: int, steps: np.ndarray, table: pa.Table) -> EpisodeSteps:
        """What others wrote: a person's demonstration. The last frame has no next one, and is its own."""
        n = len(steps)
        limit = np.abs(steps["action"]).max()
        if not limit <= 1:
            raise DatasetError(
                f"data set '{self.folder}', episode {number}: feature 'action' reaches {limit}; it must lie "
                "in [-1, 1], the task's normalised units: record it with lerobot_robot_sandlot, or scale it"
            )
        steps["policy_action"], steps["source"] = steps["action"], Source.HUMAN
        steps["step"], steps["episode"], steps["discount"] = np.arange(n), number, 1.0
        steps["segment"], steps["policy_version"] = number, -1
        steps["wall_s"] = steps["t_obs_ns"] = 0
        success = True
        if "next.reward" in table.column_names:
            steps["reward"] = _column(table, "next.reward")
            success = bool(steps["reward"][-1] > 0)
        else:
            steps["reward"][-1] = 1.0
        if "next.success" in table.column_names:
            success = bool(_column(table, "next.success")[-1])
        steps["flags"][-1] = Flag.END | (Flag.SUCCESS | Flag.TERMINATED if success else Flag.TRUNCATED)
        steps["discount"][-1] = 0.0 if success else 1.0
        final = np.zeros(1, obs_dtype(spec))
        for name in final.dtype.names or ():
            final[name] = steps[name][-1]
        final["step"] = steps["step"][-1]
        run = f"{zlib.crc32(str(self.folder.resolve()).encode()):08x}"
        return EpisodeSteps(Stream("lerobot", run), number, steps, final)

    def _lines(self) -> Iterator[dict[str, Any]]:
        """What the metadata says of each episode."""
        wanted = ("dataset_from_index", "length", "data/", "videos/")
        paths = sorted((self.folder / "meta/episodes").glob("*/*.parquet"))
        if not paths:
            raise DatasetError(f"data set '{self.folder}' has no meta/episodes/*/*.parquet; it is not whole")
        for path in paths:
            table = self._table(path)
            yield from table.select([c for c in table.column_names if c.startswith(wanted)]).to_pylist()

    def _rows(self, line: dict[str, Any], first: int, length: int) -> pa.Table:
        index = {k: line[f"data/{k}"] for k in ("chunk_index", "file_index")}
        path = self.folder / str(self.info["data_path"]).format(**index)
        table = self._table(path, filters=[("index", ">=", first), ("index", "<", first + length)])
        if len(table) != length:
            raise DatasetError(
                f"'{path}' has {len(table)} frames from {first} on, the episode has {length}; it is not whole"
            )
        return table

    def _frames(self, table: pa.Table, line: dict[str, Any], camera: str, length: int) -> np.ndarray:
        key = fmt.IMAGE + camera
        if self.info["features"][key]["dtype"] == "image":
            return np.stack([self._picture(row["bytes"], key) for row in table[key].to_pylist()])
        index = {k: line[f"videos/{key}/{k}"] for k in ("chunk_index", "file_index")}
        path = self.folder / str(self.info["video_path"]).format(video_key=key, **index)
        rate = float(self.info["fps"])
        reader = self._videos.setdefault(path, VideoReader(path, rate))
        return reader.read(round(line[f"videos/{key}/from_timestamp"] * rate), length)

    def _finals(self, spec: EnvSpec) -> dict[int, np.ndarray]:
        """The observation after each segment, by frame."""
        found = {}
        for row in self._table(self.folder / fmt.FINALS).to_pylist():
            final = np.zeros((), obs_dtype(spec))
            final["state"] = row["state"]
            for camera, shape in spec.images.items():
                final[f"image.{camera}"] = self._picture(row[fmt.IMAGE + camera], camera)[..., : shape[2]]
            found[int(row["index"])] = final
        return found

    def _picture(self, data: bytes | None, what: str) -> np.ndarray:
        try:
            return np.array(Image.open(io.BytesIO(data or b"")).convert("RGB"))
        except (UnidentifiedImageError, OSError) as error:
            raise self._damaged(what, error) from error

    def _table(self, path: Path, **options: Any) -> pa.Table:
        try:
            return pq.read_table(path, partitioning=None, **options)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(str(path), error) from error

    def _json(self, name: str) -> Any:
        path = self.folder / name
        try:
            return json.loads(path.read_text())
        except FileNotFoundError as error:
            raise DatasetError(
                f"'{self.folder}' holds no LeRobot data set of version {fmt.VERSION}: {name} is missing"
            ) from error
        except (OSError, ValueError) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> DatasetError:
        text = " ".join(str(error).split())[:200]
        return DatasetError(f"data set '{self.folder}': {name} cannot be read ({text}); get a whole copy")


def _matrix(table: pa.Table, name: str, size: int) -> np.ndarray:
    """A feature [n, size]."""
    column = table[name].combine_chunks()
    flat = column if size == 1 and not pa.types.is_nested(column.type) else column.flatten()
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(-1, size)


def _column(table: pa.Table, name: str) -> np.ndarray:
    """A feature [n]."""
    return _matrix(table, name, 1)[:, 0]
