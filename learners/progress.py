"""How a run is doing: success over the last episodes, rates; what people see and metrics record."""

import json
import os
import pathlib
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np

from sandlot.learners.schema import Flag, Source, Stream
from sandlot.learners.store_read import Episode, Stored

WINDOW = 50
RATE_WINDOW_S = 5.0


class EpisodeTracker:
    """Success and return of the last `WINDOW` finished episodes of practice, from committed batches."""

    def __init__(self) -> None:
        self.episodes = 0
        self.successes: deque[bool] = deque(maxlen=WINDOW)
        self.returns: deque[float] = deque(maxlen=WINDOW)
        self.lengths: deque[int] = deque(maxlen=WINDOW)
        self._open: dict[Stream, tuple[float, int]] = {}

    def add(self, batches: Iterable[Stored]) -> None:
        """Follows each stream; demonstrations (scripted steps) are not practice."""
        ended = Flag.TERMINATED | Flag.TRUNCATED
        for batch in batches:
            total, length = self._open.get(batch.stream, (0.0, 0))
            columns = (batch.steps[name].tolist() for name in ("flags", "reward", "source"))
            for flags, reward, source in zip(*columns, strict=True):
                total, length = total + reward, length + 1
                if flags & ended and source != Source.SCRIPT:
                    self.episodes += 1
                    self.successes.append(bool(flags & Flag.SUCCESS))
                    self.returns.append(total)
                    self.lengths.append(length)
                if flags & (ended | Flag.ABORTED):
                    total, length = 0.0, 0
            self._open[batch.stream] = (total, length)

    def resume(self, past: Iterable[Episode]) -> None:
        """Takes in the episodes that a run's store holds, without reading its steps."""
        for episode in past:
            if episode.ended and not episode.aborted:
                self.episodes += 1
                self.successes.append(episode.success)
                self.returns.append(episode.total_reward)
                self.lengths.append(episode.steps)
            self._open[episode.stream] = (0.0, 0) if episode.ended else (episode.total_reward, episode.steps)

    def figures(self) -> dict[str, float]:
        """Means over the window; empty before the first episode."""
        if not self.returns:
            return {}
        # rewards without any success: a task that does not report it, or has far to go
        reported = any(self.successes) or not any(self.returns)
        return {
            **({"success_50": float(np.mean(self.successes))} if reported else {}),
            "return_50": float(np.mean(self.returns)),
            "episode_steps_50": float(np.mean(self.lengths)),
        }


class Rate:
    """Counts per second over the last `RATE_WINDOW_S`; time is an argument."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, float]] = deque()

    def update(self, now_s: float, count: float) -> float:
        """Notes a running total and returns its rate."""
        self._marks.append((now_s, count))
        while len(self._marks) > 2 and now_s - self._marks[0][0] > RATE_WINDOW_S:
            self._marks.popleft()
        (first_s, first), (last_s, last) = self._marks[0], self._marks[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0


def write_status(path: pathlib.Path, status: dict[str, Any]) -> None:
    """Replaces `status.json`; a reader sees the old one or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(status))
    beside.replace(path)


def read_status(path: pathlib.Path) -> dict[str, Any]:
    """The newest status, empty when there is none yet."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
