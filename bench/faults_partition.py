"""Fault 5 with the time-outs that actors and learners really use: partitions of 1 s, 60 s and 10 minutes.

Several actors, each behind a proxy of its own, send to one learner at a robot's rate; all are parted from it
at once, and all come back at once.
"""

import contextlib
import random
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from bench.transport_rig import LAYOUT, SPEC, TcpProxy, batch, damage, resident_mb, row
from sandlot.learners.errors import SpoolFullError
from sandlot.learners.schema import Stream
from sandlot.learners.store import RunStore
from sandlot.learners.transport import Options, StepClient, StepServer

Row = dict[str, Any]
KINDS = ("both", "up", "down", "cut")
"""The network stops both ways, from the actor, to the actor; connections are closed and new ones stall."""
PERIOD_S = 0.1
SMALL_SPOOL_BYTES = 1_000_000
SPEED = 5.0
"""What was not sent for so long must be sent in a fifth of the time."""
RECONNECT_S = 2.0
"""To make a connection again and to greet the learner may take this long, however short the partition was."""
LATE_S = 120.0
"""Steps that come later than they must are late; beyond this they count as lost."""
GROWN_MB = 40.0
"""May be held in memory meanwhile, of all actors: their windows, not what they spool."""


class Parted:
    """An actor that sends `count` steps every 0.1 s, and the network between it and the learner."""

    def __init__(self, server: StepServer, folder: str, number: int, count: int, options: Options) -> None:
        self.count, self.options, self.sent, self.refused = count, options, 0, 0
        self.proxy = TcpProxy(server.address)
        name = f"actor-{number}"
        spool = f"{folder}/{name}"
        self.client = StepClient(SPEC, name, self.proxy.address, spool=spool, options=options)
        self.client.wait_ready()
        self.stream = Stream(name, self.client.run)

    def part(self, kind: str) -> None:
        """Begins a partition."""
        self.proxy.stall(up=kind != "down", down=kind != "up")
        if kind == "cut":
            self.proxy.cut()

    def heal(self) -> None:
        """Ends it."""
        self.proxy.stall()

    def send(self) -> bool:
        """Hands over the next steps, or those refused before; whether the spool is within its bounds."""
        made = batch(self.sent, self.count, self.stream)
        try:
            self.client.send(made.steps, made.finals)
            self.sent += self.count
        except SpoolFullError:
            self.refused += 1
        return bool(self.client.status()["spool_bytes"] <= self.options.spool_bytes)

    def close(self) -> None:
        """Ends the client and its network."""
        self.client.close()
        self.proxy.close()


@contextlib.contextmanager
def parted(
    store: RunStore, folder: str, actors: int, count: int
) -> Iterator[tuple[StepServer, list[Parted]]]:
    """A learner and its actors; every fifth has a spool that is too small for a minute."""
    with StepServer(store, "tcp://127.0.0.1:0") as server, contextlib.ExitStack() as stack:
        made = []
        for i in range(actors):
            options = Options(spool_bytes=SMALL_SPOOL_BYTES) if i % 5 == 4 else Options()
            made.append(Parted(server, folder, i, count, options))
            stack.callback(made[-1].close)
        yield server, made


def play(actors: list[Parted], server: StepServer, seconds: float) -> int:
    """Everybody sends at its rate for a while; how often a spool was beyond its bounds."""
    began_s, periods, beyond = time.monotonic(), 0, 0
    while (now_s := time.monotonic()) < began_s + seconds:
        if now_s >= began_s + periods * PERIOD_S:
            periods += 1
            beyond += sum(not actor.send() for actor in actors)
        server.drain()
        time.sleep(PERIOD_S / 5)
    return beyond


def caught_up_s(actors: list[Parted], server: StepServer, timeout_s: float) -> list[float]:
    """Seconds from now until each had everything acknowledged; `timeout_s` for one that had not."""
    began_s, took_s = time.monotonic(), dict[str, float]()
    while len(took_s) < len(actors) and time.monotonic() < began_s + timeout_s:
        for actor in actors:
            if actor.client.acked_steps == actor.sent:
                took_s.setdefault(actor.stream.actor, time.monotonic() - began_s)
        server.drain()
        time.sleep(0.002)
    return [took_s.get(actor.stream.actor, timeout_s) for actor in actors]


def partitions(duration_s: float, injections: int, seed: int, *, actors: int = 20, count: int = 5) -> Row:
    """Parts up to `actors` actors at a time, for so long, until there were `injections` partitions."""
    rng, violations, healed_ms = random.Random(seed), 0, list[float]()  # noqa: S311
    spooled_bytes = duration_s / PERIOD_S * count * LAYOUT.step.itemsize
    bar_s = max(duration_s / SPEED, RECONNECT_S)
    with tempfile.TemporaryDirectory() as folder, RunStore.open(f"{folder}/run", SPEC) as store:
        with parted(store, folder, min(actors, injections), count) as (server, made):
            while len(healed_ms) < injections:
                play(made, server, rng.uniform(0.3, 0.6))
                before_mb, refused = resident_mb("VmRSS"), [actor.refused for actor in made]
                for actor, kind in zip(made, rng.sample(KINDS, len(KINDS)) * len(made), strict=False):
                    actor.part(kind)
                violations += play(made, server, duration_s)
                violations += resident_mb("VmRSS") - before_mb > GROWN_MB
                for actor, before in zip(made, refused, strict=True):
                    actor.heal()
                    too_much = spooled_bytes > actor.options.spool_bytes
                    violations += (actor.refused > before) != too_much  # refused aloud, and only then
                took_s = caught_up_s(made, server, bar_s + LATE_S)
                violations += sum(s > bar_s for s in took_s)
                healed_ms += [1e3 * s for s in took_s]
        violations += damage(store.folder, {actor.stream: actor.sent for actor in made})
    return row(f"5 partition of {duration_s:.0f} s", len(healed_ms), violations, healed_ms, "ms to catch up")


def fault_5_second(injections: int = 100, seed: int = 0) -> Row:
    """Partitions of 1 s, which a connection outlives; what then takes time is to make closed ones again."""
    return partitions(1.0, injections, seed)


def fault_5_minute(injections: int = 100, seed: int = 0) -> Row:
    """Partitions of 60 s; a fifth of the actors have a spool too small for them, and refuse steps aloud."""
    return partitions(60.0, injections, seed)


def fault_5_ten_minutes(injections: int = 4, seed: int = 0) -> Row:
    """One partition of 10 minutes, of each kind; 1,000 steps/s wait for its end."""
    return partitions(600.0, injections, seed, actors=4, count=25)
