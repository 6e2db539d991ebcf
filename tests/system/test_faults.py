"""A few injections of every fault of whole processes; `make faults` does a hundred of each."""

import os
import pathlib

import pytest
from bench import faults_system
from tests.stalls import real_time

pytestmark = real_time

ROOT = pathlib.Path(__file__).parents[2]
QUICK = {
    "fault_1": 1,
    "fault_2": 1,
    "fault_3": 2,
    "fault_12": 3,
    "fault_21": 3,
    "fault_22_processes": 4,
    "fault_23_processes": 4,
}


@pytest.fixture
def bench_processes(monkeypatch):
    monkeypatch.chdir(ROOT)  # the stopwatch's actor is `python -m bench.probed_actor`
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT)]))


@pytest.mark.parametrize("name", QUICK)
def test_no_promise_is_broken(name, bench_processes):
    row = getattr(faults_system, name)(QUICK[name], seed=7)
    assert row["violations"] == 0, row
    assert row["injections"] == QUICK[name]
    assert 0 < row["p50"] <= row["max"]


@pytest.mark.slow
def test_a_slow_disk_under_a_whole_run_breaks_no_promise(bench_processes):
    assert faults_system.fault_12_learner(1, seed=7)["violations"] == 0
