"""The actor's end: takes steps from the control loop without ever making it wait."""

import contextlib
import logging
import socket as sockets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from sandlot.learners.errors import (
    BusyError,
    GapError,
    RecordError,
    RefusedError,
    SandlotError,
    SpoolFullError,
    StoreError,
)
from sandlot.learners.schema import EnvSpec, Stream, check_steps
from sandlot.learners.spool import MemorySpool, Spool
from sandlot.learners.transport.address import DEFAULT_ADDRESS, check_address
from sandlot.learners.transport.link import Link
from sandlot.learners.transport.options import Options
from sandlot.learners.transport.peer import Peer
from sandlot.learners.transport.policy import Policy, PolicyInbox
from sandlot.learners.wire import Batch, Layout, Status, check_sendable, owned

log = logging.getLogger(__name__)
_DISK_RETRY_S = 0.5


class StepClient:
    """Sends one actor's steps and receives weights, on a thread of its own; `Options` says the promises."""

    def __init__(
        self,
        spec: EnvSpec,
        actor: str,
        address: str = DEFAULT_ADDRESS,
        *,
        spool: Path | str | None,
        config: Mapping[str, str] | None = None,
        architecture: str = "",
        keys: Path | str | None = None,
        options: Options | None = None,
        check_weights: Callable[[Policy], None] | None = None,
    ) -> None:
        """Takes the spool folder and starts to connect; returns at once.

        Args:
            spec: what the env observes and does; the learner's must be the same.
            actor: this actor's name, its own among all of the learner's.
            address: the learner's, `tcp://HOST:PORT`.
            spool: folder for unacknowledged steps; None keeps them in memory only.
            config: settings the learner must agree with.
            architecture: fingerprint the weights must carry; '' takes any.
            keys: key folder; needed for any address but loopback.
            options: limits and periods.
            check_weights: called with new weights by the client's thread; a ValueError refuses them.

        Raises:
            BusyError: another actor uses this spool folder.
            SpecError: the spool holds steps of another task.
        """
        check_address(address, keys)
        self._options, self.layout = options or Options(), Layout.of(spec)
        self.actor, self.run = actor, uuid.uuid4().hex[:16]
        peer = Peer(address, actor, self.run, dict(config or {}), keys)
        check_sendable(peer.hello(0, spec), f"actor '{actor}' with config {config}")
        segment_bytes = self._options.segment_bytes
        self._spool = (
            Spool(spool, self.layout, segment_bytes=segment_bytes) if spool else MemorySpool(self.layout)
        )
        try:
            self._link = Link(peer, self._spool, PolicyInbox(architecture, check_weights), self._options)
        except BaseException:
            self._spool.close()
            raise
        self._next: dict[tuple[int, int], int] = {}
        self._handover: deque[Batch] = deque()
        self._handover_bytes = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._stop = False
        self._disk_trouble, self._disk_retry_s = "", 0.0
        self._error: BaseException | None = None
        self.refused_batches = 0
        self._wake_in, self._wake_out = sockets.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._guarded, name="step-client", daemon=True)
        self._thread.start()

    # ---- for the control loop ----------------------------------------------------------------------------

    def send(self, steps: np.ndarray, finals: np.ndarray, *, env: int = 0, agent: int = 0) -> None:
        """Hands over consecutive steps [n] of one stream; never waits.

        The arrays belong to the client from now on and become read-only. When this raises, the batch was not
        taken: offer it again, or give its step numbers to the next one.

        Raises:
            SpoolFullError: too much is unacknowledged; nothing was dropped.
            RecordError: a step breaks the schema, or does not follow the last one of its stream (GapError).
            RefusedError: the learner does not accept this actor.
        """
        self.check()
        if not len(steps):
            return
        check_steps(steps, finals, self.layout.spec)
        self._check_size(steps)
        batch = Batch(Stream(self.actor, self.run, env, agent), owned(steps), owned(finals))
        expected = self._next.get((env, agent), 0)
        if batch.first != expected:
            raise GapError(f"stream {batch.stream}: got step {batch.first}, but {expected} is next")
        with self._lock:
            self._make_room(batch.nbytes)
            self._handover.append(batch)
            self._handover_bytes += batch.nbytes
        self._next[env, agent] = expected + len(steps)
        self._wake()

    def _check_size(self, steps: np.ndarray) -> None:
        limits = self._options
        if len(steps) > limits.max_batch_steps or steps.nbytes > limits.max_batch_bytes:
            raise RecordError(
                f"a batch of {len(steps)} steps and {steps.nbytes} bytes exceeds 'max_batch_steps' = "
                f"{limits.max_batch_steps} or 'max_batch_bytes' = {limits.max_batch_bytes}; send it in parts"
            )

    def _make_room(self, nbytes: int) -> None:
        waiting = self._spool.used_bytes + self._handover_bytes + nbytes
        if (
            waiting > self._options.spool_bytes
            or self._handover_bytes + nbytes > self._options.handover_bytes
        ):
            self.refused_batches += 1
            why = self._disk_trouble or (
                "the learner does not commit" if self._link.ready else "no learner answers"
            )
            raise SpoolFullError(
                f"actor '{self.actor}': {waiting >> 20} MB are unacknowledged, option 'spool_bytes' allows "
                f"{self._options.spool_bytes >> 20} MB; {why}. Nothing was dropped; pause or raise the option"
            )

    def latest_weights(self) -> Policy | None:
        """The newest weights that arrived; None before the first ones."""
        return self._link.inbox.policy

    @property
    def info(self) -> dict[str, float]:
        """The learner's newest figures."""
        return dict(self._link.info)

    def report(self, values: Mapping[str, float]) -> None:
        """Figures for the learner, sent with the next heartbeat."""
        figures = {k: float(v) for k, v in values.items()}
        check_sendable(Status(0, figures), "figures")
        self._link.report = figures

    def status(self) -> dict[str, Any]:
        """State (connecting, ready, refused), what is unacknowledged, alarms and counters."""
        link = self._link
        inbox = link.inbox
        state = "refused" if link.refused else "ready" if link.ready else "connecting"
        return {
            **link.counters, "state": state, "alarm": link.refused or self._disk_trouble or link.alarm,
            "handed_over": len(self._handover),
            "spool_steps": self._spool.steps, "spool_bytes": self._spool.used_bytes + self._handover_bytes,
            "weights_received": inbox.received,
            "weights_refused": inbox.refused,
            "refused_batches": self.refused_batches, "lost_steps": self._spool.lost_steps,
            "learner_run": link.learner_run, "generation": link.generation,
        }  # fmt: skip

    def check(self) -> None:
        """Raises RefusedError when the learner refused this actor, or what ended the thread."""
        if self._error is not None:
            raise SandlotError(f"the step client stopped: {self._error!r}") from self._error
        if self._link.refused:
            raise RefusedError(self._link.refused)

    # ---- for start and end -------------------------------------------------------------------------------

    def wait_ready(self, timeout_s: float = 10.0) -> None:
        """Waits for the learner's welcome.

        Raises:
            RefusedError: the learner does not accept this actor; the text names the field that differs.
            BusyError: no learner answered in time.
        """
        if not self._wait(lambda: self._link.ready, timeout_s):
            address = self._link.address
            raise BusyError(
                f"no learner answered at {address} within {timeout_s:.0f} s; start it with `sandlot learner`"
            )

    @property
    def acked_steps(self) -> int:
        """How many steps were committed in this actor's life, leftovers of earlier ones included."""
        return self._link.counters["acked_steps"]

    def wait_acked(self, steps: int, timeout_s: float = 10.0) -> bool:
        """Waits until `acked_steps` reaches a number; False when it does not in time."""
        return self._wait(lambda: self.acked_steps >= steps, timeout_s)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until everything handed over is acknowledged; False when it is not in time."""
        return self._wait(lambda: not self._handover and not len(self._spool), timeout_s)

    def _wait(self, done: Callable[[], bool], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        with self._idle:
            while not done():
                self.check()
                if time.monotonic() >= deadline_s:
                    return False
                self._idle.wait(0.02)
        return True

    def close(self) -> None:
        """Ends the thread; unacknowledged steps stay in the spool for its next actor. Idempotent."""
        self._stop = True
        self._wake()
        self._thread.join()

    def __enter__(self) -> "StepClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- thread ------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the thread will wake anyway
            self._wake_in.send(b"\0")

    def _guarded(self) -> None:
        try:
            while not self._stop:
                self._turn()
            self._take_over(time.monotonic())
        except BaseException as error:  # kept, and raised in the control loop's thread
            log.exception("event=step_client_died")
            self._error = error
        finally:
            self._link.close()
            self._spool.close()

    def _turn(self) -> None:
        poller = zmq.Poller()
        poller.register(self._link.socket, zmq.POLLIN)
        poller.register(self._wake_out.fileno(), zmq.POLLIN)
        ready = dict(poller.poll(int(self._options.heartbeat_s * 500)))
        if self._wake_out.fileno() in ready:
            with contextlib.suppress(BlockingIOError):
                self._wake_out.recv(4096)
        now_s = time.monotonic()
        self._take_over(now_s)
        self._link.receive(now_s)
        self._link.tick(now_s)
        self._sync(now_s)
        with self._idle:
            self._idle.notify_all()

    def _take_over(self, now_s: float) -> None:
        """Moves what the control loop handed over into the spool."""
        if self._disk_trouble and now_s - self._disk_retry_s < _DISK_RETRY_S and not self._stop:
            return
        while self._handover:
            batch = self._handover[0].sealed()
            sent = not self._disk_trouble and self._link.send_early(batch)
            try:
                record = self._spool.append(batch)
            except StoreError as error:
                if not self._disk_trouble:
                    log.error("event=spool_waits error=%s", error)
                self._disk_trouble, self._disk_retry_s = str(error), now_s
                return
            self._disk_trouble = ""
            with self._lock:
                self._handover.popleft()
                self._handover_bytes -= batch.nbytes
            self._link.appended(record, batch, now_s, sent=sent)

    def _sync(self, now_s: float) -> None:
        """Makes steps that wait long survive a power cut; those acknowledged at once need no fsync here."""
        if len(self._spool) and now_s - self._link.progress_s > self._options.spool_sync_s:
            self._spool.sync()
