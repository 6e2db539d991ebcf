import errno
import os
import struct

import numpy as np
import pytest
from rosbags.rosbag2 import Reader
from tests.robots.recording.made import ESTOP, JOINTS, joints, write_bag

from sandlot.learners.errors import ConfigError, StoreError
from sandlot.robots.recording.bag import Bag, BagWriter, decoder
from sandlot.robots.recording.bag_metadata import METADATA
from sandlot.robots.recording.errors import BagError
from sandlot.robots.recording.mcap_read import McapReader, Message
from sandlot.robots.recording.mcap_write import McapWriter


def values(bag: Bag) -> list[float]:
    decode = decoder()
    return [decode(m).position[0] for m in bag.messages()]


@pytest.mark.parametrize("compression", ["", "lz4"])
def test_what_is_written_is_read_by_us_and_by_others(tmp_path, compression):
    folder = tmp_path / "bag"
    write_bag(folder, compression=compression, split_bytes=12_000)
    bag = Bag(folder)
    assert len(bag.files) > 1
    assert values(bag) == list(range(300))
    assert bag.custom == {"task": "arm_pick"}
    info = bag.info()
    assert info.counts == {JOINTS.name: 300, ESTOP.name: 0}
    assert (info.first_ns, info.last_ns, info.finished) == (1000, 1299, True)
    with Reader(folder) as reader:  # rosbags
        assert [m[2] for m in reader.messages()] == [m.data for m in bag.messages()]
        assert {c.topic: c.ext.offered_qos_profiles[0].durability.name for c in reader.connections} == {
            JOINTS.name: "VOLATILE",
            ESTOP.name: "TRANSIENT_LOCAL",
        }
    make_reader = pytest.importorskip("mcap.reader").make_reader
    count = 0
    for path in bag.files:
        with path.open("rb") as file:  # the mcap package, through the index
            count += len(list(make_reader(file, validate_crcs=True).iter_messages(topics=[JOINTS.name])))
    assert count == 300


def test_a_file_cut_off_anywhere_reads_up_to_its_last_chunk_and_can_be_repaired(tmp_path):
    folder = tmp_path / "bag"
    write_bag(folder, count=100)
    path = folder / "bag_0.mcap"
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for size in [0, 1, 8, 9, 30, *rng.integers(0, len(whole), 60).tolist()]:
        path.write_bytes(whole[:size])
        (folder / METADATA).unlink(missing_ok=True)
        bag = Bag(folder)
        before = values(bag)
        assert before == list(range(len(before)))
        assert len(before) % 20 == 0
        assert not bag.info().finished
        assert bag.repair()
        assert Bag(folder).info().finished
        assert not Bag(folder).repair()
        with Reader(folder) as reader:
            assert len(list(reader.messages())) == len(before)


def test_every_whole_chunk_before_the_cut_survives(tmp_path):
    folder = tmp_path / "bag"
    write_bag(folder, count=100)
    path = folder / "bag_0.mcap"
    whole = path.read_bytes()
    reader = McapReader(path)
    reader.scan()
    for number, chunk in enumerate(reader.summary.chunks, start=1):
        path.write_bytes(whole[: chunk.offset + chunk.length])
        assert len(values(Bag(folder))) == 20 * number


def test_damage_in_the_middle_names_file_and_offset(tmp_path):
    folder = tmp_path / "bag"
    write_bag(folder, count=100)
    path = folder / "bag_0.mcap"
    reader = McapReader(path)
    reader.scan()
    chunk = reader.summary.chunks[1]
    data = bytearray(path.read_bytes())
    data[chunk.offset + 200] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BagError, match=f"bag_0.mcap' is damaged at offset {chunk.offset}: .*checksum"):
        list(Bag(folder).messages())


def test_random_bytes_never_raise_anything_but_bag_error(tmp_path):
    folder = tmp_path / "bag"
    write_bag(folder, count=60)
    path = folder / "bag_0.mcap"
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = int(rng.integers(256))
        path.write_bytes(data)
        try:
            list(Bag(folder).messages())
        except BagError as error:
            assert "bag_0.mcap" in str(error)


def test_what_is_no_bag_is_refused_on_one_line(tmp_path):
    with pytest.raises(BagError, match="holds no bag"):
        Bag(tmp_path)
    (tmp_path / "x.mcap").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(BagError, match="x.mcap' is not an MCAP file: at offset 0"):
        list(Bag(tmp_path).messages())
    (tmp_path / METADATA).write_text("rosbag2_bagfile_information:\n  storage_identifier: sqlite3\n")
    with pytest.raises(BagError, match="stored as 'sqlite3'.*rosbags-convert"):
        Bag(tmp_path)
    (tmp_path / METADATA).write_text(":\n- [")
    with pytest.raises(BagError, match="no bag's metadata"):
        Bag(tmp_path)


def test_a_message_that_makes_no_sense_names_its_topic():
    with pytest.raises(BagError, match="topic '/arm/joint_states': a message of 3 bytes at 7 ns"):
        decoder()(Message(JOINTS.name, JOINTS.type, 7, b"abc"))
    with pytest.raises(BagError, match="topic '/x' has the unknown type 'a_msgs/msg/B'"):
        decoder()(Message("/x", "a_msgs/msg/B", 7, b"abc"))


def test_a_bag_is_never_written_over(tmp_path):
    write_bag(tmp_path / "bag", count=1)
    with pytest.raises(StoreError, match="cannot be made: File exists"):
        BagWriter(tmp_path / "bag", [JOINTS], custom={})
    with pytest.raises(ConfigError, match="compression 'zip' is unknown"):
        McapWriter(tmp_path / "x.mcap", compression="zip")


def test_a_write_that_fails_leaves_the_file_sound(tmp_path, monkeypatch):
    writer = BagWriter(tmp_path / "bag", [JOINTS], custom={})
    real, room = os.write, [0]

    def write(fd, data):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= 100
        return real(fd, bytes(data)[:100])  # a disk fills up in the middle of a chunk

    for i in range(10):
        writer.write(JOINTS.name, i, joints(i))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        room[0] = 300
        with pytest.raises(OSError, match="No space"):
            writer.flush()
    assert writer.held == 0
    for i in range(10, 20):
        writer.write(JOINTS.name, i, joints(i))
    writer.close()
    assert values(Bag(tmp_path / "bag")) == list(range(10, 20))


def test_lengths_that_lie_are_refused_before_memory_is_taken(tmp_path):
    write_bag(tmp_path / "bag", count=1)
    path = tmp_path / "bag" / "bag_0.mcap"
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q", data, 9, 1 << 40)
    path.write_bytes(data)
    with pytest.raises(BagError, match="no record has type 1 and length 1099511627776"):
        list(Bag(tmp_path / "bag").messages())
