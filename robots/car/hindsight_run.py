"""A car's recorded run again, with goals where it really went."""

import zlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.learners.schema import Flag
from sandlot.robots.car import task
from sandlot.robots.car.hindsight import HindsightConfig, relabelled
from sandlot.robots.recording.episodes import EpisodeSteps, write_episodes
from sandlot.robots.recording.source import Asked, open_folder

DEFAULT = HindsightConfig()


def to_run(
    folder: str, asked: Asked, out: str, seed: int = 0, config: HindsightConfig = DEFAULT
) -> dict[str, Any]:
    """Writes a run of a car anew; what it saw and did stays, goals and rewards are those of hindsight.

    Raises:
        ConfigError: it is not a car's.
        StoreError: `out` exists.
    """
    source, wanted = open_folder(folder, asked), task.state_entries()
    if source.spec.state[: len(wanted)] != wanted:
        raise ConfigError(
            f"'{source.folder}' observes {', '.join(e.name for e in source.spec.state) or 'no state'}; goals "
            f"in hindsight need what a car observes: {', '.join(e.name for e in wanted)}"
        )
    made = (in_hindsight(episode, source.spec.control_hz, seed, config) for episode in source.read())
    steps = write_episodes(Path(out), source.spec, (episode for episode in made if len(episode.steps)))
    return {"folder": out, "steps": steps}


def in_hindsight(
    episode: EpisodeSteps, control_hz: float, seed: int, config: HindsightConfig = DEFAULT
) -> EpisodeSteps:
    """An episode with goals drawn anew in each of its segments, and the rewards that belong to them.

    Steps of a segment that has no end yet are left out. The stream is another one: beside the old episode, in
    `sandlot data merge` say, this is no second copy of it.
    """
    ends = np.flatnonzero(episode.steps["flags"] & Flag.END)
    steps, finals = episode.steps[: ends[-1] + 1 if len(ends) else 0].copy(), episode.finals.copy()
    size = sum(entry.size for entry in task.state_entries())
    rng = np.random.default_rng([seed, episode.number])
    for first, last in zip([0, *(ends[:-1] + 1)], ends, strict=False):
        final = int(np.flatnonzero(finals["step"] == steps["step"][last])[0])
        part = slice(first, last + 1)
        state = np.concatenate([steps["state"][part, :size], finals["state"][final : final + 1, :size]])
        state, reward = relabelled(state, steps["reward"][part], control_hz, rng, config)
        steps["state"][part, :size], finals["state"][final, :size] = state[:-1], state[-1]
        steps["reward"][part] = reward
    run = f"{zlib.crc32(f'{episode.stream.run} in hindsight {seed}'.encode()):08x}"
    return EpisodeSteps(msgspec.structs.replace(episode.stream, run=run), episode.number, steps, finals)
