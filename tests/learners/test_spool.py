"""The spool: what is in it survives the process, what is acknowledged leaves it."""

import contextlib
import os
import signal
import subprocess
import sys

import msgspec
import pytest
from bench.faults_disk import can_mount, fault_13_spool
from bench.transport_rig import LAYOUT, SPEC, batch
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners.errors import BusyError, SpecError, StoreError
from sandlot.learners.schema import Stream
from sandlot.learners.spool import MemorySpool, Spool
from sandlot.learners.wire import Layout

A, B = Stream("a", "r1"), Stream("a", "r2", 1)


def contents(spool, stream=A):
    found = [spool.read(r) for r in spool.after(0) if r.stream == stream]
    return b"".join(b.steps.tobytes() + b.finals.tobytes() for b in found)


def expected(first, sizes, stream=A):
    parts, step = [], first
    for size in sizes:
        made = batch(step, size, stream)
        parts.append(made.steps.tobytes() + made.finals.tobytes())
        step += size
    return b"".join(parts)


@pytest.fixture(params=["disk", "memory"])
def spool(request, tmp_path):
    made = Spool(tmp_path, LAYOUT) if request.param == "disk" else MemorySpool(LAYOUT)
    with contextlib.closing(made):
        yield made


def test_batches_come_back_in_order_and_leave_when_released(spool):
    for first, stream in ((0, A), (0, B), (10, A), (20, A)):
        spool.append(batch(first, 10, stream))
    assert [(r.stream, r.first, r.length) for r in spool.after(0)] == [
        (A, 0, 10), (B, 0, 10), (A, 10, 10), (A, 20, 10)]  # fmt: skip
    assert spool.steps == 40
    assert [r.first for r in spool.release(A, 25)] == [0, 10]  # the batch from 20 is only half acknowledged
    assert spool.first_step(A) == 20
    assert [r.number for r in spool.after(2)] == [3]
    spool.release(A, 30)
    spool.release(B, 10)
    assert (len(spool), spool.steps, spool.used_bytes, spool.streams) == (0, 0, 0, [])


def test_leftovers_are_found_by_the_next_process_oldest_first(tmp_path):
    with contextlib.closing(Spool(tmp_path, LAYOUT, segment_bytes=20_000)) as spool:
        for first in range(0, 100, 10):
            spool.append(batch(first, 10, A))
        spool.append(batch(0, 30, B))
        spool.bind("run1")
        spool.release(A, 20)
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        assert spool.streams == [A, B]
        assert spool.learner_run == "run1"
        assert contents(spool)[-len(expected(20, [10] * 8)) :] == expected(20, [10] * 8)
        assert contents(spool, B) == expected(0, [30], B)
        for stream in (A, B):
            spool.release(stream, 1000)
    assert list(tmp_path.glob("*.spool")) == []


def test_files_are_deleted_as_they_are_acknowledged(tmp_path):
    with contextlib.closing(Spool(tmp_path, LAYOUT, segment_bytes=20_000)) as spool:
        for first in range(0, 200, 10):
            spool.append(batch(first, 10, A))
        before = len(list(tmp_path.glob("*.spool")))
        spool.release(A, 150)
        assert 1 <= len(list(tmp_path.glob("*.spool"))) < before
        assert contents(spool) == expected(150, [10] * 5)


@given(cut=st.integers(0, 40_000))
@settings(max_examples=40, deadline=None)
def test_a_torn_end_costs_only_the_batch_that_was_being_written(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("spool")
    ends = []
    with contextlib.closing(Spool(folder, LAYOUT)) as spool:
        for first in range(0, 50, 10):
            record = spool.append(batch(first, 10, A))
            ends.append(record.offset + record.nbytes)
    [path] = folder.glob("*.spool")
    os.truncate(path, min(cut, ends[-1]))
    whole = sum(end <= cut for end in ends)
    with contextlib.closing(Spool(folder, LAYOUT)) as spool:
        assert contents(spool) == expected(0, [10] * whole)


def test_a_damaged_record_is_never_sent(tmp_path):
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        record = spool.append(batch(0, 10, A))
        [path] = tmp_path.glob("*.spool")
        data = bytearray(path.read_bytes())
        data[record.offset + 500] ^= 1
        path.write_bytes(data)
        with pytest.raises(StoreError, match=f"damaged at byte {record.offset}"):
            spool.read(record)
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        assert len(spool) == 0


def test_steps_behind_a_hole_are_counted_as_lost(tmp_path):
    with contextlib.closing(Spool(tmp_path, LAYOUT, segment_bytes=1000)) as spool:
        for first in range(0, 30, 10):
            spool.append(batch(first, 10, A))  # one file each
    sorted(tmp_path.glob("*.spool"))[1].unlink()
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        assert contents(spool) == expected(0, [10])
        assert spool.lost_steps == 10


def test_a_second_actor_of_the_folder_is_refused(tmp_path):
    with contextlib.closing(Spool(tmp_path, LAYOUT)):
        with pytest.raises(BusyError, match=f"spool folder '{tmp_path}' is in use by process {os.getpid()}"):
            Spool(tmp_path, LAYOUT)
    Spool(tmp_path, LAYOUT).close()


def test_steps_of_another_task_are_not_thrown_away(tmp_path):
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        spool.append(batch(0, 10, A))
    other = Layout.of(msgspec.structs.replace(SPEC, task="other"))
    with pytest.raises(SpecError, match="another task than 'other'"):
        Spool(tmp_path, other)
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        assert spool.steps == 10


CHILD = """
import sys
from bench.transport_rig import LAYOUT, batch
from sandlot.learners.schema import Stream
from sandlot.learners.spool import Spool
spool = Spool(sys.argv[1], LAYOUT, segment_bytes=50_000)
for first in range(0, 1_000_000, 10):
    spool.append(batch(first, 10, Stream("a", "r1")))
    print(first + 10, flush=True)
"""


def test_kill_9_loses_nothing_that_was_taken(tmp_path):
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for _ in range(30):
            taken = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    with contextlib.closing(Spool(tmp_path, LAYOUT)) as spool:
        assert spool.steps >= taken
        assert contents(spool) == expected(0, [10] * (spool.steps // 10))


@pytest.mark.skipif(not can_mount(), reason="needs root to mount a small disk")
def test_a_full_disk_refuses_and_recovers():
    assert fault_13_spool(injections=30, seed=5)["violations"] == 0
