"""One episode as a page: state, actions and reward over its steps, a person's part shaded."""

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sandlot.learners import chart
from sandlot.learners.chart import Series
from sandlot.learners.schema import Entry, EnvSpec, Flag, Source
from sandlot.robots.recording.episodes import EpisodeSteps

SHADES = {Source.HUMAN: "#e8833a", Source.SCRIPT: "#a371f7"}
WORDS = {Source.POLICY: "policy", Source.HUMAN: "person", Source.SCRIPT: "script"}
STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:1130px;margin:2em auto;"
    "padding:0 1em}h1{font-size:1.3em}h2{font-size:1.05em;margin-top:1.6em}.grid{display:grid;gap:14px;"
    "grid-template-columns:repeat(auto-fill,minmax(440px,1fr))}svg{width:100%;height:auto}"
    ".key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 1em;opacity:.45}"
)


class Span(NamedTuple):
    """Steps `first` to `last` that one source chose."""

    source: Source
    first: int
    last: int


def page(spec: EnvSpec, episode: EpisodeSteps, title: str) -> str:
    """A self-contained HTML page."""
    steps = episode.steps
    spans = list(_spans(steps["source"]))
    sections = [
        ("Reward", [_chart(Entry("reward", 1), steps["reward"][:, None], spans)]),
        ("Action, as executed; dashed: what the policy wanted", list(_actions(spec, episode, spans))),
        ("State", list(_entries(spec.state, steps["state"], spans))),
    ]
    present = sorted({span.source for span in spans})
    keys = "".join(
        f'<span class="key" style="background:{SHADES[s]}"></span>{WORDS[s]}' for s in present if s in SHADES
    )
    parts = [f"<h1>{html.escape(title)}</h1><p>{html.escape(_sentence(spec, episode))}{keys}</p>"]
    for name, charts in sections:
        parts.append(f'<h2>{html.escape(name)}</h2><div class="grid">{"".join(charts)}</div>')
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang='en'><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def _sentence(spec: EnvSpec, episode: EpisodeSteps) -> str:
    flags = int(np.bitwise_or.reduce(episode.steps["flags"])) if len(episode.steps) else 0
    how = [
        str(f.name).lower()
        for f in (Flag.SUCCESS, Flag.TERMINATED, Flag.TRUNCATED, Flag.ABORTED)
        if flags & f
    ]
    seconds = len(episode.steps) / spec.control_hz
    counts = ", ".join(f"{int((episode.steps['source'] == s).sum())} by {word}" for s, word in WORDS.items())
    return (
        f"Task {spec.task}, episode {episode.number} of {episode.stream.actor}/{episode.stream.run}: "
        f"{len(episode.steps)} steps ({counts}), {seconds:.1f} s; {', '.join(how) or 'unfinished'}."
    )


def _actions(spec: EnvSpec, episode: EpisodeSteps, spans: list[Span]) -> Iterator[str]:
    start = 0
    for entry in spec.action:
        part = slice(start, start + entry.size)
        start += entry.size
        done, wanted = episode.steps["action"][:, part], episode.steps["policy_action"][:, part]
        yield _chart(entry, done, spans, None if np.array_equal(done, wanted) else wanted)


def _entries(entries: tuple[Entry, ...], values: np.ndarray, spans: list[Span]) -> Iterator[str]:
    start = 0
    for entry in entries:
        yield _chart(entry, values[:, start : start + entry.size], spans)
        start += entry.size


def _chart(entry: Entry, values: np.ndarray, spans: list[Span], dashed: np.ndarray | None = None) -> str:
    """The numbers [n, size] of an entry over the steps, and others in the same colours, dashed."""
    x = np.arange(len(values), dtype=float)
    axes = {1: [""], 3: ["x", "y", "z"]}.get(entry.size) or [str(i) for i in range(entry.size)]
    series = [Series(axis, x, y) for axis, y in zip(axes, values.T, strict=True)]
    if dashed is not None:
        series += [Series("", x, y, dashed=True, color=i) for i, y in enumerate(dashed.T)]
    title = f"{entry.name} [{entry.unit}]" if entry.unit else entry.name
    return _shaded(chart.line_chart(title, series, x_label="step"), spans, len(x))


def _shaded(svg: str, spans: list[Span], steps: int) -> str:
    """The chart with a band behind what a person or a script chose."""
    width = chart.WIDTH_PX - chart.LEFT_PX - chart.RIGHT_PX
    height = chart.HEIGHT_PX - chart.TOP_PX - chart.BOTTOM_PX
    last = max(steps - 1, 1)
    bands = ""
    for span in spans:
        if span.source not in SHADES:
            continue
        begin, end = max(span.first - 0.5, 0.0) / last, min(span.last + 0.5, last) / last
        bands += (
            f'<rect x="{chart.LEFT_PX + begin * width:.1f}" y="{chart.TOP_PX}" '
            f'width="{(end - begin) * width:.1f}" height="{height}" fill="{SHADES[span.source]}" '
            'fill-opacity="0.13"/>'
        )
    return re.sub(r"(<svg[^>]*>)", lambda m: m.group(1) + bands, svg, count=1)


def _spans(sources: np.ndarray) -> Iterator[Span]:
    edges = [0, *(np.flatnonzero(np.diff(sources)) + 1).tolist(), len(sources)]
    for first, after in zip(edges, edges[1:], strict=False):
        if after > first:
            yield Span(Source(int(sources[first])), first, after - 1)
