"""What the transport faults are injected with: known steps, a ledger check, and two kinds of bad network."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from sandlot.learners.schema import Entry, EnvSpec, Flag, Stream
from sandlot.learners.store import RunReader
from sandlot.learners.transport import Options, StepClient
from sandlot.learners.wire import Batch, Layout

SPEC = EnvSpec(
    task="rig",
    state=(Entry("q", 5),),
    images={"cam": (16, 16, 3)},
    action=(Entry("u", 2),),
    control_hz=10.0,
    max_episode_steps=20,
)
LAYOUT = Layout.of(SPEC)
EPISODE = 20
QUICK = Options(heartbeat_s=0.05, peer_timeout_s=0.3, lease_s=0.3, alarm_s=0.1)
"""Short periods, so that many faults fit into a minute."""


def batch(first: int, count: int, stream: Stream | None = None) -> Batch:
    """Steps [count] whose every byte follows from their number; each twentieth ends its episode."""
    numbers = np.arange(first, first + count)
    steps = np.zeros(count, LAYOUT.step)
    steps["step"], steps["episode"], steps["segment"] = numbers, numbers // EPISODE, numbers // EPISODE
    steps["state"], steps["reward"], steps["discount"] = numbers[:, None] * 0.5, numbers % 7, 1
    steps["image.cam"] = (numbers % 251)[:, None, None, None]
    ended = numbers % EPISODE == EPISODE - 1
    steps["flags"][ended] = Flag.END | Flag.TRUNCATED
    finals = np.zeros(int(ended.sum()), LAYOUT.final)
    finals["step"], finals["state"] = numbers[ended], numbers[ended, None] * 0.5 + 1
    return Batch(stream or Stream("a", "r"), steps, finals)


def damage(folder: Path, expected: dict[Stream, int]) -> int:
    """How many steps of a run are lost, doubled, out of order or altered, against steps 0..n-1 a stream."""
    found: dict[Stream, list[Any]] = {stream: [] for stream in expected}
    for stored in RunReader(folder).read():
        found.setdefault(stored.stream, []).append(stored)
    wrong = 0
    for stream, pieces in found.items():
        want = batch(0, expected.get(stream, 0), stream)
        have = b"".join(p.steps.tobytes() for p in pieces), b"".join(p.finals.tobytes() for p in pieces)
        if have != (want.steps.tobytes(), want.finals.tobytes()):
            numbers = np.concatenate([p.steps["step"] for p in pieces] or [np.zeros(0, np.uint64)])
            wrong += max(1, len(want.steps) - len(np.unique(numbers)), len(numbers) - len(np.unique(numbers)))
    return wrong


def wait(condition: Callable[[], bool], timeout_s: float = 10.0) -> float:
    """Seconds until a condition held; infinity when it did not in time."""
    begin_s = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin_s > timeout_s:
            return float("inf")
        time.sleep(0.002)
    return time.perf_counter() - begin_s


def acked_s(client: StepClient, steps: int, timeout_s: float = 10.0) -> float:
    """Seconds until so many steps were acknowledged; infinity when they were not in time."""
    return wait(lambda: client.acked_steps == steps, timeout_s)


def row(fault: str, injections: int, violations: int, values: list[float], unit: str) -> dict[str, Any]:
    """One line of `bench/faults.json`."""
    p50, p99, most = np.percentile(values or [0.0], [50, 99, 100], method="lower").tolist()
    return {
        "fault": fault,
        "injections": injections,
        "violations": violations,
        "p50": p50,
        "p99": p99,
        "max": most,
        "unit": unit,
    }


def resident_mb(name: str = "VmRSS") -> float:
    """Memory of this process now (VmRSS) or at most since the peak was reset (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1e3


class TcpProxy:
    """Forwards bytes between an actor and a learner; can stop either direction, cut, and be slow."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._flows = {"up": threading.Event(), "down": threading.Event()}
        self.stall()
        self.bytes_per_s = float("inf")
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, *, up: bool = False, down: bool = False) -> None:
        """From now on the named directions stand still, and only they."""
        for name, stalled in (("up", up), ("down", down)):
            (self._flows[name].clear if stalled else self._flows[name].set)()

    def cut(self) -> None:
        """Closes every connection."""
        for pair in self._pairs[:]:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self._pairs.remove(pair)

    def close(self) -> None:
        """Closes everything."""
        self._closed = True
        self.stall()
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        host, port = self._target.removeprefix("tcp://").rsplit(":", 1)
        while not self._closed:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection((host, int(port)))
            except OSError:
                if self._closed:
                    return
                near.close()
                continue
            self._pairs.append((near, far))
            for name, source, sink in (("up", near, far), ("down", far, near)):
                threading.Thread(target=self._forward, args=(name, source, sink), daemon=True).start()

    def _forward(self, name: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                self._flows[name].wait()
                time.sleep(len(data) / self.bytes_per_s)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class MessageProxy:
    """Forwards whole messages, and loses, doubles and delays (so reorders) each with a given chance."""

    def __init__(self, target: str, chance: float, seed: int) -> None:
        self._chance, self._rng = chance, random.Random(seed)  # noqa: S311
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._front = self._context.socket(zmq.ROUTER)
        self._front.linger = 0
        self.address = f"tcp://127.0.0.1:{self._front.bind_to_random_port('tcp://127.0.0.1')}"
        self._target = target
        self._backs: dict[bytes, zmq.Socket[bytes]] = {}
        self._late: list[tuple[float, zmq.Socket[bytes], list[bytes]]] = []
        self.injected = 0
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._stop = True
        self._thread.join()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._front, zmq.POLLIN)
        while not self._stop:
            for source, _ in poller.poll(2):
                if source is self._front:
                    peer, *frames = self._front.recv_multipart()
                    self._pass(self._back(peer, poller), frames)
                else:
                    peer = next(p for p, back in self._backs.items() if back is source)
                    self._pass(self._front, [peer, *source.recv_multipart()])
            now_s = time.monotonic()
            for due in [late for late in self._late if late[0] <= now_s]:
                self._late.remove(due)
                _send(due[1], due[2])
        for sock in (self._front, *self._backs.values()):
            sock.close()
        self._context.term()

    def _back(self, peer: bytes, poller: zmq.Poller) -> "zmq.Socket[bytes]":
        if peer not in self._backs:
            back = self._backs[peer] = self._context.socket(zmq.DEALER)
            back.linger = 0
            back.connect(self._target)
            poller.register(back, zmq.POLLIN)
        return self._backs[peer]

    def _pass(self, sink: "zmq.Socket[bytes]", frames: list[bytes]) -> None:
        lot = self._rng.random()
        self.injected += lot < 3 * self._chance
        if lot < self._chance:
            return
        if lot < 2 * self._chance:
            _send(sink, frames)
        elif lot < 3 * self._chance:
            self._late.append((time.monotonic() + self._rng.uniform(0.001, 0.05), sink, frames))
            return
        _send(sink, frames)


def _send(sink: "zmq.Socket[bytes]", frames: list[bytes]) -> None:
    with contextlib.suppress(zmq.Again):
        sink.send_multipart(frames, zmq.NOBLOCK)


@contextlib.contextmanager
def raw_peer(address: str) -> Iterator["zmq.Socket[bytes]"]:
    """A bare socket that may say anything to a learner."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.linger = 0
        peer.rcvtimeo = 5000
        peer.connect(address)
        yield peer
