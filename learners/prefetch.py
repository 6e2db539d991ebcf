"""The next batch is drawn by a thread while the current one is learned from.

Deterministic: a draw holds the replay's lock before `next` returns, so it sees the inserts up to that call,
whatever the threads' timing. Its RNG state and the replay's cursor are kept: a checkpoint can draw it anew.
"""

import copy
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.agents.types import Transition
from sandlot.learners.errors import ConfigError
from sandlot.learners.replay import Replay


class Draws(NamedTuple):
    """What one batch is: [updates, batch, ...], `demo_fraction` of it from demonstrations."""

    updates: int
    batch: int
    demo_fraction: float = 0.5

    @property
    def demos(self) -> int:
        """How many of each batch, its first ones, are demonstrations where there are both."""
        return round(self.batch * self.demo_fraction)


class Pending(NamedTuple):
    """A draw under way, and what is needed to repeat it."""

    result: "Future[Transition]"
    rng: dict[str, Any]
    cursor: int


class Prefetch:
    """Draws batches one ahead. Used from one thread; `close` it, or use it as a context manager."""

    def __init__(self, replay: Replay, draws: Draws, rng: np.random.Generator) -> None:
        """Nothing is drawn before the first `next`, or `start`."""
        if draws.updates < 1 or draws.batch < 1 or not 0 <= draws.demo_fraction <= 1:
            raise ConfigError(f"prefetch: {draws}; use updates >= 1, batch >= 1, demo_fraction in [0, 1]")
        self._replay, self.draws, self._rng = replay, draws, rng
        self._pending: Pending | None = None
        self._worker = ThreadPoolExecutor(1, "prefetch")

    def start(self) -> None:
        """Begins to draw the next batch from what the replay holds now, unless that has begun before."""
        if self._pending is not None:
            return
        locked: Future[int] = Future()
        state = rng_state(self._rng)
        result = self._worker.submit(self._draw, locked)
        self._pending = Pending(result, state, locked.result())

    def next(self) -> Transition:
        """The batch [updates, batch, ...] due now; starts the one after. Raises what drawing raised."""
        self.start()
        pending = self._pending
        if pending is None:
            raise RuntimeError("prefetch: used from two threads at once; give each its own")
        try:
            batch = pending.result.result()
        except Exception:
            self._pending = None
            self._rng.bit_generator.state = pending.rng  # the next try repeats this draw
            raise
        self._pending = None
        self.start()
        return batch

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to draw the pending batch anew (JSON): RNG state and replay cursor."""
        if self._pending is None:
            return {"rng": rng_state(self._rng), "cursor": self._replay.cursor, "pending": False}
        return {"rng": self._pending.rng, "cursor": self._pending.cursor, "pending": True}

    def restore(self, state: dict[str, Any]) -> None:
        """Draws a checkpoint's pending batch; the replay must hold all up to `state["cursor"]`, no more."""
        if self._replay.cursor != state["cursor"]:
            raise ConfigError(
                f"prefetch: the replay is at {self._replay.cursor}, the checkpoint at {state['cursor']}; "
                "insert exactly the steps up to the checkpoint's cursor first"
            )
        self._drop()
        self._rng.bit_generator.state = state["rng"]
        if state["pending"]:
            self.start()

    def close(self) -> None:
        """Ends the thread, after the draw it is in."""
        self._worker.shutdown(wait=True)

    def __enter__(self) -> "Prefetch":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _drop(self) -> None:
        if self._pending is not None:
            self._pending.result.exception()
            self._pending = None

    def _draw(self, locked: "Future[int]") -> Transition:
        with self._replay.lock:
            locked.set_result(self._replay.cursor)
            u, b, fraction = self.draws
            return self._replay.sample_mixed((u, b), fraction, self._rng)


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """A copy of a generator's state, JSON; assign it to `rng.bit_generator.state` to restore it."""
    return copy.deepcopy(dict(rng.bit_generator.state))
