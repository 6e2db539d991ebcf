"""Walks along linked steps: n-step returns forwards; returns to the episode's end, and stacks, backwards.

A link is the row of a step's successor, -1 where there is none to learn from. See Sutton & Barto, ch. 7.
"""

from collections.abc import Callable

import numpy as np


def n_step(
    rows: np.ndarray, link: np.ndarray, reward: np.ndarray, discount: np.ndarray, *, n: int, gamma: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums up to n rewards from each row on, stopping where the links do.

    Args:
        rows: [...] rows of steps that have a successor.
        link: [R] successor of every row, -1 without.
        reward: float32 [R].
        discount: float32 [R], 0 only at a true end.
        n: how many rewards at most.
        gamma: the discount factor.

    Returns:
        The return [...], the discount [...] (the product on the way times gamma^(k-1), where k <= n rewards
        were summed) and the row [...] of the observation to bootstrap from.
    """
    total, carry, last = reward[rows], discount[rows], link[rows]
    for _ in range(n - 1):
        more = link[last] >= 0
        carry = np.where(more, carry * np.float32(gamma), carry)
        total = total + np.where(more, carry * reward[last], np.float32(0))
        carry = np.where(more, carry * discount[last], carry)
        last = np.where(more, link[last], last)
    return total, carry, last


def return_to_go(rows: list[int], reward: np.ndarray, discount: np.ndarray, *, gamma: float) -> np.ndarray:
    """The discounted return from each of `rows` [n] (consecutive steps, in order) to the last of them."""
    result = np.empty(len(rows), np.float32)
    so_far = 0.0
    for i in range(len(rows) - 1, -1, -1):
        so_far = float(reward[rows[i]]) + gamma * float(discount[rows[i]]) * so_far
        result[i] = so_far
    return result


def walk_back(start: int, before: np.ndarray, oldest: int, row_of: Callable[[int], int]) -> list[int]:
    """Rows of the steps that lead to the step numbered `start`, in order, as far back as `oldest`.

    Args:
        start: number of the last step.
        before: int64 [R], number of the step before the one in each row, -1 without.
        oldest: the oldest number that is still stored.
        row_of: the row that holds a number.
    """
    rows, number = [], start
    while number >= oldest:
        rows.append(row_of(number))
        number = int(before[rows[-1]])
    return rows[::-1]


def leading_to(rows: np.ndarray, row_before: Callable[[np.ndarray], np.ndarray], *, count: int) -> np.ndarray:
    """The last `count` rows of each segment up to `rows` [...], oldest first, [..., count].

    Args:
        rows: where to end.
        row_before: the row of the observation before each, in the same segment; the row itself where there is
            none, so that a segment's first one is repeated.
        count: how many.
    """
    found = [rows]
    for _ in range(count - 1):
        found.append(row_before(found[-1]))
    return np.stack(found[::-1], axis=-1)
