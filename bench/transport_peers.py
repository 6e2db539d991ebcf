"""The processes `bench.transport` measures: our two ends, and a pickle + lz4 REQ/REP loop to compare with.

`python -m bench.transport_peers ROLE ADDRESS JSON` runs one, which writes one JSON line. Only the comparison
uses pickle, between two processes of this benchmark.
"""

import json
import pickle  # noqa: S403, TID251  for the comparison only
import sys
import threading
import time
from collections import deque
from typing import Any

import lz4.frame
import numpy as np
import zmq

from sandlot.learners.process import SWITCH_INTERVAL_S
from sandlot.learners.schema import Entry, EnvSpec, obs_dtype, step_dtype
from sandlot.learners.store import RunStore
from sandlot.learners.transport import Policy, StepClient, StepServer
from sandlot.learners.transport.memory import MemoryStore

SPEC = EnvSpec(
    task="bench",
    state=(Entry("q", 19),),
    images={"front": (128, 128, 3), "wrist": (128, 128, 3)},
    action=(Entry("u", 7),),
    control_hz=10.0,
    max_episode_steps=100,
)
BATCH = 10


def frames(rng: np.random.Generator, count: int) -> np.ndarray:
    """[count, 128, 128, 3] images like a camera's: smooth, with sensor noise in the lowest two bits."""
    coarse = rng.integers(0, 220, (count, 8, 8, 3))
    smooth = np.kron(coarse, np.ones((1, 16, 16, 1)))
    return (smooth + rng.integers(0, 4, smooth.shape)).astype(np.uint8)


def template(seed: int = 0) -> np.ndarray:
    """A batch of `BATCH` steps to copy from."""
    rng = np.random.default_rng(seed)
    steps = np.zeros(BATCH, step_dtype(SPEC))
    for name in SPEC.images:
        steps[f"image.{name}"] = frames(rng, BATCH)
    steps["state"] = rng.standard_normal((BATCH, 19))
    steps["discount"] = 1
    return steps


def _numbered(steps: np.ndarray, first: int) -> np.ndarray:
    batch = steps.copy()
    batch["step"] = np.arange(first, first + BATCH)
    return batch


def actor(address: str, *, batches: int, hz: float, spool: str | None, outstanding: int) -> dict[str, Any]:
    """Sends batches, one every 1/hz seconds or at most `outstanding` at once; times calls and round trips."""
    steps, finals = template(), np.zeros(0, obs_dtype(SPEC))
    sent = deque[float]()
    trips_ms, calls_ms = list[float](), list[float]()

    def collect(unacked: int) -> None:
        """Waits until no more than `unacked` batches are unacknowledged."""
        while len(sent) > unacked:
            if not client.wait_acked((len(trips_ms) + 1) * BATCH, timeout_s=30.0):
                raise TimeoutError(f"no acknowledgement within 30 s: {client.status()}")
            trips_ms.append((time.perf_counter() - sent.popleft()) * 1e3)

    with StepClient(SPEC, "bench", address, spool=spool) as client:
        client.wait_ready()
        begin_s = time.perf_counter()
        for i in range(batches):
            time.sleep(max(0.0, begin_s + i / hz - time.perf_counter()) if hz else 0.0)
            batch = steps.copy()
            batch["step"] = np.arange(i * BATCH, (i + 1) * BATCH)
            sent.append(time.perf_counter())
            client.send(batch, finals)
            calls_ms.append((time.perf_counter() - sent[-1]) * 1e3)
            collect(0 if hz else outstanding - 1)
        collect(0)
        seconds = time.perf_counter() - begin_s
    return {"seconds": seconds, "trips_ms": trips_ms, "calls_ms": calls_ms}


def receiver(address: str, *, versions: int) -> dict[str, Any]:
    """Receives weights that carry the time of their publication; returns how old each was on arrival."""
    ages_ms = list[float]()

    def check(policy: Policy) -> None:
        ages_ms.append((time.perf_counter() - float(np.frombuffer(policy.payload, "<f8", 1)[0])) * 1e3)

    with StepClient(SPEC, "bench", address, spool=None, check_weights=check) as client:
        client.wait_ready()
        while (newest := client.latest_weights()) is None or newest.version < versions - 1:
            client.check()  # versions may be skipped, the last one never is
            time.sleep(0.01)
    return {"ages_ms": ages_ms}


def learner(address: str, *, folder: str | None, versions: int) -> dict[str, Any]:
    """Serves until its standard input ends; publishes `versions` of 1 MB, each stamped with the time."""
    store = RunStore.open(folder, SPEC) if folder else MemoryStore(SPEC)
    payload = np.random.default_rng(0).bytes(1_000_000 - 8)
    done = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
    version = 0
    with StepServer(store, address) as server:
        while not done.wait(0.02):
            server.drain()
            if version < versions and server.status()["actors"]:
                stamp = np.float64(time.perf_counter()).tobytes()
                server.publish_weights(stamp + payload, version=version, step=0)
                version += 1
    return {}


def pickle_client(address: str, *, batches: int) -> dict[str, Any]:
    """The loop we compare with: transitions with obs and next_obs, one lz4 frame of pickle a batch."""
    steps = template()
    images = {name: steps[f"image.{name}"] for name in SPEC.images}
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.connect(address)
        begin_s = time.perf_counter()
        for _ in range(batches):
            batch = [_transition(images, steps, i) for i in range(BATCH)]
            socket.send(lz4.frame.compress(pickle.dumps({"type": "datastore", "payload": batch})))
            pickle.loads(lz4.frame.decompress(socket.recv()))  # noqa: S301  from our own process
        return {"seconds": time.perf_counter() - begin_s}


def _transition(images: dict[str, np.ndarray], steps: np.ndarray, i: int) -> dict[str, Any]:
    j = (i + 1) % BATCH
    obs, next_obs = (
        {"state": steps["state"][k], **{n: a[k].copy() for n, a in images.items()}} for k in (i, j)
    )
    return {"observations": obs, "next_observations": next_obs, "actions": steps["action"][i],
            "rewards": 0.0, "masks": 1.0, "dones": False}  # fmt: skip


def pickle_server(address: str, *, batches: int) -> dict[str, Any]:
    """Answers `pickle_client` and keeps the last 2,000 transitions."""
    kept = deque[Any](maxlen=2000)
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.bind(address)
        for _ in range(batches):
            kept.extend(pickle.loads(lz4.frame.decompress(socket.recv()))["payload"])  # noqa: S301  as above
            socket.send(lz4.frame.compress(pickle.dumps({"success": True})))
    return {}


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as actors and learners do
    role = {f.__name__: f for f in (actor, receiver, learner, pickle_client, pickle_server)}[sys.argv[1]]
    print(json.dumps(role(sys.argv[2], **json.loads(sys.argv[3]))))
