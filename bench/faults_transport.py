"""Faults of the network, injected into real sockets; and, from its neighbours, of peers and disks.

Every `fault_N` injects so many faults drawn from `seed` and counts broken promises; `make faults` runs all.
"""

import contextlib
import functools
import random
import tempfile
import time
import zlib
from typing import Any

import msgspec

from bench.faults_disk import fault_13, fault_13_spool
from bench.faults_partition import fault_5_minute, fault_5_second, fault_5_ten_minutes
from bench.faults_peers import fault_8, fault_9, fault_10, fault_11, fault_11_weights
from bench.faults_sessions import fault_22, fault_23
from bench.transport_rig import (
    LAYOUT,
    QUICK,
    SPEC,
    MessageProxy,
    TcpProxy,
    acked_s,
    batch,
    damage,
    raw_peer,
    resident_mb,
    row,
)
from sandlot.learners import wire
from sandlot.learners.errors import FrameError, RecordError
from sandlot.learners.schema import Stream
from sandlot.learners.store import RunStore
from sandlot.learners.transport import StepClient, StepServer

__all__ = [
    "fault_5",
    "fault_5_minute",
    "fault_5_second",
    "fault_5_ten_minutes",
    "fault_6",
    "fault_7",
    "fault_7_socket",
    "fault_8",
    "fault_9",
    "fault_10",
    "fault_11",
    "fault_11_weights",
    "fault_13",
    "fault_13_spool",
    "fault_22",
    "fault_23",
]
Row = dict[str, Any]
_RECOVERY_S = 10.0
_LOOPBACK = "tcp://127.0.0.1:0"


def _send(client: StepClient, first: int, count: int) -> int:
    made = batch(first, count)
    client.send(made.steps, made.finals)
    return first + count


def fault_5(injections: int = 100, seed: int = 0) -> Row:
    """Partitions while steps are sent: the network stops both ways, one way, or connections are cut."""
    rng = random.Random(seed)  # noqa: S311
    violations, healed_ms, sent = 0, list[float](), 0
    with tempfile.TemporaryDirectory() as folder, RunStore.open(f"{folder}/run", SPEC) as store:
        with StepServer(store, _LOOPBACK, options=QUICK) as server:
            proxy = TcpProxy(server.address)
            with StepClient(SPEC, "a", proxy.address, spool=f"{folder}/spool", options=QUICK) as client:
                client.wait_ready()
                for _ in range(injections):
                    kind = rng.choice(("both", "up", "down", "cut"))
                    if kind == "cut":
                        proxy.cut()
                    else:
                        proxy.stall(up=kind != "down", down=kind != "up")
                    end_s = time.monotonic() + rng.uniform(0.02, 0.6)
                    while time.monotonic() < end_s:
                        sent = _send(client, sent, rng.randint(1, 9))
                        time.sleep(0.01)
                    proxy.stall()
                    took_s = acked_s(client, sent, _RECOVERY_S)
                    violations += took_s > _RECOVERY_S
                    healed_ms.append(took_s * 1e3)
                stream = Stream("a", client.run)
            proxy.close()
        violations += damage(store.folder, {stream: sent})
    return row("5 partition, one-way or cut", injections, violations, healed_ms, "ms to catch up")


def fault_6(injections: int = 1000, seed: int = 0) -> Row:
    """Messages lost, doubled, delayed and reordered, each with a chance of 1 to 30 %."""
    rng = random.Random(seed)  # noqa: S311
    violations, caught_up_ms, done = 0, list[float](), 0
    while done < injections or len(caught_up_ms) < injections // 100:
        with tempfile.TemporaryDirectory() as folder, RunStore.open(f"{folder}/run", SPEC) as store:
            with StepServer(store, _LOOPBACK, options=QUICK) as server:
                proxy = MessageProxy(server.address, rng.uniform(0.01, 0.3) / 3, rng.randrange(2**31))
                with StepClient(SPEC, "a", proxy.address, spool=f"{folder}/spool", options=QUICK) as client:
                    sent, end_s = 0, time.monotonic() + 0.5
                    while time.monotonic() < end_s:
                        sent = _send(client, sent, rng.randint(1, 9))
                        time.sleep(0.002)
                    took_s = acked_s(client, sent, 3 * _RECOVERY_S)
                    violations += took_s > 3 * _RECOVERY_S
                    caught_up_ms.append(took_s * 1e3)
                    stream = Stream("a", client.run)
                proxy.close()
            violations += damage(store.folder, {stream: sent})
        done += proxy.injected
    return row("6 loss, delay, reorder, duplicates", done, violations, caught_up_ms, "ms to catch up")


def fault_7(injections: int = 1_000_000, seed: int = 0) -> Row:
    """Damaged bytes: flipped, cut, exchanged, some with a checksum that fits; into the decoder."""
    rng = random.Random(seed)  # noqa: S311
    good = _messages()
    before_mb = resident_mb()
    violations, times_us = 0, list[float]()
    for i in range(injections):
        frames = _mutated(rng.choice(good), rng)
        begin_s = time.perf_counter()
        try:
            message, payloads = wire.decode(frames)
            if isinstance(message, wire.Steps):
                wire.decode_steps(message, payloads, LAYOUT, 100)
        except (FrameError, RecordError):
            pass
        except Exception:  # noqa: BLE001  counting any other is the purpose
            violations += 1
        if i % 100 == 0:
            times_us.append((time.perf_counter() - begin_s) * 1e6)
    violations += resident_mb() - before_mb > 50
    return row("7 damaged bytes, decoder", injections, violations, times_us, "us to refuse")


def fault_7_socket(injections: int = 2000, seed: int = 0) -> Row:
    """Damaged bytes from one peer, while another works undisturbed."""
    rng = random.Random(seed)  # noqa: S311
    good, sent, cut_off_ms = _messages(), 0, list[float]()
    violations = 0
    with tempfile.TemporaryDirectory() as folder, RunStore.open(f"{folder}/run", SPEC) as store:
        with StepServer(store, _LOOPBACK, options=QUICK) as server:
            with StepClient(SPEC, "a", server.address, spool=f"{folder}/spool", options=QUICK) as client:
                client.wait_ready()
                hellos = client.status()["hellos"]
                for _ in range(0, injections, 20):
                    with raw_peer(server.address) as peer:
                        for _ in range(20):
                            peer.send_multipart(_mutated(rng.choice(good[1:]), rng, fit=False))
                        begin_s = time.perf_counter()
                        answer, _ = wire.decode(peer.recv_multipart())
                        cut_off_ms.append((time.perf_counter() - begin_s) * 1e3)
                        violations += not isinstance(answer, wire.Refused)
                    sent = _send(client, sent, 3)
                violations += not client.flush() or client.status()["hellos"] != hellos
                stream = Stream("a", client.run)
        violations += damage(store.folder, {stream: sent})
    return row("7 damaged bytes, socket", injections, violations, cut_off_ms, "ms to cut off")


def _messages() -> list[list[bytes]]:
    """One whole message of every kind, hello first."""
    steps = batch(0, 30)
    stream = Stream("a", "r")
    kinds = [
        (wire.Hello(1, "a", "r", SPEC, {"n": "1"}, (stream,)),),
        (wire.Steps(1, stream, 0, 30, 1, steps.checksum()), wire.raw(steps.steps), wire.raw(steps.finals)),
        (wire.Welcome(1, "run", 1, 100, (wire.Cursor(stream, 3),)),),
        (wire.Refused(1, "spec", "no"),),
        (wire.Ack(1, (wire.Cursor(stream, 3),), {"x": 1.0}, ""),),
        (wire.WantWeights(1, 1, 2),),
        (wire.Weights(1, "run", 1, 2, 3, "arch", "0" * 64), b"\x00" * 100),
        (wire.Status(1, {"x": 1.0}),),
    ]
    return [[bytes(f) for f in wire.encode(*kind)] for kind in kinds]


def _mutated(frames: list[bytes], rng: random.Random, *, fit: bool = True) -> list[bytes]:
    """A damaged copy; with `fit`, every second one gets checksums that fit the damage."""
    copy = [bytearray(f) for f in frames]
    lot = rng.random()
    chosen = rng.choice(copy)
    if lot < 0.7:
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            chosen[rng.randrange(len(chosen))] ^= 1 << rng.randrange(8)
    elif lot < 0.8:
        del chosen[rng.randrange(len(chosen)) :]
    elif lot < 0.9:
        at = rng.randrange(len(chosen))
        chosen[at:at] = rng.randbytes(rng.randint(1, 20))
    else:
        copy[rng.randrange(len(copy))] = bytearray(rng.randbytes(rng.randint(0, 200)))
    if fit and rng.random() < 0.5 and len(copy[0]) > wire.PREAMBLE.size:
        return _fitting(bytes(copy[0][wire.PREAMBLE.size :]), [bytes(f) for f in copy[1:]])
    mutated = [bytes(f) for f in copy]
    return mutated if mutated != frames else [*mutated, b"more"]


def _fitting(header: bytes, payloads: list[bytes]) -> list[bytes]:
    """A message with the checksums that its header and, if it holds steps, its payload have now."""
    frames = wire.encode_raw(header, *payloads)
    with contextlib.suppress(FrameError):
        message, _ = wire.decode(frames)
        if isinstance(message, wire.Steps):
            crc = functools.reduce(lambda crc, payload: zlib.crc32(payload, crc), reversed(payloads), 0)
            frames = wire.encode(msgspec.structs.replace(message, crc=crc), *payloads)
    return [bytes(f) for f in frames]
