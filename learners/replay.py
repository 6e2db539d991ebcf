"""Replay: every observation once, in columns, and the links that turn rows into transitions.

Each step takes the next row of a ring; the final observation of a segment takes a row of its own. A step's
`link` is the row of its successor, so next observations never come from another segment or another stream.
What is sampled depends only on the order of the steps, not on how they were cut into batches.
"""

import math
import threading
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.agents.types import Transition
from sandlot.learners.draw import Numbers, Pool, draw
from sandlot.learners.errors import ConfigError, RecordError, SandlotError
from sandlot.learners.nstep import leading_to, n_step, return_to_go, walk_back
from sandlot.learners.schema import EnvSpec, Flag, Source, Stream

TERMINATED, TRUNCATED, ABORTED, END = (  # plain numbers: an enum in an array expression costs microseconds
    int(f) for f in (Flag.TERMINATED, Flag.TRUNCATED, Flag.ABORTED, Flag.END)
)
POLICY = int(Source.POLICY)
NO_RETURN = np.float32(-np.inf)
"""`mc_return` of a step whose episode has not ended: no lower bound is known (max(q, -inf) = q)."""


class Tail(NamedTuple):
    """The newest step of a stream whose segment is still open; its successor may come in a later batch."""

    number: int
    step: int
    episode: int
    segment: int


class Replay:
    """A ring of `capacity` observations. Thread-safe: every call holds `lock` for as long as it takes.

    Rows are numbered in the order in which they came; a number never changes, its row is `_row(number)`.
    Memory is taken as rows are first written. What `pin` has kept is never overwritten.
    """

    def __init__(
        self, spec: EnvSpec, capacity: int, *, gamma: float = 0.99, n: int = 1, frame_stack: int = 1
    ) -> None:
        """An empty replay of `capacity` rows; what n, gamma and a stack of K frames do is said in `nstep`."""
        if capacity < 4 or n < 1 or not 0 <= gamma <= 1 or frame_stack < 1:
            asked = f"capacity {capacity}, n {n}, gamma {gamma}, frame_stack {frame_stack}"
            raise ConfigError(f"replay: {asked}; use capacity >= 4, n, frame_stack >= 1, gamma in [0, 1]")
        self.spec, self.capacity, self.gamma, self.n, self.frame_stack = spec, capacity, gamma, n, frame_stack
        self.lock = threading.RLock()
        self.cursor = 0  # whatever the caller counts by (the run store's row); see `insert`
        self.total = 0  # rows ever written
        self.pinned = 0  # rows that stay
        self._tails: dict[Stream, Tail] = {}
        try:
            self._columns(capacity)
        except (MemoryError, ValueError) as e:
            need = f"{capacity} rows of {row_bytes(spec)} bytes"
            raise ConfigError(f"replay: no memory for {need}; lower the capacity") from e
        self._n_valid = self._n_valid_pinned = self._n_valid_demo = 0

    def _columns(self, capacity: int) -> None:
        empty = {name: np.empty((capacity, *shape), np.uint8) for name, shape in self.spec.images.items()}
        self._images: dict[str, np.ndarray] = empty
        self._state = np.empty((capacity, self.spec.state_size), np.float32)
        self._action = np.zeros((capacity, self.spec.action_size), np.float32)
        self._reward = np.zeros(capacity, np.float32)
        self._discount = np.zeros(capacity, np.float32)
        self._mc_return = np.full(capacity, NO_RETURN, np.float32)
        self._source = np.zeros(capacity, np.uint8)
        self._link = np.full(capacity, -1, np.int64)
        self._before = np.full(capacity, -1, np.int64)
        self._demo = Numbers(capacity)  # demonstrated steps that are not pinned

    @property
    def size(self) -> int:
        """Rows in use."""
        return min(self.total, self.capacity)

    @property
    def valid(self) -> int:
        """Steps that can be sampled."""
        return self._n_valid + self._n_valid_pinned

    @property
    def valid_demo(self) -> int:
        """Steps that can be sampled and were pinned, or chosen by a human or a script."""
        return self._n_valid_demo + self._n_valid_pinned

    @property
    def valid_online(self) -> int:
        """Steps that can be sampled and were not pinned."""
        return self._n_valid

    @property
    def nbytes(self) -> int:
        """Bytes taken when every row is in use."""
        arrays = [a for a in vars(self).values() if isinstance(a, np.ndarray)]
        return sum(a.nbytes for a in [*arrays, *self._images.values(), self._demo.ring])

    def insert(
        self, stream: Stream, steps: np.ndarray, finals: np.ndarray, *, cursor: int | None = None
    ) -> None:
        """Adds a batch that `schema.check_steps` has passed.

        Args:
            stream: where the steps come from; each stream's steps arrive in order.
            steps: step_dtype [n].
            finals: obs_dtype [k], the next observation of each of the k ended steps.
            cursor: what `self.cursor` becomes; n more than before when left out.
        """
        ended = (steps["flags"] & END) != 0
        if int(ended.sum()) != len(finals):
            came = f"{ended.sum()} steps ended but {len(finals)} finals came"
            raise RecordError(f"{stream}: {came}; send one for each")
        with self.lock:
            most = max(1, (self.capacity - self.pinned) // 4)  # with finals, at most half of the ring
            for i in range(0, len(steps), most):
                first, last = int(ended[:i].sum()), int(ended[: i + most].sum())
                self._insert(stream, steps[i : i + most], finals[first:last], ended[i : i + most])
            self.cursor = self.cursor + len(steps) if cursor is None else cursor

    def pin(self) -> None:
        """Keeps everything inserted so far for good: demonstrations, or another run's data."""
        with self.lock:
            if self.total > self.capacity - 4:
                rows = f"{self.total} rows to keep leave no room in {self.capacity}"
                raise ConfigError(f"replay: {rows}; raise the capacity")
            self.pinned = self.total
            self._n_valid_pinned += self._n_valid
            self._n_valid = self._n_valid_demo = 0
            self._demo.clear()
            self._tails.clear()  # nothing that stays may link to what goes

    def sample(self, n: int, rng: np.random.Generator) -> Transition:
        """Draws n steps uniformly, with replacement; every array is [n, ...]."""
        with self.lock:
            self._need_some()
            return self._gather(draw(self._everything(), self._link, (n,), rng))

    def sample_mixed(
        self, shape: tuple[int, ...], demo_fraction: float, rng: np.random.Generator
    ) -> Transition:
        """Draws [..., B] steps, `demo_fraction` of every B from demonstrations and the rest from online data.

        Pinned steps are demonstrations; those of a human or script online belong to both halves (an
        intervention is practice and example at once). When one side has nothing, all come from the other.
        """
        with self.lock:
            self._need_some()
            *lead, n = shape
            k = 0 if self.valid_demo == 0 else n if self.valid_online == 0 else round(n * demo_fraction)
            demos = draw(self._demonstrated(), self._link, (*lead, k), rng)
            online = draw(self._online(), self._link, (*lead, n - k), rng)
            return self._gather(np.concatenate([demos, online], axis=-1))

    @property
    def _oldest(self) -> int:
        """Number of the oldest row that is stored and not pinned."""
        return max(self.pinned, self.total - (self.capacity - self.pinned))

    def _row(self, number: Any) -> Any:
        """The row of an unpinned number, or of an array of them."""
        return self.pinned + (number - self.pinned) % (self.capacity - self.pinned)

    def _insert(self, stream: Stream, steps: np.ndarray, finals: np.ndarray, ended: np.ndarray) -> None:
        number = self.total + np.arange(len(steps)) + np.cumsum(ended) - ended  # finals lie in between
        follows = self._follows(stream, steps, ended)
        self._advance(len(steps) + len(finals))
        row = self._row(number)
        self._write(row, steps)
        if len(finals):
            self._write_obs(self._row(number[ended] + 1), finals)
            self._before[self._row(number[ended] + 1)] = number[ended]
        flags, tail = steps["flags"], self._tails.pop(stream, None)
        kept = flags & ABORTED == 0
        linked = ended & kept
        linked[:-1] |= follows[1:]
        self._connect(row[linked], self._row(number[linked] + 1))  # the next step, or the final
        self._before[row] = np.where(follows, number - 1, -1)
        if follows[0] and tail is not None:
            self._before[row[0]] = tail.number
            if tail.number >= self._oldest:
                self._connect(self._row(np.array([tail.number])), row[:1])
        self._finish(number[kept & (flags & (TERMINATED | TRUNCATED) != 0)])
        self._demo.append(number[steps["source"] != POLICY])
        if not ended[-1]:
            names = ("step", "episode", "segment")
            self._tails[stream] = Tail(int(number[-1]), *(int(steps[name][-1]) for name in names))

    def _follows(self, stream: Stream, steps: np.ndarray, ended: np.ndarray) -> np.ndarray:
        """Whether each step continues the segment of the step before it in its stream, bool [n]."""
        step, episode, segment = steps["step"], steps["episode"], steps["segment"]
        follows = np.zeros(len(steps), bool)
        follows[1:] = ~ended[:-1] & (episode[1:] == episode[:-1]) & (segment[1:] == segment[:-1])
        follows[1:] &= step[1:] - step[:-1] == 1
        tail = self._tails.get(stream)
        if tail is not None:
            if step[0] <= tail.step:
                raise RecordError(
                    f"{stream}: step {step[0]} came after {tail.step}; steps of a stream must ascend"
                )
            follows[0] = (int(step[0]) - 1, int(episode[0]), int(segment[0])) == tail[1:]
        return follows

    def _advance(self, taken: int) -> None:
        """Makes room for `taken` rows, and forgets what was in them."""
        row = self._row(self.total + np.arange(taken))
        lost = self._link[row] >= 0
        self._n_valid -= int(np.count_nonzero(lost))
        self._n_valid_demo -= int(np.count_nonzero(lost & (self._source[row] != POLICY)))
        self._link[row] = -1
        self._mc_return[row] = NO_RETURN
        self.total += taken
        self._demo.forget_below(self._oldest, taken)

    def _write(self, row: np.ndarray, steps: np.ndarray) -> None:
        self._write_obs(row, steps)
        self._action[row] = steps["action"]
        self._reward[row] = steps["reward"]
        self._discount[row] = steps["discount"]
        self._source[row] = steps["source"]

    def _write_obs(self, row: np.ndarray, records: np.ndarray) -> None:
        self._state[row] = records["state"]
        for name, column in self._images.items():
            column[row] = records[f"image.{name}"]

    def _connect(self, row: np.ndarray, successor: np.ndarray) -> None:
        """Gives steps their successors, from when on they can be sampled."""
        self._link[row] = successor
        self._n_valid += len(row)
        self._n_valid_demo += int(np.count_nonzero(self._source[row] != POLICY))

    def _finish(self, ends: np.ndarray) -> None:
        """Works out `mc_return` of the segments whose last steps have these numbers.

        It is the discounted return to the end. At a time limit later rewards are left out: that is a
        lower bound of the true return only where no reward is negative.
        """
        for end in ends.tolist():
            rows = walk_back(end, self._before, self._oldest, self._row)
            self._mc_return[rows] = return_to_go(rows, self._reward, self._discount, gamma=self.gamma)

    def _need_some(self) -> None:
        if self.valid == 0:
            raise SandlotError(f"replay: none of {self.size} rows can be sampled yet; wait for `valid` > 0")

    def _everything(self) -> Pool:
        def rows(i: np.ndarray) -> np.ndarray:
            return np.where(i < self.pinned, i, self._row(self._oldest + i - self.pinned))

        return Pool(self.size, rows)

    def _online(self) -> Pool:
        return Pool(self.total - self._oldest, lambda i: self._row(self._oldest + i))

    def _demonstrated(self) -> Pool:
        def rows(i: np.ndarray) -> np.ndarray:
            return np.where(i < self.pinned, i, self._row(self._demo[i - self.pinned]))

        return Pool(self.pinned + len(self._demo), rows)

    def _gather(self, row: np.ndarray) -> Transition:
        reward, discount, last = n_step(
            row, self._link, self._reward, self._discount, n=self.n, gamma=self.gamma
        )
        return Transition(
            obs=self._observe(row),
            action=self._action[row],
            reward=reward,
            discount=discount,
            next_obs=self._observe(last),
            mc_return=self._mc_return[row],
        )

    def _observe(self, row: np.ndarray) -> dict[str, Any]:
        rows = row if self.frame_stack == 1 else self._stacked(row)
        return {
            "state": self._state[row],
            "images": {name: column[rows] for name, column in self._images.items()},
        }

    def _stacked(self, row: np.ndarray) -> np.ndarray:
        def row_before(rows: np.ndarray) -> np.ndarray:
            number = self._before[rows]
            pinned = number < self.pinned  # their numbers are their rows
            there = (number >= 0) & (pinned | (number >= self._oldest))
            return np.where(there, np.where(pinned, number, self._row(number)), rows)

        return leading_to(row, row_before, count=self.frame_stack)


def row_bytes(spec: EnvSpec) -> int:
    """Bytes that one row takes."""
    numbers = 4 * (spec.state_size + spec.action_size) + 3 * 4 + 1 + 3 * 8
    return numbers + sum(math.prod(shape) for shape in spec.images.values())
