"""The run store: committed once, in order, for good."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from bench.faults_disk import can_mount, small_disk
from bench.transport_rig import LAYOUT, SPEC, batch, damage
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners import store_file
from sandlot.learners.errors import BusyError, DiskFullError, GapError, SpecError, StoreError
from sandlot.learners.schema import Flag, Source, Stream
from sandlot.learners.store import RunReader, RunStore
from sandlot.learners.wire import Batch

A, B = Stream("a", "r1"), Stream("b", "r2", 3, 1)


@pytest.fixture
def store(tmp_path):
    with RunStore.open(tmp_path / "run", SPEC) as made:
        yield made


def numbers(store, **where):
    return [(s.stream, int(n)) for s in store.read(**where) for n in s.steps["step"]]


def test_steps_come_back_in_commit_order_byte_for_byte(store):
    sent = [batch(0, 25, A), batch(0, 5, B), batch(25, 25, A)]
    stored = store.append(sent[:2]) + store.append(sent[2:])
    assert [s.last_seq for s in stored] == [25, 30, 55]
    got = list(store.read())
    assert [s.last_seq for s in got] == [25, 30, 55]
    for one, other in zip(got, sent, strict=True):
        assert (one.stream, one.steps.tobytes(), one.finals.tobytes()) == (
            other.stream, other.steps.tobytes(), other.finals.tobytes())  # fmt: skip
    assert (store.next_step(A), store.next_step(B), store.next_step(Stream("c", "r"))) == (50, 5, 0)


def test_reading_may_begin_and_end_within_a_batch(store):
    store.append([batch(0, 25, A), batch(0, 5, B)])
    assert numbers(store, after_seq=23, limit=4) == [(A, 23), (A, 24), (B, 0), (B, 1)]
    [part] = store.read(after_seq=18, limit=2)
    assert (part.last_seq, part.steps["step"].tolist(), part.finals["step"].tolist()) == (20, [18, 19], [19])


def test_a_resend_is_harmless(store):
    store.append([batch(0, 25, A)])
    assert store.append([batch(0, 25, A), batch(5, 10, A)]) == []
    [new] = store.append([batch(10, 30, A), batch(20, 20, A)])
    assert (new.last_seq, new.steps["step"][0], new.finals["step"].tolist()) == (40, 25, [39])
    assert damage(store.folder, {A: 40}) == 0


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 40), st.integers(1, 20)), max_size=25))
@settings(max_examples=25, deadline=None)
def test_any_mix_of_sends_and_resends_stores_each_step_once(tmp_path_factory, sends):
    want = {A: 0, B: 0}
    with RunStore.open(tmp_path_factory.mktemp("run"), SPEC) as store:
        for stream, first, count in sends:
            if first > want[stream]:
                with pytest.raises(GapError, match=f"begins at step {first}, but {want[stream]} is next"):
                    store.append([batch(first, count, stream)])
            else:
                store.append([batch(first, count, stream)])
                want[stream] = max(want[stream], first + count)
        assert damage(store.folder, want) == 0


def test_an_error_stores_nothing_of_the_call(store):
    with pytest.raises(GapError):
        store.append([batch(0, 5, A), batch(7, 5, A)])
    assert (store.next_step(A), store.last_seq, list(store.read())) == (0, 0, [])
    store.append([batch(0, 5, A)])
    assert store.last_seq == 5


def test_cursors_survive_a_restart(tmp_path):
    with RunStore.open(tmp_path, SPEC) as store:
        store.append([batch(0, 25, A), batch(0, 5, B)])
        run_id = store.run_id
        assert (store.begin_life(), store.begin_life()) == (1, 2)
    with RunStore.open(tmp_path) as store:
        assert (store.next_step(A), store.next_step(B), store.last_seq) == (25, 5, 30)
        assert (store.run_id, store.begin_life()) == (run_id, 3)


CHILD = """
import sys
from bench.transport_rig import SPEC, batch
from sandlot.learners.schema import Stream
from sandlot.learners.store import RunStore
store = RunStore.open(sys.argv[1], SPEC)
for first in range(0, 1_000_000, 10):
    store.append([batch(first, 10, Stream("a", "r1"))])
    print(first + 10, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        for _ in range(40):
            committed = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
    with RunStore.open(tmp_path) as store:
        assert store.next_step(A) >= committed
        assert damage(tmp_path, {A: store.next_step(A)}) == 0


def test_a_second_writer_is_refused_and_readers_are_not(store):
    store.append([batch(0, 5, A)])
    with pytest.raises(BusyError, match=f"run folder '{store.folder}' is in use by process {os.getpid()}"):
        RunStore.open(store.folder, SPEC)
    reader = RunReader(store.folder)
    store.append([batch(5, 5, A)])
    assert (reader.last_seq, len(numbers(reader)), reader.spec) == (10, 10, SPEC)


def test_another_task_is_refused_naming_both(store):
    store.close()
    other = msgspec.structs.replace(SPEC, task="other", control_hz=20.0)
    with pytest.raises(
        SpecError, match=r"holds task 'rig', not 'other' \(task: 'other' != 'rig'; control_hz: 20"
    ):
        RunStore.open(store.folder, other)
    RunStore.open(store.folder, SPEC).close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(StoreError, match=f"folder '{folder}' cannot be made: .*; name another"):
            RunStore.open(folder, SPEC)


def test_what_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no run"):
        RunReader(tmp_path)
    with pytest.raises(StoreError, match="holds no run"):
        RunStore.open(tmp_path / "absent")
    (tmp_path / "run.sqlite").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreError, match="not a run store, or it is damaged"):
        RunStore.open(tmp_path, SPEC)


def test_damage_on_the_disk_is_found_when_read(store):
    store.append([batch(0, 5, A)])
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE batches SET steps = zeroblob(length(steps))")
    with pytest.raises(StoreError, match="the 5 steps up to seq 5 are damaged"):
        list(store.read())


def _with_sources(first, sources, stream):
    made = batch(first, len(sources), stream)
    made.steps["source"] = sources
    return made


def test_import_takes_chosen_sources_and_may_be_repeated(store, tmp_path):
    human, policy = int(Source.HUMAN), int(Source.POLICY)
    with RunStore.open(tmp_path / "other", SPEC) as other:
        other.append([_with_sources(0, [policy] * 3 + [human] * 4, A)])
        other.append([_with_sources(7, [human, policy, human], A)])
    reader = RunReader(tmp_path / "other")
    assert store.import_from(reader, {Source.HUMAN}) == 6
    assert store.import_from(reader, {Source.HUMAN}) == 0
    assert [n for _, n in numbers(store)] == [3, 4, 5, 6, 7, 9]
    assert store.import_from(reader) == 4
    assert sorted(n for _, n in numbers(store)) == list(range(10))
    assert (store.count(), store.count({Source.HUMAN}), store.next_step(A)) == (10, 6, 10)


def test_import_of_another_task_names_the_field(store, tmp_path):
    other = msgspec.structs.replace(SPEC, max_episode_steps=7)
    RunStore.open(tmp_path / "other", other).close()
    with pytest.raises(SpecError, match="max_episode_steps: 20 != 7"):
        store.import_from(RunReader(tmp_path / "other"))


def test_episodes_add_up(store):
    made = batch(0, 50, A)
    made.steps["reward"] = 0.5
    made.steps["policy_version"] = np.arange(50)
    made.steps["flags"][39] = Flag.END | Flag.TERMINATED | Flag.SUCCESS
    made.steps["discount"][39] = 0
    store.append([made])
    first, second, third = store.episodes()
    assert (first.stream, first.episode, first.steps, first.total_reward) == (A, 0, 20, 10.0)
    assert (first.success, first.ended, first.aborted, first.first_seq, first.last_seq) == (
        False,
        True,
        False,
        1,
        20,
    )
    assert (second.success, second.ended, second.policy_version) == (True, True, 39)
    assert (third.steps, third.ended) == (10, False)
    assert [e.episode for e in store.episodes(after_seq=25)] == [1, 2]


def test_metrics_events_and_meta_are_kept(store):
    store.add_metrics(10, {"loss": 0.5, "q": float("nan")})
    store.add_metrics(20, {"loss": 0.25})
    store.add_event("paused", "by hand")
    assert store.metrics("loss") == []  # noted, not written
    store.flush()
    assert [(s, v) for _, s, v in store.metrics("loss")] == [(10, 0.5), (20, 0.25)]
    assert np.isnan(store.metrics("q")[0][2])
    assert store.metric_names() == ["loss", "q"]
    assert [e[1:] for e in store.events()] == [("paused", "by hand")]
    store.set_meta("config", {"utd": 20})
    assert (store.get_meta("config"), store.get_meta("none", 3)) == ({"utd": 20}, 3)


@pytest.mark.skipif(not can_mount(), reason="needs root to mount a small disk")
def test_a_full_disk_stores_nothing_half_and_goes_on_when_there_is_room():
    with small_disk() as disk:
        with RunStore.open(disk.folder / "run", SPEC) as store:
            stored = 0
            for pages in range(12):
                disk.fill(pages * 4096)
                with pytest.raises(DiskFullError, match="no room for .*make room, nothing is lost"):
                    while True:
                        store.append([batch(stored, 10, A)])
                        stored += 10
                store.add_metrics(0, {"x": 1.0})
                disk.free()
                store.append([batch(stored, 10, A)])
                stored += 10
            store.flush()
            assert len(store.metrics("x")) == 12
            assert damage(store.folder, {A: stored}) == 0


def test_the_log_is_folded_into_the_file(store):
    piece = 4000
    for first in range(0, 5 * piece, piece):
        store.append([batch(first, piece, A)])
    store.close()
    assert not os.path.exists(f"{store.path}-wal")
    assert damage(store.folder, {A: 5 * piece}) == 0


def test_a_reader_that_holds_the_log_fails_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(store_file, "MAX_LOG_BYTES", 100_000)
    monkeypatch.setattr(store_file, "_BUSY_S", 0.01)
    with RunStore.open(tmp_path, SPEC) as store:
        store.append([batch(0, 10, A)])
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT COUNT(*) FROM steps").fetchone() == (10,)
            for first in range(10, 500, 10):
                store.append([batch(first, 10, A)])
            assert store_file.log_bytes(store.path) > 100_000
            assert reader.execute("SELECT COUNT(*) FROM steps").fetchone() == (10,)
        store.append([batch(500, 10, A)])
        assert store_file.log_bytes(store.path) < 100_000
        assert damage(tmp_path, {A: 510}) == 0


def test_a_closed_store_says_so(store):
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.append([Batch(A, batch(0, 1).steps, np.zeros(0, LAYOUT.final))])
