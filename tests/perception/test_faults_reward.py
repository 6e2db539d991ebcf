"""A few injections of fault 25; `make faults` does many. And that the count of broken promises can rise."""

import numpy as np
from bench import faults_reward

from sandlot.perception.classifier.watch import Watch


def test_no_promise_is_broken():
    row = faults_reward.fault_25_reward_classifier(2 * len(faults_reward.FAULTS), seed=3)
    assert row["violations"] == 0
    assert row["p50"] == 1.0


def test_without_the_watch_promises_are_broken(monkeypatch):
    monkeypatch.setattr(Watch, "frames", lambda self, frames, state: (True, None))
    monkeypatch.setattr(Watch, "answer", lambda self, logits: (bool(np.isfinite(logits[0]).all()), None))
    row = faults_reward.fault_25_reward_classifier(len(faults_reward.FAULTS), seed=3)
    assert row["violations"] > 0
