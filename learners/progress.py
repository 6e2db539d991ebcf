"""How a run is doing: success over the last episodes, rates; what people see and metrics record."""

import json
import os
import pathlib
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.schema import Flag, Source, Stream
from sandlot.learners.store_read import Episode, Stored

WINDOW = 50
RATE_WINDOW_S = 5.0


class Running(NamedTuple):
    """An episode that goes on: return, length, steps by a person, how often they took over, last segment."""

    total: float = 0.0
    steps: int = 0
    human: int = 0
    taken: int = 0
    segment: int = -1

    def next(self) -> "Running":
        """The stream's next episode before its first step."""
        return Running(segment=self.segment)


class EpisodeTracker:
    """Success and return of the last `WINDOW` finished episodes of practice, from committed batches.

    Attributes:
        episodes: finished ones, in all.
        interventions: how often a person took over, in all.
        steps: of practice, in all; `human_steps` of them by a person.
    """

    def __init__(self) -> None:
        self.episodes = self.interventions = self.steps = self.human_steps = 0
        self.successes: deque[bool] = deque(maxlen=WINDOW)
        self.returns: deque[float] = deque(maxlen=WINDOW)
        self.lengths: deque[int] = deque(maxlen=WINDOW)
        self.humans: deque[int] = deque(maxlen=WINDOW)
        self.takeovers: deque[int] = deque(maxlen=WINDOW)
        self._open: dict[Stream, Running] = {}

    def add(self, batches: Iterable[Stored]) -> None:
        """Follows each stream; demonstrations (scripted steps) are not practice."""
        ended = Flag.TERMINATED | Flag.TRUNCATED
        for batch in batches:
            now = self._open.get(batch.stream, Running())
            columns = (batch.steps[name].tolist() for name in ("flags", "reward", "source", "segment"))
            for flags, reward, source, segment in zip(*columns, strict=True):
                begins = source == Source.HUMAN and segment != now.segment
                if source != Source.SCRIPT:
                    self._count(source == Source.HUMAN, begins)
                if source == Source.HUMAN:
                    now = now._replace(human=now.human + 1, taken=now.taken + begins, segment=segment)
                now = now._replace(total=now.total + reward, steps=now.steps + 1)
                if flags & ended and source != Source.SCRIPT:
                    self._note(bool(flags & Flag.SUCCESS), now)
                if flags & (ended | Flag.ABORTED):
                    now = now.next()
            self._open[batch.stream] = now

    def _count(self, human: bool, begins: bool) -> None:
        """A step of practice; `begins`: a person took over with it."""
        self.steps += 1
        self.human_steps += human
        self.interventions += begins

    def _note(self, success: bool, episode: Running) -> None:
        """An episode of practice is finished."""
        self.episodes += 1
        self.successes.append(success)
        self.returns.append(episode.total)
        self.lengths.append(episode.steps)
        self.humans.append(episode.human)
        self.takeovers.append(episode.taken)

    def resume(self, past: Iterable[Episode]) -> None:
        """Takes in the episodes that a run's store holds, without reading its steps."""
        for episode in past:
            self.steps += episode.steps
            self.human_steps += episode.human_steps
            self.interventions += episode.interventions
            last = self._open.get(episode.stream, Running()).segment
            now = Running(
                episode.total_reward,
                episode.steps,
                episode.human_steps,
                episode.interventions,
                max(last, episode.human_segment),
            )
            if episode.ended and not episode.aborted:
                self._note(episode.success, now)
            self._open[episode.stream] = now.next() if episode.ended else now

    def figures(self) -> dict[str, float]:
        """Means over the window, empty before the first episode; what people did, if they did anything."""
        found: dict[str, float] = {}
        if self.returns:
            # rewards without any success: a task that does not report it, or has far to go
            reported = any(self.successes) or not any(self.returns)
            found = {
                **({"success_50": float(np.mean(self.successes))} if reported else {}),
                "return_50": float(np.mean(self.returns)),
                "episode_steps_50": float(np.mean(self.lengths)),
            }
        return found | self._people() if self.interventions else found

    def _people(self) -> dict[str, float]:
        """What people did: in all, and, called `..._50`, in the episodes of the window.

        `unaided_50` is the share of these that succeeded without a step by a person.
        """
        taken, human = sum(self.takeovers), sum(self.humans)
        unaided = [won and not steps for won, steps in zip(self.successes, self.humans, strict=True)]
        return {
            "interventions": float(self.interventions),
            "human_share": self.human_steps / self.steps,
            "correction_steps": self.human_steps / self.interventions,
            "human_share_50": human / max(1, sum(self.lengths)),
            "interventions_per_100_episodes": 100.0 * taken / max(1, len(self.takeovers)),
            "correction_steps_50": human / taken if taken else 0.0,
            "unaided_50": sum(unaided) / max(1, len(unaided)),
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
