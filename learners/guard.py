"""When an update is not finite: count it, keep its batch, go back to good weights, publish nothing.

The agent itself refuses such a step and keeps its weights; here is decided what follows from that.
"""

import enum
import logging
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save as save_tensors

from sandlot.learners.agents.types import Transition

log = logging.getLogger(__name__)

FORENSICS = "forensics"
DUMP_BYTES = 64 * 1024 * 1024


class Verdict(enum.Enum):
    """What follows from an update."""

    GOOD = "good"
    SKIPPED = "skipped"  # some steps were refused; go on
    ROLL_BACK = "roll_back"  # too many in a row: load the last good checkpoint, keep the batch, call a person


class SkipCounter:
    """Counts refused gradient steps: `total`, those `in_row` now, and the `roll_backs` they led to."""

    def __init__(self, limit: int = 10) -> None:
        """`limit` refused steps in a row lead to a roll-back."""
        if limit < 1:
            raise ValueError(f"skip counter: limit {limit} must be at least 1")
        self.limit = limit
        self.total = self.in_row = self.roll_backs = 0

    def note(self, skipped: int) -> Verdict:
        """Takes in one call of the agent, in which `skipped` gradient steps were refused.

        Only a call without any refusal ends the row: a policy whose every step is refused is stuck, however
        many critic steps succeed beside it.
        """
        if skipped == 0:
            self.in_row = 0
            return Verdict.GOOD
        self.total += skipped
        self.in_row += skipped
        if self.in_row < self.limit:
            if self.in_row == skipped:  # the first of a row; the others say nothing new
                log.warning("event=update_refused steps=%d limit=%d", skipped, self.limit)
            return Verdict.SKIPPED
        self.in_row = 0
        self.roll_backs += 1
        log.error("event=alarm reason=updates_not_finite limit=%d roll_backs=%d", self.limit, self.roll_backs)
        return Verdict.ROLL_BACK


def first_not_finite(arrays: Mapping[str, np.ndarray]) -> str | None:
    """The name of the first array with a NaN or an infinity in it; such weights are not published."""
    for name, array in arrays.items():
        if array.dtype.kind not in "iub" and not np.isfinite(array).all():
            return name
    return None


def flatten(batch: Transition) -> dict[str, np.ndarray]:
    """The arrays of a batch by name: `reward`, `obs.state`, `next_obs.images.<camera>`, ..."""
    return dict(_leaves("", batch._asdict()))


def dump_batch(
    folder: Path, step: int, batch: Transition, *, limit: int = 5, max_bytes: int = DUMP_BYTES
) -> Path | None:
    """Writes the worst minibatches of [U, B] to `folder`/forensics for people to look at.

    The first `limit` dumps of a run are kept, for they are nearest to the cause; later ones are not written.
    A dump that fails is logged and stops nothing.

    Args:
        folder: the run's folder.
        step: the learner's step, for the file's name.
        batch: arrays with leading axes [U, B].
        limit: files that may be there.
        max_bytes: how large a file may be; at least one minibatch is written.
    """
    target = folder / FORENSICS
    arrays = flatten(batch)
    worst = np.argsort(-badness(arrays), kind="stable")
    each = sum(a[0].nbytes for a in arrays.values())
    chosen = np.sort(worst[: max(1, max_bytes // max(1, each))])
    data = save_tensors(
        {"minibatch": chosen} | {k: np.ascontiguousarray(a[chosen]) for k, a in arrays.items()}
    )
    path = target / f"batch-{step}.safetensors"
    try:
        target.mkdir(parents=True, exist_ok=True)
        if len(list(target.glob("batch-*.safetensors"))) >= limit:
            log.info("event=batch_not_dumped step=%d reason='%d are there already'", step, limit)
            return None
        beside = path.with_suffix(".partial")
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError as e:
        log.warning("event=batch_not_dumped step=%d reason=%r", step, e.strerror)
        return None
    log.error("event=batch_dumped step=%d path=%s", step, path)
    return path


def badness(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """How suspicious each minibatch is, float64 [U]: the largest magnitude in it, infinite for a NaN.

    `mc_return` is left out: it is -inf by contract where an episode has not ended.
    """
    floats = [a for k, a in arrays.items() if a.dtype.kind == "f" and k != "mc_return" and a.size]
    if not floats:
        return np.zeros(len(next(iter(arrays.values()))))
    magnitudes = [np.abs(a.reshape(len(a), -1)).max(axis=1).astype(np.float64) for a in floats]
    return np.nan_to_num(np.maximum.reduce(magnitudes), nan=math.inf, posinf=math.inf)


def _leaves(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", np.asarray(value)
