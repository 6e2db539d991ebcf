import dataclasses
import importlib.metadata
import json
import os

import msgspec
import numpy as np
import pytest
from tests.robots.recording.steps_made import SPEC, write_run

from sandlot.learners.errors import StoreError
from sandlot.learners.schema import Entry, Flag, Source
from sandlot.learners.store_read import RunReader
from sandlot.robots.recording.episodes import read_episodes
from sandlot.robots.recording.errors import DatasetError
from sandlot.robots.recording.source import Asked, open_folder

pq = pytest.importorskip("pyarrow.parquet")
av = pytest.importorskip("av")

from sandlot.robots.recording import lerobot_format as fmt  # noqa: E402
from sandlot.robots.recording.lerobot_export import export  # noqa: E402
from sandlot.robots.recording.lerobot_import import LeRobotReader  # noqa: E402
from sandlot.robots.recording.lerobot_video import VideoReader, VideoWriter  # noqa: E402


def exported(tmp_path, images="png", spec=SPEC):
    write_run(tmp_path / "run", spec)
    reader = RunReader(tmp_path / "run")
    made = export(reader.spec, read_episodes(reader), tmp_path / "set", images=images, text="pick it up")
    return list(read_episodes(reader)), tmp_path / "set", made


def different(a, b) -> set[str]:
    return {n for n in a.dtype.names if a[n].tobytes() != b[n].tobytes()}


def test_steps_come_back_bit_for_bit(tmp_path):
    before, folder, made = exported(tmp_path)
    after = list(LeRobotReader(folder).episodes())
    assert (made.episodes, made.frames) == (4, 6 + 7 + 8 + 9)
    for a, b in zip(before, after, strict=True):
        assert (a.stream, a.number) == (b.stream, b.number)
        assert not different(a.steps, b.steps)
        assert not different(a.finals, b.finals)


def test_video_costs_pixels_and_nothing_else(tmp_path):
    spec = msgspec.structs.replace(SPEC, images={"front": (64, 64, 3), "grey": (32, 32, 1)})
    before, folder, _ = exported(tmp_path, "video", spec)
    after = list(LeRobotReader(folder).episodes())
    for a, b in zip(before, after, strict=True):
        assert different(a.steps, b.steps) == {"image.front", "image.grey"}
        assert b.steps["image.grey"].shape == a.steps["image.grey"].shape
        assert not different(a.finals, b.finals)


def test_a_video_shows_frame_k_at_k_over_fps(tmp_path):
    writer = VideoWriter(tmp_path / "a" / "b" / "v.mp4", 10, (32, 48))
    shades = [10, 60, 110, 160, 210] * 8
    for shade in shades:
        writer.add(np.full((32, 48, 3), shade, np.uint8))
    said = writer.close()
    assert (said["video.height"], said["video.width"], said["video.fps"]) == (32, 48, 10)
    reader = VideoReader(writer.path, 10)
    assert np.abs(reader.read(7, 20).mean(axis=(1, 2, 3)) - shades[7:27]).max() < 3
    assert np.abs(reader.read(0, 3).mean(axis=(1, 2, 3)) - shades[:3]).max() < 3
    with pytest.raises(DatasetError, match="v.mp4' ends after frame 39; frames 38 to 42 are wanted"):
        reader.read(38, 5)


def test_the_files_are_those_of_version_3(tmp_path):
    before, folder, _ = exported(
        tmp_path, "video", msgspec.structs.replace(SPEC, images={"front": (64, 64, 3)})
    )
    info = json.loads((folder / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert info["splits"] == {"train": "0:4"}
    assert (info["total_episodes"], info["total_frames"], info["fps"]) == (4, 30, 10)
    assert info["features"]["observation.state"]["names"] == [
        "position.0",
        "position.1",
        "position.2",
        "width",
    ]
    assert info["features"]["observation.images.front"]["dtype"] == "video"
    assert info["features"]["observation.images.front"]["info"]["video.codec"] in ("av1", "h264")
    assert (folder / "videos/observation.images.front/chunk-000/file-000.mp4").exists()
    rows = pq.read_table(folder / "data/chunk-000/file-000.parquet")
    assert set(rows.column_names) == {k for k, v in info["features"].items() if v["dtype"] != "video"}
    assert rows["index"].to_pylist() == list(range(30))
    assert np.allclose(rows["timestamp"].to_pylist()[6:13], np.arange(7) / 10)
    assert rows["observation.stamp_ns"].to_pylist()[:6] == before[0].steps["t_obs_ns"].tolist()
    assert rows["next.success"].to_pylist()[5] is True
    episodes = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [e["length"] for e in episodes] == [6, 7, 8, 9]
    assert [e["dataset_from_index"] for e in episodes] == [0, 6, 13, 21]
    assert episodes[2]["videos/observation.images.front/from_timestamp"] == pytest.approx(1.3)
    assert np.array(episodes[0]["stats/observation.images.front/mean"]).shape == (3, 1, 1)
    stats = json.loads((folder / "meta/stats.json").read_text())
    states = np.concatenate([e.steps["state"] for e in before])
    assert np.allclose(stats["observation.state"]["mean"], states.mean(axis=0), atol=1e-6)
    assert np.allclose(stats["observation.state"]["std"], states.std(axis=0), atol=1e-6)
    assert stats["observation.state"]["count"] == [30]
    tasks = pq.read_table(folder / "meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["__index_level_0__"]
    assert tasks.to_pylist() == [{"task_index": 0, "__index_level_0__": "pick it up"}]


def test_a_failed_export_leaves_nothing(tmp_path):
    write_run(tmp_path / "run")
    reader = RunReader(tmp_path / "run")

    def broken():
        yield next(read_episodes(reader))
        raise StoreError("the disk is gone")

    with pytest.raises(StoreError, match="the disk is gone"):
        export(reader.spec, broken(), tmp_path / "set")
    with pytest.raises(StoreError, match="there are no steps to export"):
        export(reader.spec, [], tmp_path / "set")
    assert os.listdir(tmp_path) == ["run"]
    export(reader.spec, read_episodes(reader), tmp_path / "set", images="png")
    with pytest.raises(StoreError, match="exists; name another folder"):
        export(reader.spec, read_episodes(reader), tmp_path / "set")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"state": (Entry("position", 3), Entry("angle", 1))},
            r"feature 'observation.state' is float32\[4\] with width, wanted is float32\[4\] with angle",
        ),
        ({"action": (Entry("delta", 2),)}, r"feature 'action' is float32\[3\].*wanted is float32\[2\]"),
        ({"images": {"wrist": (16, 24, 3)}}, "feature 'observation.images.wrist' is missing"),
        ({"images": {"front": (16, 16, 3)}}, r"feature 'observation.images.front' is image\[16, 24, 3\]"),
        ({"control_hz": 20.0}, "feature 'fps' is 10, wanted is 20"),
    ],
)
def test_another_robots_data_set_names_the_feature(tmp_path, change, words):
    _, folder, _ = exported(tmp_path)
    with pytest.raises(DatasetError, match=f"another robot than task 'arm_pick': {words}"):
        list(LeRobotReader(folder).episodes(msgspec.structs.replace(SPEC, **change)))


def foreign(folder, drop=("next.reward", "next.done", "next.success", "next.truncated")) -> None:
    """Makes of a data set of ours one that lerobot-record could have written."""
    for name in ("spec.json", "finals.parquet"):
        (folder / "meta/sandlot" / name).unlink()
    path = folder / "meta/info.json"
    info = json.loads(path.read_text())
    gone = {p.feature for p in fmt.PLAIN} - {"next.reward"} | {fmt.POLICY_ACTION, fmt.STREAM} | set(drop)
    info["features"] = {k: v for k, v in info["features"].items() if k not in gone}
    path.write_text(json.dumps(info))
    data = folder / "data/chunk-000/file-000.parquet"
    table = pq.read_table(data)
    pq.write_table(table.select([c for c in table.column_names if c not in gone]), data)


def test_demonstrations_of_others_are_a_persons(tmp_path):
    before, folder, _ = exported(tmp_path)
    foreign(folder)
    reader = LeRobotReader(folder)
    with pytest.raises(DatasetError, match="was not written by Sandlot; say with --task"):
        list(reader.episodes())
    with pytest.raises(DatasetError, match="no feature 'next.reward'; say --succeeded"):
        list(reader.episodes(SPEC))
    after = list(reader.episodes(SPEC, succeeded=True))
    for a, b in zip(before, after, strict=True):
        assert a.steps["state"].tobytes() == b.steps["state"].tobytes()
        assert a.steps["action"].tobytes() == b.steps["action"].tobytes()
        assert set(b.steps["source"]) == {Source.HUMAN}
        assert b.steps["reward"].tolist() == [0.0] * (len(b.steps) - 1) + [1.0]
        assert b.steps["flags"][-1] == Flag.TERMINATED | Flag.SUCCESS | Flag.END
        assert b.finals["step"].tolist() == [len(b.steps) - 1]


def test_actions_of_others_must_be_normalised(tmp_path):
    _, folder, _ = exported(tmp_path)
    foreign(folder)
    data = folder / "data/chunk-000/file-000.parquet"
    table = pq.read_table(data)
    doubled = (np.stack(table["action"].to_pylist()) * 2).tolist()
    column = table.schema.get_field_index("action")
    kind = table.schema.field("action").type
    pq.write_table(table.set_column(column, "action", __import__("pyarrow").array(doubled, kind)), data)
    with pytest.raises(DatasetError, match=r"feature 'action' reaches .*must lie in \[-1, 1\]"):
        list(LeRobotReader(folder).episodes(SPEC, succeeded=True))


def test_damaged_data_sets_name_the_file(tmp_path):
    with pytest.raises(DatasetError, match="meta/info.json is missing"):
        LeRobotReader(tmp_path)
    _, folder, _ = exported(tmp_path)
    data = folder / "data/chunk-000/file-000.parquet"
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="file-000.parquet cannot be read"):
        list(LeRobotReader(folder).episodes())
    info = folder / "meta/info.json"
    text = info.read_text()
    info.write_text(text.replace("v3.0", "v2.1"))
    with pytest.raises(DatasetError, match="has version v2.1, v3.0 is read"):
        LeRobotReader(folder)
    info.write_text(text[:40])
    with pytest.raises(DatasetError, match="meta/info.json cannot be read"):
        LeRobotReader(folder)


def test_folders_are_opened_by_what_they_hold(tmp_path):
    _, folder, _ = exported(tmp_path)
    assert open_folder(folder).kind == "lerobot"
    assert open_folder(tmp_path / "run").kind == "run"
    assert dataclasses.asdict(Asked()) == {"task": "", "cameras": (), "succeeded": False}


def test_lerobots_own_loader_reads_every_frame(tmp_path, recwarn, caplog):
    pytest.importorskip("lerobot.datasets.lerobot_dataset")
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    before, folder, _ = exported(tmp_path)
    dataset = LeRobotDataset("local/set", root=folder)
    frames = [dataset[i] for i in range(len(dataset))]
    states = np.concatenate([e.steps["state"] for e in before])
    pixels = np.concatenate([e.steps["image.front"] for e in before])
    assert np.array_equal(np.stack([f["observation.state"] for f in frames]), states)
    shown = np.stack([np.asarray(f["observation.images.front"]) for f in frames]).transpose(0, 2, 3, 1)
    assert np.array_equal(np.round(shown * 255).astype(np.uint8), pixels)
    assert frames[0]["task"] == "pick it up"
    assert not caplog.records
    assert not [w for w in recwarn if "lerobot" in str(w.filename)], importlib.metadata.version("lerobot")
