"""Words, numbers and colours of what a person sees while a run learns."""

from typing import Any

Status = dict[str, Any]

UNKNOWN = "–"
GOOD, FAIR, BAD, LABEL = "green3", "gold3", "red3", "grey58"


def clock(seconds: float | None) -> str:
    """Minutes and seconds, hours when there are some."""
    if seconds is None:
        return UNKNOWN
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def count(value: float | None) -> str:
    """A whole number."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many digits after the point."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """A share, in percent."""
    return UNKNOWN if share is None else f"{100 * share:.0f} %"


def number(value: float | None) -> str:
    """Three significant digits, without an exponent for what is not huge."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
