"""What `sandlot data` does: each action a function that returns figures to print."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sandlot.learners.errors import ConfigError, SpecError
from sandlot.learners.rerun_log import RerunLog
from sandlot.learners.schema import Flag, Source
from sandlot.robots.recording import episodes as eps
from sandlot.robots.recording.bag import Bag
from sandlot.robots.recording.errors import needs
from sandlot.robots.recording.plot import page
from sandlot.robots.recording.source import (
    Asked,
    Episodes,
    differences,
    found,
    open_folder,
    size_bytes,
    summary,
)

Images = Literal["video", "png"]
Row = dict[str, Any]


def overview(folder: str, asked: Asked) -> Row:
    """One line about a folder."""
    source = open_folder(folder, asked)
    total = summary(source.read())
    return {
        "folder": str(source.folder),
        "kind": source.kind,
        "task": source.spec.task,
        **total,
        "minutes": round(total["steps"] / source.spec.control_hz / 60, 2),
        "mb": round(size_bytes(source.folder) / 1e6, 1),
    }


def details(folder: str, asked: Asked) -> Row:
    """Everything about a folder: a table of episodes and, for a bag, one of topics."""
    path = found(folder)
    is_bag = any(path.glob("*.mcap"))
    about: Row = _about_bag(Bag(path)) if is_bag else {}
    if is_bag and not (asked.task or Bag(path).custom.get("task")):
        return about
    source = open_folder(folder, asked)
    listed = [_episode_row(i, episode) for i, episode in enumerate(source.read())]
    shown = {
        **{k: v for k, v in overview(folder, asked).items() if k != "reward"},
        "control_hz": source.spec.control_hz,
        "state": ", ".join(f"{e.name}[{e.size}]" for e in source.spec.state),
        "action": ", ".join(f"{e.name}[{e.size}]" for e in source.spec.action),
        "images": ", ".join(f"{k} {s[1]}x{s[0]}" for k, s in source.spec.images.items()) or None,
        "notes": "; ".join(source.notes()) or None,
    }
    return {**shown, **about, "each episode": listed}


def _about_bag(bag: Bag) -> Row:
    info = bag.info()
    seconds = (info.last_ns - info.first_ns) / 1e9
    topics = [
        {"topic": name, "type": info.types[name], "messages": n, "hz": round(n / max(seconds, 1e-9), 1)}
        for name, n in sorted(info.counts.items())
    ]
    whole = "yes" if info.finished else "no: the recorder was killed; `sandlot data repair` ends it"
    return {"seconds": round(seconds, 2), "files": len(bag.files), "finished": whole, "topics": topics}


def _episode_row(position: int, episode: eps.EpisodeSteps) -> Row:
    steps = episode.steps
    flags = int(np.bitwise_or.reduce(steps["flags"]))
    ends = (Flag.SUCCESS, Flag.TERMINATED, Flag.TRUNCATED, Flag.ABORTED)
    return {
        "episode": position,
        "stream": f"{episode.stream.actor}/{episode.stream.run[:8]}",
        "number": episode.number,
        "steps": len(steps),
        "reward": round(float(steps["reward"].sum()), 3),
        "end": "+".join(str(f.name).lower() for f in ends if flags & f) or "open",
        "human": int((steps["source"] == Source.HUMAN).sum()),
        "segments": len(np.unique(steps["segment"])),
        "version": int(steps["policy_version"].max()),
    }


def plot(folder: str, asked: Asked, number: int, out: str) -> Row:
    """Writes an episode's page."""
    source = open_folder(folder, asked)
    position, episode = _pick(source, number)
    path = Path(out or f"{source.folder.name}-episode-{position}.html")
    path.write_text(page(source.spec, episode, f"{source.folder.name}, episode {position}"))
    return {"file": str(path), "episode": position, "steps": len(episode.steps)}


def view(folder: str, asked: Asked, number: int, out: str) -> Row:
    """Shows an episode in Rerun."""
    source = open_folder(folder, asked)
    position, episode = _pick(source, number)
    viewer = RerunLog(f"{source.spec.task} episode {position}", source.spec, target=out)
    try:
        for step in episode.steps:
            images = {name: np.array(step[f"image.{name}"]) for name in source.spec.images}
            obs = {"state": np.array(step["state"]), "images": images}
            viewer.log_recorded(float(step["wall_s"]), obs, np.array(step["action"]), float(step["reward"]))
    finally:
        viewer.close()
    return {"episode": position, "steps": len(episode.steps), "out": out or None}


def cut(folder: str, asked: Asked, out: str, drop: Sequence[str], ranges: Sequence[str]) -> Row:
    """Writes a run without some episodes or steps."""
    if not drop and not ranges:
        raise ConfigError("nothing to cut: name episodes with --drop 3, or steps with --steps 3:10-20")
    source = open_folder(folder, asked)
    left = eps.cut(source.read(), set(_positions(drop)), dict(map(_range, ranges)))
    return _written(source, Path(out), eps.write_episodes(Path(out), source.spec, left))


def merge(folders: Sequence[str], asked: Asked, out: str) -> Row:
    """Writes several folders' episodes to one run; a stream that comes twice is written once."""
    if not folders:
        raise ConfigError("nothing to merge: name two folders or more")
    sources = [open_folder(folder, asked) for folder in folders]
    for other in sources[1:]:
        if other.spec != sources[0].spec:
            what = "; ".join(differences(sources[0].spec, other.spec))
            raise SpecError(f"'{sources[0].folder}' and '{other.folder}' cannot be merged: {what}")
    seen: set[tuple[object, int]] = set()

    def every() -> Iterator[eps.EpisodeSteps]:
        for episode in itertools.chain.from_iterable(source.read() for source in sources):
            key = (episode.stream, episode.number)
            if key not in seen:
                seen.add(key)
                yield episode

    return _written(sources[0], Path(out), eps.write_episodes(Path(out), sources[0].spec, every()))


def to_run(folder: str, asked: Asked, out: str, kind: str) -> Row:
    """Writes a bag's or a data set's episodes to a run."""
    source = open_folder(folder, asked)
    if source.kind != kind:
        other = {"bag": "sandlot data steps", "lerobot": "sandlot data import"}.get(source.kind)
        way_out = f"use {other}" if other else "it is one already"
        raise ConfigError(f"'{source.folder}' is a {source.kind}, not a {kind}; {way_out}")
    return _written(source, Path(out), eps.write_episodes(Path(out), source.spec, source.read()))


def export(folder: str, asked: Asked, out: str, text: str, images: Images) -> Row:
    """Writes a LeRobot data set."""
    with needs("data", "exporting a LeRobot data set"):
        from sandlot.robots.recording import lerobot_export  # noqa: PLC0415  (an extra)

    source = open_folder(folder, asked)
    done = lerobot_export.export(source.spec, source.read(), Path(out), text=text, images=images)
    return {"folder": out, **done._asdict(), "notes": "; ".join(source.notes()) or None}


def repair(folder: Path) -> Row:
    """Ends a bag that its recorder could not end."""
    bag = Bag(folder)
    done = bag.repair()
    return {"bag": str(folder), "repaired": done, "messages": sum(bag.info().counts.values())}


def table(rows: Sequence[Row]) -> str:
    """Rows under each other, columns aligned."""
    if not rows:
        return ""
    cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return "".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells
    )


def _cell(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _written(source: Episodes, folder: Path, steps: int) -> Row:
    total = summary(open_folder(folder).read())
    notes = source.notes()
    if source.kind == "bag" and not total["episodes"]:
        notes = [*notes, "no step was recorded: an actor or sandlot demos publishes them on actor/step"]
    said = {"notes": "; ".join(notes)} if notes else {}
    return {"folder": str(folder), "episodes": total["episodes"], "steps": steps, **said}


def _pick(source: Episodes, number: int) -> tuple[int, eps.EpisodeSteps]:
    """An episode by its position; negative counts from the end."""
    position, last = -1, None
    for position, last in enumerate(source.read()):
        if position == number:
            return position, last
    if number == -1 and last is not None:
        return position, last
    raise ConfigError(
        f"'{source.folder}' has no episode {number}; it has 0 to {position}, and -1 for the last"
    )


def _positions(words: Sequence[str]) -> Iterator[int]:
    for word in words:
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
        if not match:
            raise ConfigError(f"--drop {word}: give an episode such as 3, or a range such as 5-9")
        yield from range(int(match[1]), int(match[2] or match[1]) + 1)


def _range(word: str) -> tuple[int, tuple[int, int]]:
    match = re.fullmatch(r"(\d+):(\d+)-(\d+)", word)
    if not match:
        raise ConfigError(f"--steps {word}: give EPISODE:FIRST-LAST, such as 3:10-20")
    return int(match[1]), (int(match[2]), int(match[3]))
