"""Drawing rows uniformly from those of a pool that can be used, by rejection."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

REDRAWS = 16
"""Refused draws are repeated this often; then the usable candidates are listed one by one, once."""


class Pool(NamedTuple):
    """A part of the replay to draw from: `size` candidates, oldest first, and the rows that hold them."""

    size: int
    rows: Callable[[np.ndarray], np.ndarray]


def draw(pool: Pool, usable: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws rows with replacement, each usable row of the pool with the same chance.

    Rejection costs O(draws) where a fair share of the rows is usable. Where few are, what is still refused
    after `REDRAWS` rounds is drawn from a list of the usable ones, which leaves the distribution as it is.

    Args:
        pool: the candidates; at least one must be usable unless nothing is drawn.
        usable: int [R]; a row may be drawn where this is >= 0.
        shape: how many rows to draw.
        rng: where chance comes from.

    Returns:
        Rows, int64 of `shape`.
    """
    rows = np.empty(int(np.prod(shape)), np.int64)
    todo = np.arange(len(rows))
    for _ in range(REDRAWS):
        if not len(todo):
            return rows.reshape(shape)
        rows[todo] = pool.rows(rng.integers(pool.size, size=len(todo)))
        todo = todo[usable[rows[todo]] < 0]
    if len(todo):
        every = pool.rows(np.arange(pool.size))
        every = every[usable[every] >= 0]
        rows[todo] = every[rng.integers(len(every), size=len(todo))]
    return rows.reshape(shape)


class Numbers:
    """A queue of ascending numbers in a ring of `capacity`, read by position from the oldest."""

    def __init__(self, capacity: int) -> None:
        """An empty queue."""
        self.ring = np.zeros(capacity, np.int64)
        self._head = self._tail = 0  # how many were forgotten and added, ever

    def __len__(self) -> int:
        return self._tail - self._head

    def __getitem__(self, position: np.ndarray) -> np.ndarray:
        return self.ring[(self._head + position) % len(self.ring)]

    def append(self, numbers: np.ndarray) -> None:
        """Adds numbers [n] that are larger than all before."""
        self.ring[(self._tail + np.arange(len(numbers))) % len(self.ring)] = numbers
        self._tail += len(numbers)

    def forget_below(self, least: int, most: int) -> None:
        """Drops the numbers below `least`, of which there are at most `most`."""
        first = self[np.arange(min(len(self), most))]
        self._head += int(np.count_nonzero(first < least))

    def clear(self) -> None:
        """Drops all."""
        self._head = self._tail
