"""What the page shows of runs: figures, curves, episodes, frames. Read only; a learner is never waited for.

Everything returned is plain (numbers, texts, lists), ready for a pipe. A run that cannot be read raises
StoreError with a line for the operator.
"""

import base64
import math
import pathlib
import time
from collections import OrderedDict
from typing import Any

from sandlot.learners import prepare, report_data
from sandlot.learners.chart import Series, line_chart
from sandlot.learners.errors import StoreError
from sandlot.learners.progress import WINDOW, read_status
from sandlot.learners.store_file import FILE
from sandlot.learners.store_read import Episode, RunReader
from sandlot.robots.console import labels
from sandlot.robots.console.album import Album

SILENT_S = 3.0
"""A learner writes its status four times a second: after this long without one it is dead or frozen."""
RUNNING = frozenset({"learning", "collecting", "paused", "starting"})
FRESH_S = 5.0
"""Curves of a run that goes on are not drawn again before this long."""
MOST_KEPT = 4
EPISODES = 50
EVENTS = 30
METRICS = (
    ("Share of the time that the robot steps", ("utilisation", "utilisation_10min")),
    ("Interventions an hour", ("interventions_per_hour",)),
    ("Updates an env step", ("ratio_wanted", "ratio_reached")),
)
"""Charts of metrics, where a run has them."""
FIGURES = (
    "success_50", "return_50", "env_steps", "total_steps", "episodes", "updates_per_s", "utilisation_10min",
    "interventions_per_hour", "policy_version",
)  # fmt: skip


class Library:
    """The runs in one folder.

    Args:
        root: folder of run folders.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self._curves: OrderedDict[str, tuple[int, float, dict[str, Any]]] = OrderedDict()
        self._albums: OrderedDict[tuple[str, int], Album] = OrderedDict()

    def runs(self) -> list[dict[str, Any]]:
        """Every run, the one that changed last first."""
        found = []
        for folder in self._folders().values():
            marks = [folder / name for name in (prepare.STATUS_FILE, FILE, prepare.CONFIG_FILE)]
            changed = [_changed_s(mark) for mark in marks]
            if any(changed):
                status = _status(folder)
                found.append({
                    "name": folder.name,
                    "task": status.get("task", ""),
                    "state": status["state"],
                    "success_50": status.get("success_50"),
                    "env_steps": status.get("env_steps"),
                    "changed_s": max(changed),
                })  # fmt: skip
        return sorted(found, key=lambda run: -run["changed_s"])

    def run(self, run: str) -> dict[str, Any]:
        """How a run is doing: state, figures, alarms, its processes."""
        folder = self._folder(run)
        status = _status(folder)
        return {
            "name": run,
            "task": status.get("task", ""),
            "state": status["state"],
            "problem": "" if (folder / FILE).exists() else "no step has been stored yet",
            "figures": {name: status[name] for name in FIGURES if name in status},
            "alarms": list(status.get("alarms", ())),
            "processes": _processes(status),
        }

    def curves(self, run: str) -> dict[str, Any]:
        """Charts (SVG) and the last events of a run."""
        reader = self._reader(run)
        now_s, last_seq = time.monotonic(), reader.last_seq
        kept = self._curves.get(run)
        if kept and (kept[0] == last_seq or now_s - kept[1] < FRESH_S):
            return kept[2]
        found = _draw(reader)
        self._curves[run] = last_seq, now_s, found
        while len(self._curves) > MOST_KEPT:
            self._curves.popitem(last=False)
        return found

    def episodes(self, run: str, before: int = 0) -> dict[str, Any]:
        """The newest episodes; with `before`, those that began before that step of the run."""
        reader = self._reader(run)
        found = [e for e in reader.episodes() if not before or e.first_seq < before]
        rows = []
        for e in reversed(found[-EPISODES:]):
            rows.append({
                "seq": e.first_seq,
                "actor": e.stream.actor,
                "agent": e.stream.agent,
                "steps": e.steps,
                "reward": _plain(e.total_reward),
                "outcome": _outcome(e),
                "human": e.human_steps / e.steps,
                "policy_version": e.policy_version,
            })  # fmt: skip
        return {"episodes": rows, "more": len(found) > EPISODES}

    def episode(self, run: str, seq: int) -> dict[str, Any]:
        """The steps of the episode that began at a step of the run."""
        return self._album(run, seq).describe()

    def frame(self, run: str, seq: int, camera: str, step: int) -> bytes:
        """One stored picture, JPEG."""
        return self._album(run, seq).jpeg(camera, step)

    def newest(self, run: str) -> dict[str, Any]:
        """The newest stored step: its pictures (JPEG in base64), and the probability of success there."""
        reader = self._reader(run)
        last_seq = reader.last_seq
        if not last_seq:
            return {"seq": 0, "pictures": {}, "success": [], "rule": ""}
        album = Album.newest(reader)
        found = album.describe()
        return {
            "seq": last_seq,
            "pictures": {
                camera: base64.b64encode(album.jpeg(camera, 0)).decode() for camera in found["cameras"]
            },
            "success": found["success"],
            "rule": found["rule"],
        }

    def waiting(self, run: str) -> dict[str, Any]:
        """Frames that wait for a person's label."""
        return labels.waiting(self._folder(run))

    def waiting_frame(self, run: str, name: str, camera: str) -> bytes:
        """One of them, JPEG."""
        return labels.picture(self._folder(run), name, camera)

    def relabel(self, run: str, name: str, label: str) -> str:
        """Labels one of them; the only thing that the page ever writes, and not into the run."""
        return labels.relabel(self._folder(run), name, label)

    def _album(self, run: str, seq: int) -> Album:
        key = run, seq
        album = self._albums.get(key)
        if album is None or not album.ended:
            album = self._albums[key] = Album.episode(self._reader(run), seq)
        self._albums.move_to_end(key)
        while len(self._albums) > MOST_KEPT:
            self._albums.popitem(last=False)
        return album

    def _folder(self, run: str) -> pathlib.Path:
        """A run's folder: only a name that the root lists, so no name leads out of it."""
        folder = self._folders().get(run)
        if folder is None:
            raise StoreError(f"there is no run {run[:100]!r} in '{self.root}'")
        return folder

    def _folders(self) -> dict[str, pathlib.Path]:
        try:
            return {p.name: p for p in self.root.iterdir() if p.is_dir() and not p.name.startswith(".")}
        except OSError:
            return {}  # not made yet

    def _reader(self, run: str) -> RunReader:
        folder = self._folder(run)
        if not (folder / FILE).exists():
            raise StoreError(f"run '{run}' has stored no step yet")
        return RunReader(folder)


def _draw(reader: RunReader) -> dict[str, Any]:
    """Success, corrections, return and pace of a run."""
    data = report_data.read_run(reader)
    label = "env steps"
    charts = []
    if data.success.any() or not data.reward_sum.any():
        line = Series("success", data.step, data.success)
        title = f"Success, last {WINDOW} episodes"
        charts.append(line_chart(title, [line], x_label=label, y_range=(0, 1), percent=True))
    charts.append(_interventions(reader))
    charts.append(
        line_chart(f"Return, last {WINDOW} episodes", [Series("", data.step, data.reward_sum)], x_label=label)
    )
    for title, names in METRICS:
        lines = [Series(n, *data.metrics[n][::2], dashed="wanted" in n) for n in names if n in data.metrics]
        if lines:
            charts.append(line_chart(title, lines, x_label=label))
    events = [f"{minutes:7.1f} min  {name}  {text}" for minutes, name, text in data.events[-EVENTS:]]
    return {"charts": charts, "events": events[::-1], "seconds": data.seconds}


def _interventions(reader: RunReader) -> str:
    """How much a person still does: share of steps that they took, of episodes in which they took any."""
    pinned = int(reader.get_meta(report_data.PINNED_KEY, 0))
    ended = sorted(
        (e for e in reader.episodes(pinned) if e.ended and not e.aborted), key=lambda e: e.last_seq
    )
    x = [e.last_seq - pinned for e in ended]
    lines = [
        Series("steps by a person", x, report_data.trailing_mean([e.human_steps / e.steps for e in ended])),
        Series("episodes corrected", x, report_data.trailing_mean([e.interventions > 0 for e in ended])),
    ]
    title = f"Interventions, last {WINDOW} episodes"
    return line_chart(title, lines, x_label="env steps", y_range=(0, 1), percent=True)


def _status(folder: pathlib.Path) -> dict[str, Any]:
    """The learner's last word; `state` says when it should have spoken since."""
    try:
        status = read_status(folder / prepare.STATUS_FILE)
    except (OSError, UnicodeDecodeError):
        status = {}
    silent_s = time.time() - _changed_s(folder / prepare.STATUS_FILE)
    state = str(status.get("state", "no learner"))
    if state in RUNNING and silent_s > SILENT_S:
        state = "silent"
    return {**status, "state": state, "silent_s": silent_s}


def _processes(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The learner and its actors, as the learner knows them."""
    state, silent_s = status["state"], status["silent_s"]
    if state == "no learner":
        return []
    gone = f"it has said nothing for {_span(silent_s)}: ended, killed or frozen"
    rows = [{"name": "learner", "state": state, "says": gone if state == "silent" else _learner(status)}]
    actors = status.get("actors")
    for name, actor in sorted(actors.items() if isinstance(actors, dict) else ()):
        heard_s = float(actor.get("heard_s", math.inf))
        here = state in RUNNING and heard_s < SILENT_S
        says = f"{actor.get('steps', 0):,.0f} steps, policy {actor.get('policy_age_s', 0):.1f} s old"
        if not here:
            says = (
                ""
                if state == "done"
                else "its learner is not running"
                if state not in RUNNING
                else f"not heard for {_span(heard_s)}"
            )
        if actor.get("spool_full"):
            says = f"spool full: {says}"
        rows.append(
            {
                "name": name,
                "state": "acting" if here else "ended" if state == "done" else "silent",
                "says": says,
            }
        )
    return rows


def _learner(status: dict[str, Any]) -> str:
    rate = status.get("updates_per_s")
    done = f"{status.get('env_steps', 0):,} of {status.get('total_steps', 0):,} steps"
    return done + (f", {rate:.0f} updates/s" if isinstance(rate, float) else "")


def _outcome(episode: Episode) -> str:
    if not episode.ended:
        return "running"
    return "aborted" if episode.aborted else "success" if episode.success else "failure"


def _changed_s(path: pathlib.Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _span(seconds: float) -> str:
    """A length of time for people."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _plain(value: float) -> float | None:
    """A number that JSON can say."""
    return value if math.isfinite(value) else None
