"""Line charts as inline SVG: small, sharp, and readable on a light and on a dark page."""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

WIDTH_PX, HEIGHT_PX = 520, 230
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 52, 14, 34, 38
MOST_POINTS = 300
COLORS = ("#2f81f7", "#e8833a", "#2da44e", "#a371f7", "#d1447a")
TICKS = 5


class Series(NamedTuple):
    """One line: x [n] ascending and y [n]; points that are not finite are left out.

    `color` is that of the line of this number; its own where it is None. The legend leaves out the nameless.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    dashed: bool = False
    color: int | None = None


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_range: tuple[float, float] | None = None,
    percent: bool = False,
) -> str:
    """An SVG element.

    Args:
        title: above the plot.
        series: the lines; a legend is drawn when there are several.
        x_label: quantity and unit of x.
        y_range: fixed limits, else the data's.
        percent: y is a share in [0, 1] to be written in percent.
    """
    lines = [s._replace(x=x, y=y) for s in series for x, y in [thin(s.x, s.y)] if len(x)]
    if not lines:
        return _svg(title, [_text(WIDTH_PX / 2, HEIGHT_PX / 2, "no data", anchor="middle", faint=True)])
    x_low, x_high = _limits([[0.0], *(s.x for s in lines)])
    y_low, y_high = y_range or _limits([s.y for s in lines], margin=0.06)
    box = _Box(x_low, x_high, y_low, y_high)
    parts = _grid(box, x_label, percent)
    for i, line in enumerate(lines):
        points = " ".join(
            f"{box.x(x):.1f},{box.y(min(max(y, y_low), y_high)):.1f}"
            for x, y in zip(line.x, line.y, strict=True)
        )
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        color = COLORS[(i if line.color is None else line.color) % len(COLORS)]
        name = html.escape(line.name)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8"'
            f' stroke-linejoin="round" stroke-linecap="round"{dash}><title>{name}</title></polyline>'
        )
    return _svg(title, parts + (_legend([s.name for s in lines if s.name]) if len(lines) > 1 else []))


def thin(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves out what is not finite and averages neighbours until at most `MOST_POINTS` are left."""
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    good = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[good], ys[good]
    if len(xs) <= MOST_POINTS:
        return xs, ys
    starts = np.linspace(0, len(xs), MOST_POINTS, endpoint=False).astype(int)
    counts = np.diff([*starts, len(xs)])
    return np.add.reduceat(xs, starts) / counts, np.add.reduceat(ys, starts) / counts


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) within [low, high], about `count` of them."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


class _Box(NamedTuple):
    """Data limits, and where they are on the picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return LEFT_PX + share * (WIDTH_PX - LEFT_PX - RIGHT_PX)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT_PX - BOTTOM_PX - share * (HEIGHT_PX - TOP_PX - BOTTOM_PX)


def _limits(arrays: Sequence[Sequence[float] | np.ndarray], margin: float = 0.0) -> tuple[float, float]:
    """Smallest and largest value, never equal."""
    low, high = min(float(np.min(a)) for a in arrays), max(float(np.max(a)) for a in arrays)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    extra = margin * (high - low)
    return low - extra, high + extra


def _grid(box: _Box, x_label: str, percent: bool) -> list[str]:
    parts = []
    for value in ticks(box.y_low, box.y_high):
        y = box.y(value)
        parts.append(_line(LEFT_PX, y, WIDTH_PX - RIGHT_PX, y, opacity=0.13))
        parts.append(
            _text(
                LEFT_PX - 7,
                y + 3.5,
                f"{100 * value:g} %" if percent else number(value),
                anchor="end",
                faint=True,
            )
        )
    bottom = HEIGHT_PX - BOTTOM_PX
    for value in ticks(box.x_low, box.x_high):
        parts.append(_line(box.x(value), bottom, box.x(value), bottom + 4, opacity=0.4))
        parts.append(_text(box.x(value), bottom + 15, number(value), anchor="middle", faint=True))
    parts.append(_line(LEFT_PX, bottom, WIDTH_PX - RIGHT_PX, bottom, opacity=0.4))
    parts.append(
        _text((LEFT_PX + WIDTH_PX - RIGHT_PX) / 2, HEIGHT_PX - 6, x_label, anchor="middle", faint=True)
    )
    return parts


def _legend(names: Sequence[str]) -> list[str]:
    """Names right of the title, each behind its colour."""
    parts, right = [], float(WIDTH_PX - RIGHT_PX)
    for i, name in reversed(list(enumerate(names))):
        parts.append(_text(right, 18, name, anchor="end", faint=True))
        right -= 6.2 * len(name) + 6
        parts.append(f'<circle cx="{right:.1f}" cy="14" r="4" fill="{COLORS[i % len(COLORS)]}"/>')
        right -= 16
    return parts


def number(value: float) -> str:
    """A tick's text: thousands as k, millions as M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _line(x1: float, y1: float, x2: float, y2: float, *, opacity: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" '
        f'stroke-opacity="{opacity}"/>'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", faint: bool = False, bold: bool = False
) -> str:
    look = (' fill-opacity="0.65"' if faint else "") + (' font-weight="600" font-size="13"' if bold else "")
    where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {where} fill="currentColor"{look}>{html.escape(text)}</text>'


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" role="img" aria-label="{html.escape(title)}" '
        f'font-family="inherit" font-size="11">{_text(8, 18, title, bold=True)}{"".join(parts)}</svg>'
    )
