"""Faults of whole runs; `make faults` finds every `fault_*` here. What they cost on a free 2-core machine:

1 (learner killed) about 9 s an injection, 2 (frozen) 3 s, 3 (actor killed) 3 s, 21 less than 1 s, 22 and 23 at
the command line 3 s; 15 (resume) 1 s, 16 microseconds to milliseconds. All of them together take some half an hour.
"""

from bench.faults_processes import fault_1, fault_2, fault_3, fault_21
from bench.faults_resume import fault_15, fault_16, fault_16_weights
from bench.faults_starts import fault_22_processes, fault_23_processes

__all__ = [
    "fault_1",
    "fault_2",
    "fault_3",
    "fault_15",
    "fault_16",
    "fault_16_weights",
    "fault_21",
    "fault_22_processes",
    "fault_23_processes",
]
