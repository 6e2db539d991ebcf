"""The real actor with a stopwatch: `python -m bench.probed_actor OUT.npy`, then the flags of `sandlot actor`.

One row a step: when it began (steady clock, s), what the loop spent on anything but the env and waiting (ms),
how often the thread gave the processor up by itself meanwhile (0: whatever took long was the scheduler), and
the episode, and the longest call that has to do with the learner (ms). OUT is written when the actor ends.
"""

import contextlib
import logging
import pathlib
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from sandlot.cli import parse
from sandlot.learners.actor import Actor
from sandlot.learners.actor_config import ActorConfig
from sandlot.learners.process import die_with_parent, stop_on_signals

COLUMNS = ("began_s", "busy_ms", "waits", "episode", "call_ms")


class ProbedActor(Actor):
    """Notes each step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rows: list[tuple[float, float, int, int, float]] = []
        self.episode, self.call_ms = 0, 0.0

    def play_episode(self) -> None:
        """The same, counted."""
        self.episode += 1
        super().play_episode()

    def _step(self, obs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        self.slowest_ms = self.call_ms = 0.0
        result = super()._step(obs)
        waits = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
        self.rows.append((began_s, self.slowest_ms, waits, self.episode, self.call_ms))
        return result

    def _hand_over(self, at_least: int = 1) -> None:
        with self._timed():
            super()._hand_over(at_least)

    def _report(self) -> None:
        with self._timed():
            super()._report()

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        began_s = time.perf_counter()
        yield
        self.call_ms = max(self.call_ms, 1e3 * (time.perf_counter() - began_s))


def main(argv: list[str]) -> None:
    """Acts until stopped."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    die_with_parent()
    actor = ProbedActor(parse(ActorConfig, argv[1:], prog="actor"), stop_on_signals())
    try:
        actor.run()
    finally:
        with pathlib.Path(argv[0]).open("wb") as file:
            np.save(file, np.array(actor.rows, np.float64).reshape(-1, len(COLUMNS)))


if __name__ == "__main__":
    main(sys.argv[1:])
