"""Frames that wait for a label: bounded, whole, and moved into the training part once labelled."""

import numpy as np
import pytest
from tests.perception.classifier.small import CAMERAS, picture

from sandlot.learners.errors import ConfigError
from sandlot.perception.classifier.dataset import FrameStore, Layout
from sandlot.perception.classifier.queue import Keeper, pending, relabel, save


def frames(value):
    return {camera: picture(value) for camera in CAMERAS}


def test_what_was_offered_is_written_by_the_time_it_is_closed(tmp_path):
    keeper = Keeper(tmp_path / "queue")
    for k in range(5):
        keeper.offer(frames(k / 10), k / 10, "e1")
    keeper.close()
    keeper.close()
    found = pending(tmp_path / "queue")
    assert [one.p_success for one in found] == [0.0, 0.1, 0.2, 0.3, 0.4]
    np.testing.assert_array_equal(found[3].frames["side"], picture(0.3))
    assert {one.episode for one in found} == {"e1"}


def test_the_oldest_go_when_it_is_full(tmp_path):
    for k in range(6):
        save(tmp_path, frames(0.5), k / 10, "e", most=4)
    assert [one.p_success for one in pending(tmp_path)] == [0.2, 0.3, 0.4, 0.5]


def test_a_disk_that_refuses_is_said_and_nothing_else_happens(tmp_path, caplog):
    (tmp_path / "queue").write_text("a file where the folder would be")
    keeper = Keeper(tmp_path / "queue")
    keeper.offer(frames(0.5), 0.5, "e")
    keeper.offer(frames(0.5), 0.5, "e")
    keeper.close()
    assert caplog.text.count("event=uncertain_frames_not_kept") == 1


def test_labelled_frames_join_the_training_part_and_leave_the_queue(tmp_path):
    queue, store = tmp_path / "queue", FrameStore(tmp_path / "data", Layout("arm_pick", CAMERAS))
    for k in range(3):
        save(queue, frames(k / 10), k / 10, "e")
    names = [one.name for one in pending(queue)]
    assert relabel(queue, [names[0], names[2], names[0]], "no", store) == 2
    assert [one.name for one in pending(queue)] == [names[1]]
    data = store.load("train")
    assert data.labels.tolist() == [0, 0]
    assert data.hard.all()
    np.testing.assert_array_equal(data.frames["wrist"][1], picture(0.2))
    relabel(queue, [names[1]], "yes", store)
    assert sorted(store.load("train").labels) == [0, 0, 1]
    assert not len(store.load("test")) + len(store.load("validation"))


def test_unknown_frames_and_classes_change_nothing(tmp_path):
    queue, store = tmp_path / "queue", FrameStore(tmp_path / "data", Layout("arm_pick", CAMERAS))
    save(queue, frames(0.5), 0.5, "e")
    name = pending(queue)[0].name
    with pytest.raises(ConfigError, match="class 'maybe' does not exist; choose from no, yes"):
        relabel(queue, [name], "maybe", store)
    with pytest.raises(ConfigError, match="frame 'x' is not in"):
        relabel(queue, [name, "x"], "yes", store)
    assert len(pending(queue)) == 1
    assert not store.records()


def test_a_damaged_frame_is_left_out_and_said(tmp_path, caplog):
    save(tmp_path, frames(0.5), 0.5, "e")
    (tmp_path / "0-bad.safetensors").write_bytes(b"x")
    assert len(pending(tmp_path)) == 1
    assert "event=uncertain_frame_unreadable" in caplog.text
