"""Steps as whole episodes: reading them from a run store, and writing chosen ones to a new store."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import EnvSpec, Flag, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.store_read import RunReader
from sandlot.learners.wire import Batch
from sandlot.robots.recording.beside import beside

ENDED = int(Flag.TERMINATED | Flag.TRUNCATED | Flag.ABORTED)


class EpisodeSteps(NamedTuple):
    """One episode: steps [n] of `step_dtype` and the finals [m] of its segments, of `obs_dtype`."""

    stream: Stream
    number: int
    steps: np.ndarray
    finals: np.ndarray

    @property
    def success(self) -> bool:
        """Whether a step of it succeeded."""
        return bool((self.steps["flags"] & Flag.SUCCESS).any())

    @property
    def aborted(self) -> bool:
        """Whether a fault ended it."""
        return bool((self.steps["flags"] & Flag.ABORTED).any())


def read_episodes(reader: RunReader) -> Iterator[EpisodeSteps]:
    """Every episode of a run, in the order in which they ended; only open ones are in memory."""
    return grouped((stored.stream, stored.steps, stored.finals) for stored in reader.read())


def grouped(batches: Iterable[tuple[Stream, np.ndarray, np.ndarray]]) -> Iterator[EpisodeSteps]:
    """Batches of streams, however they were cut, as episodes."""
    open_parts: dict[Stream, list[tuple[np.ndarray, np.ndarray]]] = {}
    for stream, batch, finals in batches:
        for steps in np.split(batch, np.flatnonzero(np.diff(batch["episode"])) + 1):
            parts = open_parts.setdefault(stream, [])
            if len(steps) == 0:
                continue
            if parts and parts[-1][0]["episode"][-1] != steps["episode"][0]:
                yield _joined(stream, parts)
                parts.clear()
            parts.append((steps, finals[np.isin(finals["step"], steps["step"])]))
            if steps["flags"][-1] & ENDED:
                yield _joined(stream, parts)
                parts.clear()
    yield from (_joined(stream, parts) for stream, parts in open_parts.items() if parts)


def write_episodes(folder: Path, spec: EnvSpec, episodes: Iterable[EpisodeSteps]) -> int:
    """Writes episodes to a new run store as they are, steps numbered anew where some are missing.

    Streams keep their names where nothing was renumbered: two copies of one stream are then known as such.

    Returns:
        How many steps were written.

    Raises:
        StoreError: the folder exists.
    """
    with beside(folder) as made, RunStore.open(made, spec) as store:
        for episode in episodes:
            store.append([Batch(*episode_batch(episode, store))])
        return store.last_seq


def episode_batch(episode: EpisodeSteps, store: RunStore) -> tuple[Stream, np.ndarray, np.ndarray]:
    """An episode with the step numbers that come next in its stream."""
    episode = _gaps_closed(episode)
    steps, finals = episode.steps.copy(), episode.finals.copy()
    first = store.next_step(episode.stream)
    finals["step"] = first + np.searchsorted(episode.steps["step"], finals["step"])
    steps["step"] = first + np.arange(len(steps), dtype=np.uint64)
    return episode.stream, steps, finals


def _gaps_closed(episode: EpisodeSteps) -> EpisodeSteps:
    """Where steps are missing, nothing may be learned across: the one before is aborted, its own final."""
    gaps = np.flatnonzero(np.diff(episode.steps["step"].astype(np.int64)) != 1)
    torn = [i for i in gaps if not episode.steps["flags"][i] & Flag.END]
    if not torn:
        return episode
    steps = episode.steps.copy()
    for i in torn:
        steps["segment"][i + 1 :] += 1
    steps["flags"][torn] |= int(Flag.ABORTED | Flag.END)
    finals = np.concatenate([episode.finals, *(_final_of(steps[i], episode.finals.dtype) for i in torn)])
    return episode._replace(steps=steps, finals=finals[np.argsort(finals["step"], kind="stable")])


def _final_of(step: np.void, dtype: np.dtype) -> np.ndarray:
    """A step's observation and number as a final [1]."""
    final = np.zeros(1, dtype)
    for name in dtype.names or ():
        final[name] = step[name]
    return final


def cut(
    episodes: Iterable[EpisodeSteps], drop: set[int], ranges: dict[int, tuple[int, int]]
) -> Iterator[EpisodeSteps]:
    """Episodes without those whose position is in `drop`, and without a range of steps of some others.

    Args:
        episodes: what to cut.
        drop: positions of whole episodes, from 0.
        ranges: first and last step to leave out, within an episode, by its position.

    Raises:
        ConfigError: there is no such episode or step.
    """
    renamed: dict[Stream, Stream] = {}
    numbers: dict[Stream, tuple[int, int]] = {}  # next episode and segment of each stream
    position = -1
    for position, episode in enumerate(episodes):
        if position in drop:
            continue
        left = _without(episode, position, *ranges[position]) if position in ranges else episode
        if len(left.steps) == 0:
            continue
        stream = renamed.setdefault(left.stream, Stream(left.stream.actor, os.urandom(8).hex()))
        number, segment = numbers.get(stream, (0, 0))
        left.steps["episode"], left.steps["segment"] = number, segment + _ranks(left.steps["segment"])
        numbers[stream] = (number + 1, int(left.steps["segment"][-1]) + 1)
        yield left._replace(stream=stream, number=number)
    unknown = sorted(n for n in {*drop, *ranges} if n > position or n < 0)
    if unknown:
        raise ConfigError(f"there is no episode {unknown[0]}; there are 0 to {position}")


def _without(episode: EpisodeSteps, position: int, first: int, last: int) -> EpisodeSteps:
    """An episode without its steps `first` to `last`, counted from 0; what lies behind is a new segment."""
    n = len(episode.steps)
    if not 0 <= first <= last < n:
        raise ConfigError(f"episode {position} has steps 0 to {n - 1}; {first}-{last} is no range of them")
    steps = episode.steps.copy()
    finals = [episode.finals[~np.isin(episode.finals["step"], steps["step"][first : last + 1])]]
    if first > 0 and not steps["flags"][first - 1] & Flag.END:
        steps["flags"][first - 1] |= Flag.END
        final = _final_of(steps[first], episode.finals.dtype)
        final["step"] = steps["step"][first - 1]
        finals.append(final)
    steps["segment"][last + 1 :] += 1
    kept = np.concatenate([steps[:first], steps[last + 1 :]])
    joined = np.concatenate(finals)
    return episode._replace(steps=kept, finals=joined[np.argsort(joined["step"], kind="stable")])


def _ranks(values: np.ndarray) -> np.ndarray:
    """0, 1, ... for each new value."""
    return np.unique(values, return_inverse=True)[1].astype(values.dtype)


def _joined(stream: Stream, parts: list[tuple[np.ndarray, np.ndarray]]) -> EpisodeSteps:
    steps, finals = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    return EpisodeSteps(stream, int(steps["episode"][0]), steps, finals)
