"""Faults that other peers cause: malformed, oversized and repeated messages, wrong keys."""

import random
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zmq

from bench.transport_rig import LAYOUT, QUICK, SPEC, batch, damage, raw_peer, resident_mb, row, wait
from sandlot.learners import wire
from sandlot.learners.schema import EnvSpec, Flag, Stream
from sandlot.learners.store import RunStore
from sandlot.learners.transport import StepClient, StepServer, make_keys
from sandlot.learners.transport.keys import secure_actor
from sandlot.learners.transport.memory import MemoryStore
from sandlot.learners.transport.policy import PolicyInbox

Row = dict[str, Any]
LOOPBACK = "tcp://127.0.0.1:0"
STREAM = Stream("a", "r")


def say(peer: "zmq.Socket[bytes]", message: wire.Message, *payloads: wire.Buffer) -> None:
    """Sends one message."""
    peer.send_multipart(wire.encode(message, *payloads))


def hear(peer: "zmq.Socket[bytes]") -> wire.AnyMessage:
    """The next message that is not a plain heartbeat answer."""
    while True:
        message, _ = wire.decode(peer.recv_multipart())
        if not isinstance(message, wire.Ack) or message.cursors:
            return message


def say_steps(peer: "zmq.Socket[bytes]", made: wire.Batch, session: int = 1) -> None:
    """Sends a batch as a client would, unchecked."""
    peer.send_multipart(wire.encode_steps(session, made))


def hello(config: dict[str, str] | None = None, spec: EnvSpec = SPEC, session: int = 1) -> wire.Hello:
    """Actor `a` in its run `r`."""
    return wire.Hello(session, "a", "r", spec, config or {}, ())


# ---- 8: well-formed frames whose content breaks the schema -----------------------------------------------


def _set(name: str, values: Callable[[random.Random], Any]) -> Callable[[wire.Batch, random.Random], None]:
    def spoil(made: wire.Batch, rng: random.Random) -> None:
        made.steps[name][rng.randrange(len(made.steps))] = values(rng)

    return spoil


def _spoil_finals(made: wire.Batch, rng: random.Random) -> None:
    made.finals["step"] += rng.randint(1, 5)


def _spoil_final_state(made: wire.Batch, rng: random.Random) -> None:
    made.finals["state"][0, rng.randrange(5)] = rng.choice((np.nan, np.inf))


def _not_finite(rng: random.Random) -> float:
    return rng.choice((float("nan"), float("inf"), float("-inf")))


def _beyond_one(rng: random.Random) -> float:
    return rng.choice((1.5, -2.0, 1e20, float("nan")))


SPOILERS: dict[str, Callable[[wire.Batch, random.Random], None]] = {
    "step": _set("step", lambda rng: rng.randint(50, 2**40)),
    "source": _set("source", lambda rng: rng.randint(3, 255)),
    "flags": _set("flags", lambda rng: rng.choice((int(Flag.TERMINATED), 3 + int(Flag.END), 64, 128))),
    "reward": _set("reward", _not_finite),
    "discount": _set("discount", lambda rng: rng.choice((-0.1, 1.1, float("nan")))),
    "action": _set("action", _beyond_one),
    "policy_action": _set("policy_action", _beyond_one),
    "state": _set("state", _not_finite),
    "finals": _spoil_finals,
    "finals.state": _spoil_final_state,
}
HEADERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "surprise": lambda h: h.update(surprise=1),
    "count": lambda h: h.update(count="ten"),
    "finals": lambda h: h.update(finals=-1),
    "first_step": lambda h: h.update(first_step=7),
    "stream": lambda h: h["stream"].update(env="zero"),
    "stream.actor": lambda h: h["stream"].update(actor="other"),
    "session": lambda h: h.pop("session"),
}


def fault_8(injections: int = 200, seed: int = 0) -> Row:
    """Messages that are whole but break the schema, a field at a time: refused naming it, none stored."""
    rng = random.Random(seed)  # noqa: S311
    names = [*SPOILERS, *(f"header {name}" for name in HEADERS)]
    violations, refused_ms = 0, list[float]()
    with tempfile.TemporaryDirectory() as folder, RunStore.open(folder, SPEC) as store:
        with StepServer(store, LOOPBACK, options=QUICK) as server, raw_peer(server.address) as peer:
            for i in range(injections):
                name = names[i % len(names)]
                say(peer, hello(session=i + 1))
                violations += not isinstance(hear(peer), wire.Welcome)
                begin_s = time.perf_counter()
                _say_spoiled(peer, name, rng, i + 1)
                answer = hear(peer)
                refused_ms.append((time.perf_counter() - begin_s) * 1e3)
                field = name.removeprefix("header ").split(".")[-1]
                violations += not (isinstance(answer, wire.Refused) and field in answer.text)
            violations += store.last_seq + server.status()["steps"]
    return row("8 malformed message", injections, int(violations), refused_ms, "ms to refuse")


def _say_spoiled(peer: "zmq.Socket[bytes]", name: str, rng: random.Random, session: int) -> None:
    made = batch(0, 30, STREAM)
    if name in SPOILERS:
        SPOILERS[name](made, rng)
        say_steps(peer, made, session)
        return
    header = msgspec.to_builtins(wire.Steps(session, STREAM, 0, 30, 1, made.checksum()))
    HEADERS[name.removeprefix("header ")](header)
    payloads = wire.raw(made.steps), wire.raw(made.finals)
    peer.send_multipart(wire.encode_raw(msgspec.msgpack.encode(header), *payloads))


# ---- 9: oversized claims ---------------------------------------------------------------------------------


def fault_9(injections: int = 100, seed: int = 0) -> Row:
    """Claims of up to 10 GB: in the frame length, in the header, in msgpack lengths. No memory is taken."""
    rng = random.Random(seed)  # noqa: S311
    violations, grown_mb = 0, list[float]()
    with StepServer(MemoryStore(SPEC), LOOPBACK, options=QUICK) as server, raw_peer(server.address) as peer:
        for i in range(injections):
            before = resident_mb()
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
            kind = ("frame", "header", "msgpack")[i % 3]
            if kind == "frame":
                _claim_frame(server.address, rng.randint(1, 10) * 10**9)
            else:
                say(peer, hello(session=i + 1))
                violations += not isinstance(hear(peer), wire.Welcome)
                if kind == "header":
                    claim = rng.randint(10**9, wire.MAX_STEP)
                    say(peer, wire.Steps(i + 1, STREAM, 0, claim, 0, 0), b"\0" * LAYOUT.step.itemsize)
                else:
                    bomb = b"\x82\xa4type\xa3Ack\xa7cursors\xdd" + struct.pack(
                        ">I", rng.randint(10**8, 2**32 - 1)
                    )
                    peer.send_multipart(wire.encode_raw(bomb))
                violations += not isinstance(hear(peer), wire.Refused)
            grown_mb.append(resident_mb("VmHWM") - before)
        say(peer, hello(session=injections + 1))
        violations += not isinstance(hear(peer), wire.Welcome)  # the others are served as before
    violations += sum(grown > 5.0 for grown in grown_mb)
    return row("9 oversized claim", injections, int(violations), grown_mb, "MB grown")


def _claim_frame(address: str, size: int) -> None:
    """Speaks ZMTP 3.1 by hand up to a frame of `size` bytes, of which a kilobyte is sent."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    greeting = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
    ready = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    with socket.create_connection((host, int(port)), timeout=5) as raw:
        raw.sendall(greeting + b"\x04" + bytes([len(ready)]) + ready)
        raw.sendall(b"\x02" + struct.pack(">Q", size) + bytes(1000))
        while raw.recv(4096):  # until the learner closes the connection
            pass


# ---- 10: keys --------------------------------------------------------------------------------------------


def fault_10(injections: int = 100, seed: int = 0) -> Row:
    """Unknown, missing, wrong and revoked keys: no byte reaches the decoder; the right key still works."""
    del seed  # every kind in turn
    violations, silent_ms = 0, list[float]()
    with tempfile.TemporaryDirectory() as name:
        folder, stranger = Path(name) / "keys", Path(name) / "stranger"
        make_keys(folder, ("a", "gone"))
        make_keys(stranger, ("a",))
        (folder / "actors" / "gone.public").unlink()
        mixed = Path(name) / "mixed"
        shutil.copytree(stranger, mixed)
        shutil.copy(folder / "learner.public", mixed / "learner.public")
        wrong_server = Path(name) / "wrong_server"
        shutil.copytree(folder, wrong_server)
        shutil.copy(stranger / "learner.public", wrong_server / "learner.public")
        kinds = ((None, ""), (mixed, "a"), (wrong_server, "a"), (folder, "gone"))
        with StepServer(MemoryStore(SPEC), LOOPBACK, keys=folder, options=QUICK) as server:
            for i in range(injections):
                begin_s = time.perf_counter()
                _knock(server.address, *kinds[i % len(kinds)])
                silent_ms.append((time.perf_counter() - begin_s) * 1e3)
            violations += server.status()["messages"] + server.status()["frame_errors"]
            with StepClient(SPEC, "a", server.address, spool=None, keys=folder, options=QUICK) as client:
                client.wait_ready()
    return row(
        "10 wrong, unknown, no or revoked key", injections, int(violations), silent_ms, "ms refused for"
    )


def _knock(address: str, keys: Path | None, name: str) -> None:
    """Tries to say hello for a fifth of a second."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.linger = 0
        if keys:
            secure_actor(peer, keys, name)
        peer.connect(address)
        say(peer, hello())
        peer.poll(200)


# ---- 11: repeated messages -------------------------------------------------------------------------------


def fault_11(injections: int = 1000, seed: int = 0) -> Row:
    """A recorded session played again and again, in any order: nothing is stored twice."""
    rng = random.Random(seed)  # noqa: S311
    violations, answered_ms, total = 0, list[float](), 200
    with tempfile.TemporaryDirectory() as folder, RunStore.open(folder, SPEC) as store:
        with StepServer(store, LOOPBACK, options=QUICK) as server:
            made = [batch(i, 10, STREAM) for i in range(0, total, 10)]
            for i in range(0, injections, len(made)):
                with raw_peer(server.address) as peer:
                    begin_s = time.perf_counter()
                    say(peer, hello(session=i + 1))
                    violations += not isinstance(hear(peer), wire.Welcome)
                    for one in made if i == 0 else rng.sample(made, len(made)):
                        say_steps(peer, one, i + 1)
                    say(peer, wire.Status(i + 1))
                    wire.decode(peer.recv_multipart())
                    answered_ms.append((time.perf_counter() - begin_s) * 1e3)
            wait(lambda: store.last_seq == total)
        violations += damage(Path(folder), {STREAM: total})
    return row("11 replayed steps", injections, int(violations), answered_ms, "ms to answer")


def fault_11_weights(injections: int = 1000, seed: int = 0) -> Row:
    """Weights in any order, of other runs and of learners that are gone: the version never decreases."""
    rng = random.Random(seed)  # noqa: S311
    inbox = PolicyInbox("arch", None)
    violations, newest, times_us = 0, (0, -1), list[float]()
    for i in range(injections):
        key = rng.choice((0, 1, 2, 2, 2, 3)), max(0, i + rng.randint(-50, 5))
        run, payload = rng.choice(("run", "run", "other")), rng.randbytes(64)
        proof = wire.digest(payload) if rng.random() < 0.9 else "0" * 64
        message = wire.Weights(1, run, *key, 0, "arch", proof)
        begin_s = time.perf_counter()
        inbox.offer(message, [payload], "run", 2)
        times_us.append((time.perf_counter() - begin_s) * 1e6)
        if run == "run" and key[0] <= 2 and key > newest and proof != "0" * 64:
            newest = key
        have = inbox.policy[:2] if inbox.policy else (0, -1)
        violations += have != newest
    return row("11 old weights", injections, violations, times_us, "us to decide")
