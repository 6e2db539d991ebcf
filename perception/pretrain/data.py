"""What was recorded, as arrays to learn an encoder from: every frame once, transitions by index."""

import dataclasses
import logging
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from sandlot.learners.errors import ConfigError, SpecError
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source
from sandlot.learners.store_read import RunReader, Stored
from sandlot.perception.classifier.watch import MOST_BLANK, Limits
from sandlot.perception.encoders.base import Shape

log = logging.getLogger(__name__)

TRUTH = "truth."
"""State entries with this prefix are what a simulation knows; they judge an encoder, it never sees them."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """Frames [M] of all cameras and the transitions [N] between them.

    Attributes:
        spec: what was observed, without what only a simulation knows.
        truth_entries: what a simulation knows of each frame; none on hardware.
        frames: camera -> uint8 [M, H, W, C].
        state: float32 [M, S].
        truth: float32 [M, T]; NaN where a recording has none.
        episode: int [M], different for every episode.
        obs: int [N], the frame a transition begins with; the next frame of it is `obs + 1`.
        action: float32 [N, A].
        reward: float32 [N].
        discount: float32 [N], 0 at a true end.
        shown: bool [N], whether a person or a script chose the action.
    """

    spec: EnvSpec
    truth_entries: tuple[Entry, ...]
    frames: dict[str, np.ndarray]
    state: np.ndarray
    truth: np.ndarray
    episode: np.ndarray
    obs: np.ndarray
    action: np.ndarray
    reward: np.ndarray
    discount: np.ndarray
    shown: np.ndarray

    @property
    def shapes(self) -> dict[str, Shape]:
        """(H, W, C) of each camera's frames."""
        return dict(self.spec.images)

    def split(self, held_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Whether each frame is trained on, and whether it is held out, bool [M] both; whole episodes.

        Raises:
            ConfigError: there are too few episodes for two parts.
        """
        episodes = np.unique(self.episode)
        count = max(1, round(held_out * len(episodes)))
        if len(episodes) <= count:
            raise ConfigError(
                f"{len(episodes)} episodes cannot be split with {held_out:g} of them held out; record at "
                "least two"
            )
        kept = np.random.default_rng(seed).permutation(episodes)[count:]
        train = np.isin(self.episode, kept)
        return train, ~train


def read(folders: Sequence[pathlib.Path | str], cameras: Sequence[str] = ()) -> Recording:
    """The recordings in run folders, as one.

    Args:
        folders: what `sandlot demos`, `sandlot pretrain collect`, `sandlot train` or `sandlot data` wrote.
        cameras: of these, the ones to use; all when empty.

    Raises:
        ConfigError: there is nothing to learn from.
        SpecError: the folders were recorded with different cameras or actions.
    """
    if not folders:
        raise ConfigError("no recording was named; record some, e.g. with `sandlot demos TASK --cameras ...`")
    parts = [_part(RunReader(folder), folder, cameras) for folder in folders]
    first = parts[0]
    truth = max((part.truth_entries for part in parts), key=len)
    for folder, part in zip(folders, parts, strict=True):
        for name in ("images", "state", "action"):
            mine, theirs = getattr(first.spec, name), getattr(part.spec, name)
            if mine != theirs:
                raise SpecError(
                    f"'{folders[0]}' and '{folder}' differ in {name}: {mine!r} != {theirs!r}; give "
                    "recordings of the same cameras and the same robot"
                )
    return _joined(parts, truth)


def _part(reader: RunReader, folder: pathlib.Path | str, cameras: Sequence[str]) -> Recording:
    """One folder."""
    spec = reader.spec
    names = tuple(cameras) or tuple(spec.images)
    missing = [name for name in names if name not in spec.images]
    if missing or not names:
        raise ConfigError(
            f"'{folder}' has no camera {', '.join(missing)}; it was recorded with "
            f"{', '.join(spec.images) or 'none'}: record with --cameras"
        )
    split = [np.arange(sum(e.size for e in spec.state[:i]), sum(e.size for e in spec.state[: i + 1]))
             for i in range(len(spec.state))]  # fmt: skip
    hidden = [e.name.startswith(TRUTH) for e in spec.state]
    none = [np.zeros(0, int)]
    seen = np.concatenate(none + [at for at, h in zip(split, hidden, strict=True) if not h])
    known = np.concatenate(none + [at for at, h in zip(split, hidden, strict=True) if h])
    rows, steps, episode = _rows(reader)
    if not len(steps):
        raise ConfigError(f"'{folder}' holds no steps to learn from; record some first")
    frames = {name: np.stack([row[f"image.{name}"] for row in rows]) for name in names}
    _check_seen(frames, folder)
    return Recording(
        spec=_seen_spec(spec, hidden, names),
        truth_entries=tuple(e for e, h in zip(spec.state, hidden, strict=True) if h),
        frames=frames,
        state=np.stack([row["state"][seen] for row in rows]),
        truth=np.stack([row["state"][known] for row in rows]),
        episode=episode,
        obs=np.array([at for at, _ in steps]),
        action=np.stack([step["action"] for _, step in steps]),
        reward=np.array([step["reward"] for _, step in steps]),
        discount=np.array([step["discount"] for _, step in steps]),
        shown=np.array([step["source"] != Source.POLICY for _, step in steps]),
    )


def _check_seen(frames: Mapping[str, np.ndarray], folder: pathlib.Path | str) -> None:
    """Raises ConfigError for a camera that shows nothing most of the time."""
    for camera, its in frames.items():
        empty = Limits().blank(its)
        if empty.mean() > MOST_BLANK:
            raise ConfigError(
                f"'{folder}': camera '{camera}' shows nothing in {empty.mean():.0%} of the frames (black, or "
                "of one colour); see its lens, cable and light and record anew, or name others with --cameras"
            )


def _seen_spec(spec: EnvSpec, hidden: Sequence[bool], cameras: Iterable[str]) -> EnvSpec:
    """The spec without hidden state entries, with these cameras alone."""
    return EnvSpec(
        task=spec.task,
        state=tuple(e for e, h in zip(spec.state, hidden, strict=True) if not h),
        images={name: spec.images[name] for name in cameras},
        action=spec.action,
        control_hz=spec.control_hz,
        max_episode_steps=spec.max_episode_steps,
    )


def _rows(reader: RunReader) -> tuple[list[np.void], list[tuple[int, np.void]], np.ndarray]:
    """Observations in order, the steps with the index of theirs, and the episode of each observation.

    An observation after the last step of a segment is its final; a step that was aborted is left out, and
    so is one whose next observation is not there yet.
    """
    rows: list[np.void] = []
    steps: list[tuple[int, np.void]] = []
    numbers: dict[tuple[object, int], int] = {}
    episode: list[int] = []
    for stored in _whole(reader):
        finals = {int(final["step"]): final for final in stored.finals}
        for i, step in enumerate(stored.steps):
            number = numbers.setdefault((stored.stream, int(step["episode"])), len(numbers))
            final = finals.get(int(step["step"]))
            follows = final is not None or i + 1 < len(stored.steps)
            if follows and not step["flags"] & Flag.ABORTED:
                steps.append((len(rows), step))
            rows.append(step)
            episode.append(number)
            if final is not None:
                rows.append(final)
                episode.append(number)
    return rows, steps, np.array(episode)


def _whole(reader: RunReader) -> list[Stored]:
    """The steps of each stream in one piece."""
    pieces: dict[object, list[Stored]] = {}
    for stored in reader.read():
        pieces.setdefault(stored.stream, []).append(stored)
    return [
        Stored(
            its[-1].last_seq,
            its[0].stream,
            np.concatenate([p.steps for p in its]),
            np.concatenate([p.finals for p in its]),
        )
        for its in pieces.values()
    ]


def _joined(parts: Sequence[Recording], truth: tuple[Entry, ...]) -> Recording:
    """Several recordings of the same kind as one."""
    size = sum(e.size for e in truth)
    shifts = np.cumsum([0, *(len(part.state) for part in parts)])
    episodes = np.cumsum([0, *(int(part.episode.max()) + 1 for part in parts)])

    def cat(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    known = [
        part.truth if part.truth_entries == truth else np.full((len(part.state), size), np.nan, np.float32)
        for part in parts
    ]
    return Recording(
        spec=parts[0].spec,
        truth_entries=truth,
        frames={name: np.concatenate([part.frames[name] for part in parts]) for name in parts[0].frames},
        state=cat("state"),
        truth=np.concatenate(known),
        episode=np.concatenate([part.episode + n for part, n in zip(parts, episodes, strict=False)]),
        obs=np.concatenate([part.obs + n for part, n in zip(parts, shifts, strict=False)]),
        action=cat("action"),
        reward=cat("reward"),
        discount=cat("discount"),
        shown=cat("shown"),
    )
