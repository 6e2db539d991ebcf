"""Every transport fault a few times; `make faults` injects them by the hundreds."""

import pytest
from bench import faults_transport
from bench.faults_disk import can_mount

FEW = {
    "fault_5": 4,
    "fault_5_second": 5,
    "fault_6": 60,
    "fault_7_socket": 100,
    "fault_8": 34,
    "fault_9": 6,
    "fault_10": 4,
    "fault_11": 60,
    "fault_11_weights": 1000,
    "fault_22": 4,
    "fault_23": 18,
}


@pytest.mark.parametrize("name", FEW)
def test_no_promise_is_broken(name):
    result = getattr(faults_transport, name)(injections=FEW[name], seed=7)
    assert result["violations"] == 0
    assert result["injections"] >= FEW[name]


@pytest.mark.skipif(not can_mount(), reason="needs root to mount a small disk")
def test_a_full_disk_at_the_learner_stops_acks_and_nothing_else():
    assert faults_transport.fault_13(injections=4, seed=7)["violations"] == 0
