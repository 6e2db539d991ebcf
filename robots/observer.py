"""The newest value of every source, and whether it may be acted on. Pure: time is an argument.

A source is one topic. Its values are ordered by when they were measured: the header's stamp brought to the
local steady clock (`stamps`), less the latency that the source declares. A value that is too old (`limit_s`),
that has said the same for too long although values keep coming (`frozen_s`: a hung driver repeats its last
frame), or that makes no sense (`check`) is a SensorError, which lasts exactly as long as the fault does.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sandlot.robots.errors import SensorError
from sandlot.robots.stamps import is_fresh

HISTORY = 8
"""Values kept of each source, to find those of one instant."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is known of a topic beforehand.

    Attributes:
        topic: its name.
        limit_s: a value measured longer ago than this is not acted on.
        latency_s: how much earlier than its stamp a value was measured: the sensor's declared delay.
        frozen_s: the content must not stay the same for longer; 0 when it may for ever.
        check: why a value cannot be used, "" when it can.
    """

    topic: str
    limit_s: float
    latency_s: float = 0.0
    frozen_s: float = 0.0
    check: Callable[[Any], str] | None = None


class Sample(NamedTuple):
    """One value: `stamp_ns` as in its header, `measured_s` on the steady clock."""

    value: Any
    stamp_ns: int
    measured_s: float


@dataclass
class _Track:
    """What has arrived from one source; `changed_s` is when `content` last was a new one."""

    source: Source
    samples: tuple[Sample, ...] = ()
    content: Any = None
    changed_s: float = 0.0


class Observer:
    """One thread gives values to `offer`, another takes an observation's with `take`.

    Args:
        sources: what an observation is made of.
        together: topics that one node publishes with equal stamps: `take` returns those of one instant, and
            of the other topics, where there is one, the value of the same instant.
    """

    def __init__(self, sources: Iterable[Source], together: Sequence[str] = ()) -> None:
        self._tracks = {s.topic: _Track(s) for s in sources}
        self._together = tuple(together)

    def offer(
        self, topic: str, value: Any, stamp_ns: int, stamp_s: float, now_s: float, *, content: Any = None
    ) -> None:
        """Notes a value.

        Args:
            topic: where it came from.
            value: what came; it is not copied and must not change any more.
            stamp_ns: its header's stamp.
            stamp_s: that stamp on the steady clock.
            now_s: when it arrived, steady clock.
            content: what it says, without stamps; only needed where `frozen_s` is set.
        """
        track = self._tracks[topic]
        measured_s = stamp_s - track.source.latency_s
        if track.samples and measured_s <= track.samples[-1].measured_s:
            return  # a newer one overtook it
        if track.source.frozen_s and (not track.samples or content != track.content):
            track.content, track.changed_s = content, now_s
        # A new tuple: whoever reads in another thread holds one that does not change.
        track.samples = (*track.samples, Sample(value, stamp_ns, measured_s))[-HISTORY:]

    def watches_content(self, topic: str) -> bool:
        """Whether `offer` needs to know what this topic's values say."""
        return self._tracks[topic].source.frozen_s > 0

    def take(self, now_s: float) -> dict[str, Sample]:
        """The newest usable sample of every source; SensorError when one of them has none."""
        recent = {topic: track.samples for topic, track in self._tracks.items()}
        for topic, samples in recent.items():
            self._check(self._tracks[topic], samples, now_s)
        taken = {topic: samples[-1] for topic, samples in recent.items()}
        instant = _newest_common([recent[topic] for topic in self._together])
        for topic, samples in recent.items():
            taken[topic] = next((s for s in reversed(samples) if s.stamp_ns == instant), taken[topic])
        return taken

    def problem(self, now_s: float) -> str:
        """Why no observation can be taken now; "" when one can."""
        try:
            self.take(now_s)
        except SensorError as error:
            return str(error)
        return ""

    @staticmethod
    def _check(track: _Track, samples: Sequence[Sample], now_s: float) -> None:
        source = track.source
        if not samples:
            raise SensorError(f"{source.topic}: nothing came yet; start the node that publishes it")
        age_s, same_s = now_s - samples[-1].measured_s, now_s - track.changed_s
        if not is_fresh(age_s, source.limit_s):
            raise SensorError(
                f"{source.topic}: the newest value is {age_s:.2f} s old, the limit is {source.limit_s:g} s; "
                "check the node that publishes it and its cable"
            )
        if source.frozen_s and same_s > source.frozen_s:
            raise SensorError(
                f"{source.topic}: values keep coming but have said the same for {same_s:.2f} s, the limit is "
                f"{source.frozen_s:g} s; restart the driver behind it"
            )
        fault = source.check(samples[-1].value) if source.check else ""
        if fault:
            raise SensorError(f"{source.topic}: {fault}")


class Ages:
    """How old observations were when the action decided on them went out."""

    def __init__(self, history: int = 2000) -> None:
        self._ages_s: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=history))

    def note(self, samples: Mapping[str, Sample], now_s: float) -> None:
        """An action decided on these samples goes out now."""
        for topic, sample in samples.items():
            self._ages_s[topic].append(now_s - sample.measured_s)

    def figures(self) -> dict[str, float]:
        """p50 and p99 of each observation's oldest source, and p99 of every source, ms."""
        if not self._ages_s:
            return {}
        oldest = np.max([list(ages) for ages in self._ages_s.values()], axis=0)
        p50, p99 = np.percentile(oldest, (50, 99)) * 1e3
        each = {f"obs_age_p99_ms.{t}": 1e3 * float(np.percentile(a, 99)) for t, a in self._ages_s.items()}
        return {"obs_age_p50_ms": float(p50), "obs_age_p99_ms": float(p99), **each}


def _newest_common(tracks: Sequence[Sequence[Sample]]) -> int | None:
    """The stamp of the newest instant that all have a sample of; None when there is none."""
    if not tracks:
        return None
    common = set.intersection(*({s.stamp_ns for s in samples} for samples in tracks))
    return next((s.stamp_ns for s in reversed(tracks[0]) if s.stamp_ns in common), None)
