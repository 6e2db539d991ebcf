"""What a running graph does, in numbers: rates and ages of topics, the gate's mode and stops. No ROS."""

import dataclasses
import math
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

AGES = 20_000
"""Ages kept a topic: the last ones count."""
SILENT_S = 2.0


@dataclasses.dataclass
class TopicStats:
    """One topic as heard: how often, and how old its messages are when they arrive."""

    type: str
    count: int = 0
    first_s: float = math.nan
    last_s: float = math.nan
    ages_s: deque[float] = dataclasses.field(default_factory=lambda: deque(maxlen=AGES))

    def add(self, now_s: float, age_s: float | None) -> None:
        """A message arrived; `age_s` by its header, None when it has none."""
        self.first_s = now_s if self.count == 0 else self.first_s
        self.count, self.last_s = self.count + 1, now_s
        if age_s is not None:
            self.ages_s.append(age_s)

    def summary(self, now_s: float) -> dict[str, Any]:
        """Messages, rate over the time since the first one, ages in ms, and how long it has been silent."""
        span_s = self.last_s - self.first_s
        figures: dict[str, Any] = {
            "type": self.type,
            "count": self.count,
            "hz": round((self.count - 1) / span_s, 2) if self.count > 1 and span_s > 0 else None,
            "silent_s": round(now_s - self.last_s, 3) if self.count else None,
        }
        if self.ages_s:
            p50, p99 = np.percentile(np.array(self.ages_s), (50, 99)) * 1e3
            figures |= {"age_p50_ms": round(float(p50), 2), "age_p99_ms": round(float(p99), 2)}
        return figures


@dataclasses.dataclass
class GateLog:
    """What the gate said of itself, over all its lives."""

    mode: str = "silent"
    cause: str = ""
    values: dict[str, str] = dataclasses.field(default_factory=dict)
    stops: Counter[str] = dataclasses.field(default_factory=Counter)
    heard_s: float = -math.inf
    _past: Counter[str] = dataclasses.field(default_factory=Counter)

    def hear(self, values: Mapping[str, str], now_s: float) -> None:
        """Its newest state, as named values."""
        mode, cause = values.get("mode", ""), values.get("cause", "")
        old, now = counts(self.values), counts(values)
        if now["accepted"] < old["accepted"] or now["stops"] < old["stops"]:
            self._past += old  # it was started again and counts from 0
        changed = (mode, cause) != (self.mode, self.cause) or now["stops"] > old["stops"]
        if mode == "STOPPED" and changed:
            self.stops[cause] += 1
        self.mode, self.cause, self.values, self.heard_s = mode, cause, dict(values), now_s

    def totals(self) -> dict[str, int]:
        """Its counters, over all its lives."""
        return dict(sorted((self._past + counts(self.values)).items()))

    def state(self, now_s: float) -> str:
        """Its mode, or that it is silent."""
        return self.mode if now_s - self.heard_s < SILENT_S else "silent"


class Diagnosis(NamedTuple):
    """What a node last said of itself on /diagnostics."""

    text: str = ""
    values: Mapping[str, str] = {}

    def holds(self) -> dict[str, int]:
        """How often a driver held, by cause."""
        return {n.removeprefix("hold_"): c for n, c in counts(self.values).items() if n.startswith("hold_")}

    def ages_ms(self) -> dict[str, float]:
        """How old actions were when the device was commanded, `device_age_p50_ms` and `device_age_p99_ms`."""
        found = {name: self.values.get(f"command_{name}", "") for name in ("age_p50_ms", "age_p99_ms")}
        return {f"device_{name}": float(text) for name, text in found.items() if _is_number(text)}


def counts(values: Mapping[str, str]) -> Counter[str]:
    """The whole numbers among a gate's values."""
    return Counter({name: int(text) for name, text in values.items() if text.isdigit()})


def commands(gate: GateLog, sent: int) -> dict[str, Any]:
    """What became of the commands of an actor at the gate.

    Args:
        gate: what it said.
        sent: how many were heard on their topic; the gate may have heard more, before we listened.
    """
    totals = gate.totals()
    rejected = {
        name.removeprefix("rejected_"): n for name, n in totals.items() if name.startswith("rejected_") and n
    }
    ages = {
        name: float(text) for name, text in gate.values.items() if name.endswith("_ms") and _is_number(text)
    }
    accepted = totals.get("accepted", 0) + totals.get("clamped", 0)
    return {
        "sent": max(sent, accepted + sum(rejected.values())),
        "accepted": accepted,
        "clamped": totals.get("clamped", 0),
        "rejected": rejected,
        **ages,
    }


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
