"""Faults of who talks to whom: a second actor or learner, and ends that do not agree."""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import msgspec

from bench.faults_peers import LOOPBACK, Row, hear, hello
from bench.transport_rig import QUICK, SPEC, batch, damage, raw_peer, row
from sandlot.learners import wire
from sandlot.learners.errors import BusyError, RefusedError
from sandlot.learners.schema import Entry, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.transport import StepClient, StepServer
from sandlot.learners.transport.memory import MemoryStore


def fault_22(injections: int = 100, seed: int = 0) -> Row:
    """A second actor of the same name, here or on another machine; a second learner of a run or a port."""
    del seed  # every kind in turn
    violations, refused_ms, sent = 0, list[float](), 0
    with tempfile.TemporaryDirectory() as folder, RunStore.open(f"{folder}/run", SPEC) as store:
        with StepServer(store, LOOPBACK) as server:
            with StepClient(SPEC, "a", server.address, spool=f"{folder}/spool") as client:
                client.wait_ready()
                hellos = client.status()["hellos"]
                seconds: list[tuple[type[Exception], Callable[[], Any]]] = [
                    (BusyError, lambda: StepClient(SPEC, "a", server.address, spool=f"{folder}/spool")),
                    (BusyError, lambda: RunStore.open(f"{folder}/run", SPEC)),
                    (BusyError, lambda: StepServer(MemoryStore(SPEC), server.address)),
                    (RefusedError, lambda: _second_actor(server.address, f"{folder}/elsewhere")),
                ]
                for i in range(injections):
                    error, start = seconds[i % len(seconds)]
                    begin_s = time.perf_counter()
                    try:
                        start()
                        violations += 1
                    except error:
                        pass
                    refused_ms.append((time.perf_counter() - begin_s) * 1e3)
                    made = batch(sent, 5)
                    client.send(made.steps, made.finals)
                    sent += 5
                violations += not client.flush() or client.status()["hellos"] != hellos
                stream = Stream("a", client.run)
        violations += damage(store.folder, {stream: sent}) + sum(ms > 2000 for ms in refused_ms)
    return row("22 second actor or learner", injections, int(violations), refused_ms, "ms to refuse")


def _second_actor(address: str, spool: str) -> None:
    with StepClient(SPEC, "a", address, spool=spool) as second:
        second.wait_ready()


DIFFERENCES: dict[str, dict[str, Any]] = {
    "task": {"task": "other"},
    "state": {"state": (Entry("q", 6),)},
    "images": {"images": {"cam": (16, 16, 1)}},
    "action": {"action": (Entry("u", 2, high=0.5),)},
    "control_hz": {"control_hz": 20.0},
    "max_episode_steps": {"max_episode_steps": 21},
}


def fault_23(injections: int = 100, seed: int = 0) -> Row:
    """One field of spec, config or protocol differs: refused at hello, the field named."""
    del seed  # every kind in turn
    violations, refused_ms = 0, list[float]()
    with StepServer(MemoryStore(SPEC), LOOPBACK, config={"n_step": "1"}, options=QUICK) as server:
        for i in range(injections):
            name = [*DIFFERENCES, "config.n_step", "config.extra", "protocol"][i % (len(DIFFERENCES) + 3)]
            spec = msgspec.structs.replace(SPEC, **DIFFERENCES.get(name, {}))
            config = {"n_step": "3" if name == "config.n_step" else "1"}
            if name == "config.extra":
                config["extra"] = "x"
            frames = wire.encode(hello(config, spec))
            if name == "protocol":
                magic, protocol, crc = wire.PREAMBLE.unpack_from(frames[0])
                changed = wire.PREAMBLE.pack(magic, protocol + 1, crc)
                frames[0] = changed + bytes(frames[0])[wire.PREAMBLE.size :]
            with raw_peer(server.address) as peer:
                begin_s = time.perf_counter()
                peer.send_multipart(frames)
                answer = hear(peer)
                refused_ms.append((time.perf_counter() - begin_s) * 1e3)
            violations += not (isinstance(answer, wire.Refused) and name in answer.text)
    return row("23 actor and learner differ", injections, violations, refused_ms, "ms to refuse")
