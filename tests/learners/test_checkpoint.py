import errno
import logging
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from bench.faults_storage import fault_13_checkpoint, fault_14
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sandlot.learners import checkpoint
from sandlot.learners.checkpoint import Disk, listing, load_latest, save
from sandlot.learners.errors import DiskFullError, StoreError

ARRAYS = {"actor.w0": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7, np.int32)}


def test_what_was_saved_is_loaded_bit_for_bit(tmp_path):
    arrays = {
        "turned": np.arange(12.0, dtype=np.float32).reshape(3, 4).T,
        "scalar": np.array(-0.0, np.float32),
        "nan": np.array([np.nan, np.inf], np.float32),
        "none": np.zeros((0, 3), np.float32),
        "key": np.array([2**32 - 1, 5], np.uint32),
        "flag": np.array([True, False]),
    }
    meta = {"rng": {"state": 2**127 + 1}, "name": "ärm", "ratio": [1.5, None]}
    path = save(tmp_path, 12, arrays, meta)
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert (loaded.step, loaded.meta, loaded.path) == (12, meta, path)
    assert loaded.arrays.keys() == arrays.keys()
    for name, a in arrays.items():
        b = loaded.arrays[name]
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@given(
    hnp.arrays(st.sampled_from([np.float32, np.int64, np.uint8, np.float64]), hnp.array_shapes(min_dims=0))
)
def test_any_array_survives_encoding(array):
    back = checkpoint.load_tensors(checkpoint._encode({"x": array}))["x"]
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_the_sums_are_those_of_sha256sum(tmp_path):
    path = save(tmp_path, 1, ARRAYS, {})
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=path, check=True, capture_output=True
    )


def test_the_newest_few_are_kept_and_the_last_written_is_the_newest(tmp_path):
    for step in (10, 20, 30, 30, 15):  # 30 again, then back to 15 after a roll-back
        save(tmp_path, step, ARRAYS, {"was": step}, keep=3)
    assert [(serial, step) for serial, step, _ in listing(tmp_path)] == [(5, 15), (4, 30), (3, 30)]
    assert load_latest(tmp_path).step == 15


def test_nothing_saved_is_nothing_loaded(tmp_path):
    assert load_latest(tmp_path / "none") is None
    assert load_latest(tmp_path) is None


@pytest.mark.parametrize("name", ["arrays.safetensors", "meta.json", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_checkpoint_is_passed_over_and_the_reason_logged(tmp_path, caplog, name, damage):
    save(tmp_path, 1, ARRAYS, {"n": 1})
    path = save(tmp_path, 2, ARRAYS, {"n": 2}) / name
    data = path.read_bytes()
    middle = len(data) // 2
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            data[:middle]
            if damage == "cut"
            else data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        )
    with caplog.at_level(logging.ERROR):
        assert load_latest(tmp_path).meta == {"n": 1}
    assert "checkpoint_refused" in caplog.text and ("digests" in caplog.text or name in caplog.text)


def test_when_none_is_intact_it_says_so(tmp_path):
    (save(tmp_path, 1, ARRAYS, {}) / "meta.json").write_text("[]")
    with pytest.raises(StoreError, match="none of 1 is intact .*digests do not match"):
        load_latest(tmp_path)


class Counting(Disk):
    """Counts calls, and fails the one numbered `fail_at` with `code`."""

    def __init__(self, fail_at=-1, code=errno.ENOSPC):
        self.calls, self.fail_at, self.code = [], fail_at, code

    def __getattribute__(self, name):
        if name in {"create", "write", "sync", "make_folder", "rename", "remove", "remove_folder"}:
            self.calls.append(name)
            if len(self.calls) - 1 == self.fail_at:
                raise OSError(self.code, os.strerror(self.code))
        return object.__getattribute__(self, name)


def calls_of_a_save(folder: Path) -> list[str]:
    disk = Counting()
    for step in (1, 2, 3):
        save(folder, step, ARRAYS, {}, keep=1, disk=disk if step == 3 else Disk())
    return disk.calls


def test_every_file_and_folder_is_synced_before_and_after_the_rename(tmp_path):
    calls = calls_of_a_save(tmp_path)
    kept = [c for c in calls if c in {"write", "sync", "rename", "remove"}]
    assert kept[:9] == ["write", "sync"] * 3 + ["sync", "rename", "sync"]
    assert "remove" not in kept[:9] and "remove" in kept[9:]


def test_a_full_disk_at_any_call_leaves_the_last_good_one_and_later_saves_work(tmp_path):
    count = len(calls_of_a_save(tmp_path / "probe"))
    assert count > 15
    for k in range(count):
        folder = tmp_path / str(k)
        save(folder, 1, ARRAYS, {"n": 1}, keep=1)
        save(folder, 2, ARRAYS, {"n": 2}, keep=1)
        try:
            save(folder, 3, ARRAYS, {"n": 3}, keep=1, disk=Counting(k))
        except DiskFullError as e:
            assert "is full; free some space" in str(e)
        assert load_latest(folder).meta["n"] in {2, 3}
        save(folder, 4, ARRAYS, {"n": 4}, keep=1)
        assert load_latest(folder).meta == {"n": 4}
        assert len(list(folder.iterdir())) == 1


def test_another_disk_error_is_not_called_full(tmp_path):
    with pytest.raises(StoreError, match="Input/output error") as e:
        save(tmp_path, 1, ARRAYS, {}, disk=Counting(3, errno.EIO))
    assert not isinstance(e.value, DiskFullError)


def test_killed_at_any_write_boundary_the_newest_complete_checkpoint_loads():
    row = fault_14(injections=84, seed=0)  # two saves' worth of boundaries, twice
    assert row["violations"] == 0 and row["max"] > 0


def test_a_full_disk_is_survived_for_real():
    """On a small tmpfs where this runs as root; otherwise the calls fail one by one only."""
    assert fault_13_checkpoint(injections=24, seed=0)["violations"] == 0
