"""What a running graph is said to do: rates, ages, the gate over all its lives; what dead processes leave."""

import fcntl
import pathlib

import pytest
from rich.console import Console

from sandlot.robots import monitor, shared_memory, up_view
from sandlot.robots.monitor import Diagnosis, GateLog, TopicStats


def gate_values(mode, cause="", **numbers):
    return {"mode": mode, "cause": cause, **{k: str(v) for k, v in numbers.items()}}


def test_a_topics_rate_counts_from_its_first_message_to_its_last():
    stats = TopicStats("geometry_msgs/msg/PoseStamped")
    for i in range(101):
        stats.add(5.0 + 0.01 * i, 0.002 if i < 99 else 0.5)
    assert stats.summary(7.0) == {
        "type": "geometry_msgs/msg/PoseStamped", "count": 101, "hz": 100.0, "silent_s": 1.0,
        "age_p50_ms": 2.0, "age_p99_ms": 500.0,
    }  # fmt: skip


def test_a_topic_without_header_has_no_age_and_one_message_no_rate():
    stats = TopicStats("std_msgs/msg/Empty")
    stats.add(1.0, None)
    assert stats.summary(3.0) == {"type": "std_msgs/msg/Empty", "count": 1, "hz": None, "silent_s": 2.0}


def test_every_stop_counts_once_however_often_the_gate_repeats_it():
    gate = GateLog()
    for values in [
        gate_values("ACTIVE", accepted=5, stops=0),
        gate_values("STOPPED", "operator lost", accepted=5, stops=1),
        gate_values("STOPPED", "operator lost", accepted=5, stops=1),
        gate_values("ARMED", "armed", accepted=5, stops=1),
        gate_values("STOPPED", "e-stop pressed", accepted=9, stops=2),
        gate_values(
            "STOPPED", "e-stop pressed", accepted=9, stops=3
        ),  # armed and stopped between two messages
    ]:
        gate.hear(values, 1.0)
    assert dict(gate.stops) == {"operator lost": 1, "e-stop pressed": 2}


def test_counters_survive_a_gate_that_was_started_again():
    gate = GateLog()
    gate.hear(gate_values("ACTIVE", accepted=40, clamped=2, rejected_stale=1), 1.0)
    gate.hear(gate_values("DISARMED", "started", accepted=0, clamped=0), 2.0)
    gate.hear(gate_values("ACTIVE", "", accepted=3, clamped=1), 3.0)
    assert gate.totals() == {"accepted": 43, "clamped": 3, "rejected_stale": 1}
    told = monitor.commands(gate, sent=47)
    assert told == {"sent": 47, "accepted": 46, "clamped": 3, "rejected": {"stale": 1}}
    assert monitor.commands(gate, sent=40)["sent"] == 47  # the gate heard some before we listened


def test_a_gate_that_was_heard_long_ago_is_silent():
    gate = GateLog()
    assert gate.state(0.0) == "silent"
    gate.hear(gate_values("ACTIVE"), 10.0)
    assert (gate.state(11.9), gate.state(12.1)) == ("ACTIVE", "silent")


def test_a_drivers_holds_are_told_by_cause():
    assert Diagnosis("", {"hold_gate_silent": "2", "mode": "holding", "obeyed": "7"}).holds() == {
        "gate_silent": 2
    }
    aged = Diagnosis("", {"command_age_p50_ms": "2.5", "command_age_p99_ms": "7", "obeyed": "7"})
    assert aged.ages_ms() == {"device_age_p50_ms": 2.5, "device_age_p99_ms": 7.0}


def test_people_see_what_is_not_up_why_the_robot_stopped_and_how_to_go_on():
    summary = {
        "kind": "arm", "robot": "sim", "task": "arm_pick", "run": "runs/x", "seconds": 3.2, "ok": False,
        "down": ["actor"],
        "nodes": {
            "gate": {"state": "running", "pid": 5, "restarts": 1, "mode": "STOPPED", "cause": "lost"},
            "actor": {"state": "exited", "pid": 0, "restarts": 0},
        },
        "topics": {"/arm/joy": {"type": "t", "count": 3, "hz": None, "silent_s": 9.0}},
        "commands": {"sent": 4, "accepted": 3, "clamped": 0, "rejected": {"stale": 1}},
        "stops": {"count": 1, "causes": {"operator lost": 1}}, "holds": {}, "learner": {"env_steps": 9},
    }  # fmt: skip
    console = Console(width=96, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(up_view.render(summary))
    shown = console.export_text()
    for words in ("not up: actor", "stopped 1 x: operator lost", "sandlot gate arm --robot arm", "3 of 4"):
        assert words in shown
    assert up_view.flat(summary)["stops"] == ["operator lost 1"]


def test_people_see_both_of_two_tasks_in_turn():
    figures = {"state": "learning", "env_steps": 1200, "episodes": 30, "utilisation": 0.91}
    back = {"task": "there_back", "run": "runs/x_back", "learner": figures | {"success_50": 0.5}}
    lines = [str(line) for line in up_view._practice({"task": "there", "learner": figures, "back": back})]
    assert lines == [
        "there learning   steps 1,200   trials 30   practising 91 %",
        "there_back learning   steps 1,200   trials 30   success 50 %   practising 91 %",
    ]
    assert up_view._back({"back": back})["back_env_steps"] == 1200 and up_view._back({}) == {}


@pytest.fixture
def shm(tmp_path):
    for name in ("fastdds_1a", "fastdds_1a_el", "fastdds_2b", "fastdds_2b_el", "other", "fastdds-mine"):
        (tmp_path / name).write_bytes(b"x" * 4096)
    return tmp_path


def test_what_dead_processes_left_goes_and_what_a_living_one_locks_stays(shm):
    with (shm / "fastdds_2b_el").open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        freed = shared_memory.clean(shm)
        left = {f.name for f in shm.iterdir()}
    assert left == {"fastdds_2b", "fastdds_2b_el", "other", "fastdds-mine"}
    assert freed == 2 * 4096


def test_what_a_process_has_open_stays_without_a_lock_too(shm):
    with (shm / "fastdds_1a").open():
        shared_memory.clean(shm)
        assert (shm / "fastdds_1a").exists()


def test_a_machine_without_shared_memory_files_needs_nothing(tmp_path):
    assert shared_memory.clean(pathlib.Path(tmp_path)) == 0
