import logging
import threading
from collections import namedtuple

import pytest
from tests.robots.recording.made import ESTOP, JOINTS, joints

from sandlot.learners.errors import ConfigError, StoreError
from sandlot.robots.recording import recorder as module
from sandlot.robots.recording.bag import Bag, decoder
from sandlot.robots.recording.recorder import Recorder, RecorderConfig
from sandlot.robots.recording.topics import discovered, robot_topics

Usage = namedtuple("Usage", "free")


def numbers(folder) -> list[int]:
    decode = decoder()
    return [int(decode(m).position[0]) for m in Bag(folder).messages([JOINTS.name])]


def wait_for(condition) -> None:
    deadline = threading.Event()
    for _ in range(1000):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError("it never came true")


def test_everything_offered_is_in_the_bag_in_order(tmp_path):
    recorder = Recorder(tmp_path / "bag", [JOINTS], RecorderConfig(reserve_mb=0), {})
    recorder.add_topic(ESTOP)
    for i in range(500):
        recorder.offer(JOINTS.name, i, joints(i))
    recorder.close()
    assert numbers(tmp_path / "bag") == list(range(500))
    assert (recorder.figures.recorded, recorder.figures.lost) == (500, 0)
    assert Bag(tmp_path / "bag").info().counts[ESTOP.name] == 0


def test_a_full_disk_is_said_once_and_recording_goes_on_when_there_is_room(tmp_path, monkeypatch, caplog):
    free = [1000 * module.MB]
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: Usage(free[0]))
    caplog.set_level(logging.WARNING)
    recorder = Recorder(tmp_path / "bag", [JOINTS], RecorderConfig(reserve_mb=500), {})
    try:
        recorder.offer(JOINTS.name, 0, joints(0))
        wait_for(lambda: recorder.figures.recorded == 1)
        free[0] = 499 * module.MB
        wait_for(lambda: recorder.figures.full)
        for i in range(1, 11):
            recorder.offer(JOINTS.name, i, joints(i))
        wait_for(lambda: recorder.figures.lost == 10)
        free[0] = 1000 * module.MB
        wait_for(lambda: not recorder.figures.full)
        recorder.offer(JOINTS.name, 11, joints(11))
    finally:
        recorder.close()
    assert numbers(tmp_path / "bag") == [0, 11]
    lines = [r.getMessage() for r in caplog.records]
    assert len(lines) == 2
    assert "499 MB of the disk are free, reserve_mb=500" in lines[0]
    assert "recorder_writes_again" in lines[1]


def test_a_slow_disk_costs_messages_but_no_memory(tmp_path, monkeypatch):
    held = threading.Event()
    monkeypatch.setattr(module.BagWriter, "write", lambda *_: held.wait())
    recorder = Recorder(tmp_path / "bag", [JOINTS], RecorderConfig(reserve_mb=0, queue_mb=1), {})
    try:
        for i in range(40):
            recorder.offer(JOINTS.name, i, bytes(100_000))
        assert 25 < recorder.figures.lost < 35
        assert recorder.behind
    finally:
        held.set()
        recorder.close()


def test_settings_that_make_no_sense(tmp_path):
    with pytest.raises(ConfigError, match="compression='zip' is unknown; choose none or lz4"):
        RecorderConfig(compression="zip")
    with pytest.raises(ConfigError, match="kind='boat' is unknown; robots are arm, car"):
        RecorderConfig(kind="boat")
    with pytest.raises(ConfigError, match="split_mb=0 must be greater than 0"):
        RecorderConfig(split_mb=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Recorder(tmp_path / "file" / "bag", [JOINTS], RecorderConfig(), {})


def test_which_topics():
    names = [t.full_name("arm") for t in robot_topics("arm", ["cube"], ["front"])]
    assert {"/arm/objects/cube", "/arm/place/cube", "/arm/camera/front/image_raw", "/estop"} <= set(names)
    assert len(set(names)) == len(names)
    car = [t.full_name("car") for t in robot_topics("car", [], ["bumper"])]
    assert {"/car/odom", "/car/fix", "/car/drive", "/car/camera/bumper/image_raw", "/estop"} <= set(car)
    assert len(set(car)) == len(car)
    assert discovered("/arm/camera/wrist/image_raw", "arm").quality == "image"
    assert discovered("/arm/objects/hole", "arm").name == "objects/hole"
    assert discovered("/other/objects/hole", "arm") is None
    assert discovered("/arm/joint_states", "arm") is None
