"""What a person sees while a run learns: a live panel, or a log line every few seconds without a terminal.

`render(status)` is a pure function of the status (a plain dict, the keys are in `log_line` and below); `View`
only keeps the curve and decides when to draw.
"""

import logging
from collections.abc import Sequence
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sandlot.learners.view_practice import back, practice
from sandlot.learners.view_words import BAD, FAIR, GOOD, LABEL, UNKNOWN, Status, clock, count, fixed, number

log = logging.getLogger(__name__)

BLOCKS = " ▁▂▃▄▅▆▇█"
CHART_COLUMNS, CHART_ROWS = 36, 4
WIDTH = 96
EVENTS = 5
RATIO_KEPT = 0.95
"""A reached update ratio below this share of the wanted one is shown as behind."""
JITTER_MS = 5.0
STATE_STYLES = {"learning": GOOD, "done": GOOD, "collecting": "deep_sky_blue1", "paused": FAIR, "failed": BAD}


class View:
    """Shows a run until it is closed: `with View() as view: view.update(status, now_s)`."""

    def __init__(self, console: Console | None = None, *, line_every_s: float = 5.0) -> None:
        """Draws on `console` (stderr unless given) when that is a terminal, and logs lines when it is not."""
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._every_s, self._next_s = line_every_s, float("-inf")
        self._curve: list[float] = []
        self._episodes = -1
        self._alarms: set[str] = set()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def update(self, status: Status, now_s: float) -> None:
        """Shows the newest status; `now_s` is any steady clock."""
        self._extend_curve(status)
        if self._live:
            width = min(self._console.width, WIDTH)
            self._live.update(render(status, self._curve, width=width), refresh=True)
            return
        alarms = set(status.get("alarms", ()))
        for alarm in sorted(alarms - self._alarms):
            log.warning("alarm=%r", alarm)
        self._alarms = alarms
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            log.info("%s", log_line(status))

    def _extend_curve(self, status: Status) -> None:
        """One point per finished episode, so that a slow spell does not stretch the curve."""
        value = status.get("success_50")
        value = status.get("return_50") if value is None else value
        if value is not None and status.get("episodes", 0) != self._episodes:
            self._episodes = status.get("episodes", 0)
            self._curve.append(float(value))


def log_line(status: Status) -> str:
    """The status as one `key=value` line."""
    figures = {
        "run": status.get("run"),
        "state": status.get("state"),
        "env_steps": f"{status.get('env_steps', 0)}/{status.get('total_steps', 0)}",
        "episodes": status.get("episodes"),
        "success_50": status.get("success_50"),
        "return_50": status.get("return_50"),
        "ratio": f"{status.get('ratio_reached') or 0:.2f}/{status.get('ratio_wanted') or 0:.2f}",
        "updates_per_s": status.get("updates_per_s"),
        "policy_age_s": status.get("policy_age_s"),
        "spool_steps": status.get("spool_steps"),
        "utilisation": status.get("utilisation"),
        "calls": status.get("calls") or None,
        "eta_s": status.get("eta_s"),
    }
    pairs = ((k, f"{v:.3g}" if isinstance(v, float) else v) for k, v in figures.items() if v is not None)
    return " ".join(f"{k}={v}" for k, v in pairs)


def render(status: Status, curve: Sequence[float] = (), *, width: int = WIDTH) -> RenderableType:
    """The panel of a status; `curve` is the success rate over time, or the return where there is none."""
    state = str(status.get("state", "starting"))
    title = Text.assemble(
        ("sandlot ", "bold"),
        ("· ", LABEL),
        (str(status.get("task", UNKNOWN)), "bold deep_sky_blue1"),
        (" · ", LABEL),
        (str(status.get("run", UNKNOWN)), ""),
    )
    parts: list[RenderableType] = [
        Text(f" ▲ {a} ", style=f"bold white on {BAD}") for a in status.get("alarms", ())
    ]
    parts += [_progress(status), Text(), _figures(status, curve)]
    if status.get("actors"):
        parts += [Text(), _actors(status["actors"])]
    if status.get("utilisation") is not None:
        parts += [Text(), practice(status)]
    if status.get("back"):
        parts += [Text(), back(status["back"])]
    if status.get("events"):
        parts += [
            Text(),
            *(Text(f"› {e}", style=LABEL, no_wrap=True, overflow="ellipsis") for e in _last(status)),
        ]
    dot = f"[{STATE_STYLES.get(state, FAIR)}]●[/] {state}"
    return Panel(
        Group(*parts), title=title, title_align="left", subtitle=dot, subtitle_align="right",
        border_style="grey37", box=box.ROUNDED, padding=(1, 2), width=width,
    )  # fmt: skip


def chart(values: Sequence[float], low: float, high: float, *, columns: int, rows: int) -> list[str]:
    """A filled curve in block characters, top row first; a column is the mean of its share of the values."""
    if not values:
        return [" " * columns] * rows
    used = min(columns, len(values))
    edges = [round(i * len(values) / used) for i in range(used + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    eighths = [max(1, round(8 * rows * min(1.0, max(0.0, (m - low) / (high - low))))) for m in means]
    lines = ("".join(BLOCKS[min(8, max(0, e - 8 * row))] for e in eighths) for row in reversed(range(rows)))
    return [line.ljust(columns) for line in lines]


def _last(status: Status) -> list[str]:
    return list(status["events"])[-EVENTS:]


def _progress(status: Status) -> RenderableType:
    done, total = status.get("env_steps", 0), status.get("total_steps")
    share = min(1.0, done / total) if total else 0.0
    words = Text.assemble(
        (f"{done:,}", "bold"), (f" of {count(total)} env steps", LABEL), (f"   {100 * share:.0f} %", "bold"),
        ("   elapsed ", LABEL), clock(status.get("elapsed_s")),
        ("   left ", LABEL), (clock(status.get("eta_s")), "bold"),
    )  # fmt: skip
    bar = ProgressBar(
        total=1.0, completed=share, complete_style="deep_sky_blue1", finished_style=GOOD, style="grey23"
    )
    grid = Table.grid(expand=True)  # a bar does not end its own line
    grid.add_row(bar)
    grid.add_row(words)
    return grid


def _figures(status: Status, curve: Sequence[float]) -> RenderableType:
    """The learning curve on the left, the learner's figures on the right."""
    grid = Table.grid(expand=True, padding=(0, 2))
    grid.add_column(width=CHART_COLUMNS + 7)
    grid.add_column(ratio=1)
    grid.add_row(_curve_block(status, curve), _learner_block(status))
    return grid


def _curve_block(status: Status, curve: Sequence[float]) -> RenderableType:
    success, rewards = status.get("success_50"), status.get("return_50")
    if success is not None:
        style = GOOD if success >= 0.8 else FAIR if success >= 0.3 else BAD
        head = Text.assemble(
            (f"{100 * success:.0f} %", f"bold {style}"), (" success, last 50 episodes", LABEL)
        )
        low, high, names = 0.0, 1.0, ("100 %", "0 %")
    else:
        style = "deep_sky_blue1"
        head = Text.assemble((number(rewards), f"bold {style}"), (" return, last 50 episodes", LABEL))
        low, high = (min(curve), max(curve)) if curve else (0.0, 1.0)
        high = high if high > low else low + 1.0
        names = (number(high), number(low))
    lines = chart(curve, low, high, columns=CHART_COLUMNS, rows=CHART_ROWS)
    axis = [names[0], *[""] * (CHART_ROWS - 2), names[1]]
    rows = [Text.assemble((f"{n:>6}▕", LABEL), (line, style)) for n, line in zip(axis, lines, strict=True)]
    tail = Text.assemble(("episodes ", LABEL), count(status.get("episodes")))
    if success is not None:
        tail.append_text(Text.assemble(("   return ", LABEL), number(rewards)))
    return Group(head, *rows, tail)


def _learner_block(status: Status) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style=LABEL)
    table.add_column()
    rate, wanted, reached = (status.get(k) for k in ("updates_per_s", "ratio_wanted", "ratio_reached"))
    kept = wanted is None or reached is None or reached >= RATIO_KEPT * wanted
    full = bool(status.get("spool_full"))
    spool = f"{count(status.get('spool_steps'))} steps, {(status.get('spool_bytes') or 0) / 1e6:.1f} MB"
    table.add_row("updates", Text(count(status.get("updates"))))
    table.add_row("", Text(f"{number(rate)} a second"))
    table.add_row("update ratio", Text(f"{fixed(reached)} of {fixed(wanted)}", style="" if kept else FAIR))
    table.add_row("policy", Text(f"version {count(status.get('policy_version'))}"))
    table.add_row("", Text(f"{fixed(status.get('policy_age_s'), 1)} s old"))
    table.add_row("spool", Text(f"FULL: {spool}" if full else spool, style=f"bold {BAD}" if full else ""))
    return table


def _actors(actors: dict[str, Status]) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1), header_style=LABEL, pad_edge=False)
    for name in ("actor", "state"):
        table.add_column(name)
    for name in ("steps", "steps/s", "policy age", "loop p99"):
        table.add_column(name, justify="right")
    for name, actor in sorted(actors.items()):
        state, p99 = str(actor.get("state", UNKNOWN)), actor.get("loop_p99_ms")
        table.add_row(
            name,
            Text(state, style=GOOD if state in ("acting", "running") else FAIR),
            count(actor.get("steps")),
            number(actor.get("steps_per_s")),
            f"{fixed(actor.get('policy_age_s'), 1)} s",
            Text(f"{fixed(p99, 1)} ms", style=FAIR if p99 is not None and p99 > JITTER_MS else ""),
        )
    return table
