"""TensorBoard files, read back by TensorBoard itself."""

import pathlib

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sandlot.learners.tensorboard import ScalarWriter


def read(folder):
    accumulator = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(e.step, round(e.value, 4)) for e in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def test_tensorboard_reads_what_was_written(tmp_path):
    writer = ScalarWriter(tmp_path / "tb")
    writer.add(10, {"loss/critic": 0.5, "success_50": 0.0})
    writer.add(20, {"loss/critic": 0.25})
    assert read(tmp_path / "tb") == {"loss/critic": [(10, 0.5), (20, 0.25)], "success_50": [(10, 0.0)]}
    writer.close()
    writer.close()


def test_a_resumed_run_goes_on_in_a_file_of_its_own(tmp_path):
    for step in (1, 2):
        writer = ScalarWriter(tmp_path)
        writer.add(step, {"a": step / 2})
        writer.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert [e for f in sorted(tmp_path.iterdir()) for e in read(f)["a"]] == [(1, 0.5), (2, 1.0)]


def test_a_disk_that_is_full_costs_curves_and_not_the_run(tmp_path, caplog, monkeypatch):
    if not pathlib.Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    real = pathlib.Path.open
    monkeypatch.setattr(pathlib.Path, "open", lambda self, mode: real(pathlib.Path("/dev/full"), "wb"))
    writer = ScalarWriter(tmp_path)
    writer.add(1, {"a": 1.0})
    writer.add(2, {"a": 2.0})
    assert caplog.text.count("event=tensorboard_failed") == 1 and "No space left on device" in caplog.text
    monkeypatch.undo()
    writer.add(3, {"a": 3.0})
    assert read(tmp_path) == {"a": [(3, 3.0)]}
    writer.close()
