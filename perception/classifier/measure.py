"""How good probabilities are: precision and recall, calibration, and the threshold to trust. Numpy alone."""

import math
from typing import Any, NamedTuple

import numpy as np

BINS = 10
TEMPERATURES = np.geomspace(0.1, 10.0, 241)
EXAMPLES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Thresholds that every report shows."""
ENOUGH_RECALL, LEAST_RECALL = 0.985, 0.5


class Quality(NamedTuple):
    """What a threshold does. Precision is NaN when nothing is found, recall when there is nothing to find."""

    threshold: float
    precision: float
    recall: float


def quality(p: np.ndarray, truth: np.ndarray, threshold: float) -> Quality:
    """Precision and recall of probabilities [N] of something whose truth is bool [N]."""
    found = p >= threshold
    hits = int((found & truth).sum())
    precision = hits / int(found.sum()) if found.any() else float("nan")
    return Quality(float(threshold), precision, hits / int(truth.sum()) if truth.any() else float("nan"))


def choose_threshold(p: np.ndarray, truth: np.ndarray, precision: float) -> tuple[float, bool]:
    """The threshold to trust, and whether it reached this precision.

    Of those that are precise enough and find `ENOUGH_RECALL` it is the highest, since a success that lasts is
    seen again, and a reward for nothing is learned; where none finds so much, the one that finds the most. It
    lies half-way, by odds, between the least certain frame it finds and the next, and never below 0.5. Where
    none is precise enough, the most precise one is taken that finds at least half.
    """
    order = np.argsort(-p, kind="stable")
    odds = log_odds(p[order])
    last = np.append(np.diff(odds) != 0, True)  # equal ones are found together
    hits, found = np.cumsum(truth[order])[last], np.flatnonzero(last) + 1
    precise, recall, odds = hits / found, hits / max(1, int(truth.sum())), odds[last]
    good = precise >= precision
    if good.any():
        best = int(np.argmax(np.where(good, np.minimum(recall, ENOUGH_RECALL), -1.0)))  # the first: highest
    else:
        best = int(np.argmax(np.where(recall >= LEAST_RECALL, precise, -1.0)))
    below = odds[min(best + 1, len(odds) - 1)]
    return float(share(np.maximum((odds[best] + below) / 2, 0.0))), bool(good.any())


def log_odds(p: np.ndarray | float) -> np.ndarray:
    """Logarithm of p : 1 - p, finite."""
    p = np.clip(np.asarray(p, np.float64), 1e-9, 1 - 1e-9)
    return np.log(p) - np.log1p(-p)


def share(odds: np.ndarray) -> np.ndarray:
    """The probability of log odds."""
    return 1.0 / (1.0 + np.exp(-odds))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What to divide logits [N, K] by so that labels [N] are the likeliest (Guo et al. 2017, 1706.04599)."""
    return float(min(TEMPERATURES, key=lambda t: surprise(logits / t, labels)))


def surprise(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log likelihood of labels [N] under logits [N, K]."""
    logits = np.asarray(logits, np.float64)
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return float(-log_p[np.arange(len(labels)), labels].mean())


class Reliability(NamedTuple):
    """Where probabilities lie and what became of them, by bins of equal width that hold any.

    Attributes:
        said: mean probability in each bin.
        came: share of frames in it that were true.
        frames: how many there are in it.
    """

    said: np.ndarray
    came: np.ndarray
    frames: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |said - came| over all frames."""
        return float((np.abs(self.said - self.came) * self.frames).sum() / self.frames.sum())


def reliability(p: np.ndarray, truth: np.ndarray) -> Reliability:
    """How probabilities [N] agree with what was true, bool [N]."""
    which = np.minimum((p * BINS).astype(int), BINS - 1)
    count = np.bincount(which, minlength=BINS)
    said, came = (np.bincount(which, weights=v, minlength=BINS) for v in (p, truth.astype(float)))
    used = count > 0
    return Reliability(said[used] / count[used], came[used] / count[used], count[used])


def curve(p: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision of every threshold, each [M], from the highest threshold down."""
    order = np.argsort(-p, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(p[order]) != 0, True)  # equal probabilities are found together
    return hits[last] / max(1, int(truth.sum())), hits[last] / (np.flatnonzero(last) + 1)


def figures(p: np.ndarray, truth: np.ndarray, hard: np.ndarray, enter: float) -> dict[str, Any]:
    """Everything a report says of one stage on frames [N]; numbers that are not defined are None."""
    at = quality(p, truth, enter)
    return {
        "frames": len(p),
        "positives": int(truth.sum()),
        "threshold": enter,
        "precision": known(at.precision),
        "recall": known(at.recall),
        "false_alarms_close_to_success": int((hard & ~truth & (p >= enter)).sum()),
        "calibration_error": reliability(p, truth).error,
        "at": [[known(value) for value in quality(p, truth, one)] for one in EXAMPLES],
    }


def known(value: float) -> float | None:
    """A number as JSON has it: NaN is None."""
    return None if math.isnan(value) else round(float(value), 6)
