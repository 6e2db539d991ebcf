"""The data set: no episode on both sides, nothing twice, and clear words for what does not fit."""

import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.perception.classifier.small import CAMERAS, fill, picture

from sandlot.learners.errors import ConfigError, SpecError, StoreError
from sandlot.perception.classifier.dataset import PARTS, Clip, FrameStore, Layout

LAYOUT = Layout("arm_pick", CAMERAS)


def clip(name, labels, part=""):
    images = {camera: np.stack([picture(0.5)] * len(labels)) for camera in CAMERAS}
    return Clip(name, images, np.array(labels, np.uint8), np.zeros(len(labels), bool), part)


def test_what_was_added_is_loaded_and_parts_share_no_episode(tmp_path):
    store = fill(tmp_path, episodes=20)
    parts = {part: store.load(part) for part in PARTS}
    assert sum(map(len, parts.values())) == 400
    assert sum(np.array(data.count()) for data in parts.values()).tolist() == [250, 150]
    names = {part: set(data.episodes.tolist()) for part, data in parts.items()}
    assert {part: len(found) for part, found in names.items()} == {"train": 12, "validation": 4, "test": 4}
    assert not names["train"] & names["validation"] | names["train"] & names["test"]
    assert not names["validation"] & names["test"]


def test_every_frame_keeps_its_label_and_episode(tmp_path):
    store = fill(tmp_path, episodes=9)
    fill(tmp_path, episodes=9, seed=1)
    data = store.load("train")
    bright = data.frames["side"][:][:, :4].mean(axis=(1, 2, 3)) > 0.5 * 255
    np.testing.assert_array_equal(bright, data.labels == 1)
    assert all(count == 20 for count in np.unique(data.episodes, return_counts=True)[1])


@settings(max_examples=8, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=25))
def test_successes_are_spread_over_the_parts_like_failures(tmp_path_factory, wins):
    store = FrameStore(tmp_path_factory.mktemp("data"), LAYOUT)
    for i, win in enumerate(wins):
        store.add([clip(f"e{i}", [0, win])])
    for kind in (True, False):
        count = wins.count(kind)
        held = [r for r in store.records() if r.wins is kind and r.part == "test"]
        assert abs(len(held) - 0.2 * count) <= 1


def test_an_episode_that_is_there_is_not_added_again(tmp_path):
    store = FrameStore(tmp_path, LAYOUT)
    assert store.add([clip("a", [0, 1]), clip("a", [0, 1])]) == (1, 2)
    assert FrameStore(tmp_path).add([clip("a", [0, 1]), clip("b", [0])]) == (1, 1)


def test_a_held_out_episode_stays_held_out(tmp_path):
    store = fill(tmp_path, episodes=10)
    before = {r.episode: r.part for r in store.records()}
    fill(tmp_path, episodes=30, seed=1)
    assert before.items() <= {r.episode: r.part for r in store.records()}.items()


def test_another_task_or_camera_is_refused(tmp_path):
    FrameStore(tmp_path, LAYOUT).begin()
    with pytest.raises(SpecError, match="has task arm_pick, not arm_insert; name another folder"):
        FrameStore(tmp_path, Layout("arm_insert", CAMERAS))
    with pytest.raises(SpecError, match="has cameras"):
        FrameStore(tmp_path, Layout("arm_pick", {"wrist": (8, 8, 3)}))
    with pytest.raises(SpecError, match="frames of camera 'side' are missing"):
        one = clip("a", [0])
        FrameStore(tmp_path).add([one._replace(frames={"wrist": one.frames["wrist"]})])


def test_frames_of_another_crop_are_refused_where_both_are_known(tmp_path):
    def cropped(top):
        return Layout("arm_pick", CAMERAS, crops={"wrist": (-0.5, top, 0.5, 0.5)})

    FrameStore(tmp_path / "old", LAYOUT).begin()
    assert not FrameStore(tmp_path / "old", cropped(-0.5)).layout.crops
    FrameStore(tmp_path / "new", cropped(-0.5)).begin()
    FrameStore(tmp_path / "new", LAYOUT)
    FrameStore(tmp_path / "new", cropped(-0.499))
    with pytest.raises(SpecError, match="camera 'wrist' was cropped to .*, or name another folder"):
        FrameStore(tmp_path / "new", cropped(-0.3))


def test_a_label_without_a_class_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="class 2 is not one of"):
        FrameStore(tmp_path, LAYOUT).add([clip("a", [0, 2])])


def test_a_folder_without_frames_says_how_to_get_some(tmp_path):
    with pytest.raises(StoreError, match="`sandlot classifier collect` makes a data set"):
        FrameStore(tmp_path)


def test_nothing_is_made_before_there_are_frames(tmp_path):
    store = FrameStore(tmp_path / "data", LAYOUT)
    with pytest.raises(ConfigError):
        store.add([clip("a", [0, 2])])
    assert store.records() == [] and not (tmp_path / "data").exists()
    store.add([clip("a", [0, 1])])
    assert FrameStore(tmp_path / "data").layout == LAYOUT


def test_a_file_where_the_folder_must_be_is_refused_before_anything_is_played(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="/file' is a file where the folder of a data set must be"):
        FrameStore(tmp_path / "file" / "data", LAYOUT)


def test_a_damaged_file_is_named(tmp_path):
    store = fill(tmp_path, episodes=4)
    file = next(tmp_path.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StoreError, match=f"'{file}' is damaged"):
        store.load("train")


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        ("image.side", None, "'image.side' is missing"),
        ("image.side", lambda a: a.astype(np.float32), r"'image.side' is F32 \[80, 8, 8, 3\] and must be U8"),
        (
            "image.wrist",
            lambda a: a[:, ::2],
            r"'image.wrist' is U8 \[80, 4, 8, 3\] and must be .*80, 8, 8, 3",
        ),
        ("label", lambda a: a[:-1], r"'label' is U8 \[79\] and must be U8 \[80\]"),
    ],
)
def test_a_file_whose_arrays_are_not_those_of_the_set_is_named(tmp_path, name, change, found):
    store = fill(tmp_path, episodes=4)
    (file,) = tmp_path.glob("*.safetensors")
    arrays = safetensors.numpy.load_file(file)
    with safetensors.safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()
    old = arrays.pop(name)
    if change:
        arrays[name] = np.ascontiguousarray(change(old))
    file.write_bytes(safetensors.numpy.save(arrays, metadata))
    with pytest.raises(StoreError, match=found):
        store.load("train")


def test_a_writer_that_died_leaves_nothing_behind_that_counts(tmp_path):
    store = fill(tmp_path, episodes=4)
    (tmp_path / ".00001-abc.safetensors.77").write_bytes(b"half")
    assert len(store.records()) == 4


def test_rows_come_from_the_disk_as_from_an_array(tmp_path):
    store = fill(tmp_path, episodes=9, frames=7)
    fill(tmp_path, episodes=9, frames=7, seed=1)
    files = sorted(tmp_path.glob("*.safetensors"))
    arrays = [safetensors.numpy.load_file(path)["image.side"] for path in files]
    records = [record for record in store.records() for _ in range(record.count)]
    whole = np.concatenate(arrays)[[record.part == "train" for record in records]]
    frames = store.load("train").frames["side"]
    assert frames.shape == whole.shape and len(frames) == len(whole) > 60
    np.testing.assert_array_equal(frames[:], whole)
    np.testing.assert_array_equal(frames[-2], whole[-2])
    np.testing.assert_array_equal(frames[3:60:7], whole[3:60:7])
    rows = np.array([[60, 0], [5, 5]])
    np.testing.assert_array_equal(frames[rows], whole[rows])
    with pytest.raises(IndexError):
        frames[len(whole)]


def test_a_file_that_goes_away_while_it_is_read_is_named(tmp_path):
    frames = fill(tmp_path, episodes=4).load("train").frames["side"]
    (file,) = tmp_path.glob("*.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 4])
    with pytest.raises(StoreError, match=f"'{file}' became shorter"):
        frames[:]
    file.unlink()
    with pytest.raises(StoreError, match=f"'{file}' cannot be read"):
        frames[0]


def test_a_set_is_opened_without_its_frames(tmp_path):
    """What is held for a frame of 48 kB is some tens of bytes."""
    cameras = {"side": (128, 128, 3)}
    store = FrameStore(tmp_path, Layout("arm_pick", cameras))
    for k in range(4):
        frames = np.full((50, 128, 128, 3), k, np.uint8)
        store.add([Clip(f"e{k}", {"side": frames}, np.zeros(50, np.uint8), np.zeros(50, bool), "train")])
    tracemalloc.start()
    data = store.load("train")
    _, most = tracemalloc.get_traced_memory()
    batch = data.frames["side"][np.arange(0, 200, 25)]
    _, reading = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(data) == 200 and batch[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert most < 1e6 and reading < 2e6  # all of them take 9.8 MB
