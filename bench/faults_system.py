"""Faults of whole runs; `make faults` finds every `fault_*` here.

An injection costs, on a free 2-core machine: a killed learner (1) 9 s, a frozen one (2) or a killed actor (3)
3 s, a slow disk under a whole run (12) 15 s, a resume (15) 1 s, 200 versions (21) 0.3 s, a second or a wrong
start (22, 23) 1 to 2 s; a bad action (16) microseconds. All of them together take three quarters of an hour.
"""

from bench.faults_processes import fault_1, fault_2, fault_3, fault_21
from bench.faults_resume import fault_15, fault_16, fault_16_weights
from bench.faults_slow_disk import fault_12, fault_12_learner
from bench.faults_starts import fault_22_processes, fault_23_processes

__all__ = [
    "fault_1",
    "fault_2",
    "fault_3",
    "fault_12",
    "fault_12_learner",
    "fault_15",
    "fault_16",
    "fault_16_weights",
    "fault_21",
    "fault_22_processes",
    "fault_23_processes",
]
