"""Many files of the RECON data set to one run, with figures that say what to think of it."""

import dataclasses
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Stream
from sandlot.robots.car import recon
from sandlot.robots.car.hindsight import HindsightConfig
from sandlot.robots.car.recon import ReconConfig
from sandlot.robots.car.recon_file import Drive, read_drive
from sandlot.robots.car.spec import CarLimits
from sandlot.robots.recording.episodes import EpisodeSteps, write_episodes
from sandlot.robots.recording.errors import DatasetError

ACTOR = "recon"
SUFFIXES = (".hdf5", ".h5")
MOVING_MPS = 0.2
RATE_RATIO = 1.3
"""Where positions move so much faster or slower than the declared rate says, it is told."""


@dataclasses.dataclass
class Counts:
    """What became of the files."""

    frames: int = 0
    episodes: int = 0
    collisions: int = 0
    clipped: int = 0
    skipped: list[str] = dataclasses.field(default_factory=list)
    rates_hz: list[float] = dataclasses.field(default_factory=list)


class Plan(NamedTuple):
    """What is asked for: how files become steps, what an action may do, and how goals are drawn."""

    config: ReconConfig
    limits: CarLimits
    draws: HindsightConfig


def import_files(
    given: Sequence[str],
    out: str,
    config: ReconConfig = ReconConfig(),  # noqa: B008  (frozen)
    limits: CarLimits = CarLimits(),  # noqa: B008
    draws: HindsightConfig = HindsightConfig(),  # noqa: B008
) -> dict[str, Any]:
    """Writes the drives of files, and of folders of such files, to a new run; returns figures.

    Raises:
        ConfigError: there is no file, nothing to learn from in them, or h5py is not installed.
        DatasetError: a file is damaged or of another kind.
        StoreError: `out` exists.
    """
    files, counts = _files(given), Counts()
    named = "\n".join([f"{config} {draws}", *(str(file.resolve()) for file in files)])
    stream = Stream(ACTOR, f"{zlib.crc32(named.encode()):08x}")
    found = _episodes(files, stream, Plan(config, limits, draws), counts)
    first = next(found, None)
    if first is None:
        why = "; ".join(counts.skipped)[:300] or "name others, or try another --collision"
        raise ConfigError(
            f"{len(files)} files, '{files[0]}' first, hold no two frames of driving ahead: {why}"
        )

    def every() -> Iterator[EpisodeSteps]:
        yield first
        yield from found

    steps = write_episodes(Path(out), config.spec(limits), every())
    return {
        "folder": out,
        "files": len(files) - len(counts.skipped),
        "episodes": counts.episodes,
        "steps": steps,
        "collisions": counts.collisions,
        "frames_left_out": counts.frames - steps - counts.episodes,
        "actions_clipped": counts.clipped,
        **_notes(counts, config),
    }


def _files(given: Sequence[str]) -> list[Path]:
    """The files named, and those in folders named, in order."""
    found: list[Path] = []
    for name in given:
        path = Path(name)
        inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"folder '{name}' holds no {' or '.join(SUFFIXES)} file; name one that does")
        found += inside
    if not found:
        raise ConfigError("no file was named; name files of the RECON data set, or folders of them")
    return list(dict.fromkeys(found))


def _episodes(files: Sequence[Path], stream: Stream, plan: Plan, counts: Counts) -> Iterator[EpisodeSteps]:
    """Every file's pieces as episodes; a damaged file is left out whole, or ends it all."""
    for number, file in enumerate(files):
        rng = np.random.default_rng([plan.config.seed, number])
        try:
            drive = read_drive(file, plan.config.collision)
            made = list(_of_drive(drive, plan, rng))
        except DatasetError as error:
            if not plan.config.skip_damaged:
                raise
            counts.skipped.append(str(error))
            continue
        counts.frames += len(drive)
        counts.rates_hz += _rate_hz(drive)
        for piece, steps, final, clipped in made:
            steps["episode"] = steps["segment"] = counts.episodes
            counts.collisions += piece.collided
            counts.clipped += clipped
            yield EpisodeSteps(stream, counts.episodes, steps, final)
            counts.episodes += 1


def _of_drive(
    drive: Drive, plan: Plan, rng: np.random.Generator
) -> Iterator[tuple[recon.Piece, np.ndarray, np.ndarray, int]]:
    """The pieces of one file, each with its steps, its final, and how many actions were clipped."""
    config, limits = plan.config, plan.limits
    told = recon.commands(drive, config, limits)
    for piece in recon.pieces(drive):
        drawn = recon.drawn_goals(drive, piece, config.hz, rng, plan.draws)
        yield (piece, *recon.episode(drive, piece, told, drawn, config=config, limits=limits))


def _rate_hz(drive: Drive) -> list[float]:
    """Frames a second by how far it moved between frames and how fast it says it was; none if it stood."""
    whole = drive.whole()
    speed = (np.abs(drive.speed_mps[1:]) + np.abs(drive.speed_mps[:-1])) / 2.0
    way = np.linalg.norm(np.diff(drive.position_m, axis=0), axis=1)
    used = whole[1:] & whole[:-1] & (speed > MOVING_MPS) & (way > 0)
    return [float(np.median(speed[used] / way[used]))] if used.any() else []


def _notes(counts: Counts, config: ReconConfig) -> dict[str, Any]:
    """The rate that odometry speaks of, and what a person should know."""
    said: list[str] = []
    rate = float(np.median(counts.rates_hz)) if counts.rates_hz else config.hz
    if not 1 / RATE_RATIO < rate / config.hz < RATE_RATIO:
        said.append(f"positions and speeds speak of {rate:.1f} frames a second, not {config.hz:g}; give --hz")
    if counts.skipped:
        said.append(f"{len(counts.skipped)} files left out, the first: {counts.skipped[0]}")
    figures: dict[str, Any] = {"hz_by_odometry": round(rate, 2)} if counts.rates_hz else {}
    return figures | ({"notes": "; ".join(said)} if said else {})
