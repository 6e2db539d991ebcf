"""The learner's end: takes steps from many actors, acknowledges what is committed, hands out the newest weights."""

import contextlib
import logging
import socket as sockets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from sandlot.learners.errors import BusyError, ConfigError, FrameError, GapError, RecordError, SandlotError
from sandlot.learners.store import Stored
from sandlot.learners.transport.address import DEFAULT_ADDRESS, check_address
from sandlot.learners.transport.committer import Committer, Sink
from sandlot.learners.transport.keys import Gatekeeper, secure_learner
from sandlot.learners.transport.options import Options
from sandlot.learners.transport.sessions import Identity, Refusal, Session, Sessions
from sandlot.learners.wire import (
    MAX_HEADER_BYTES, Ack, Any_, Buffer, Cursor, Hello, Message, Refused, Status, Steps, WantWeights, Weights,
    decode, decode_steps, digest, encode,
)

log = logging.getLogger(__name__)
_MAX_IGNORED = 4096
_MESSAGES_A_TURN = 64


class StepServer:
    """Receives steps for a store and publishes weights, on two threads of its own.

    Every public method may be called by any thread, returns at once, and raises what ended a thread, if
    something did. `counters` counts what happened, by name.
    """

    def __init__(
        self,
        store: Sink,
        address: str = DEFAULT_ADDRESS,
        *,
        config: Mapping[str, str] | None = None,
        architecture: str = "",
        keys: Path | str | None = None,
        options: Options | None = None,
    ) -> None:
        """Binds and starts.

        Args:
            store: where steps are committed.
            address: `tcp://HOST:PORT`; port 0 takes a free one (see `address`).
            config: settings an actor must agree with, name -> value.
            architecture: fingerprint of the policy's networks, sent with the weights.
            keys: key folder; needed for any address but loopback.
            options: limits and periods.

        Raises:
            BusyError: the port is in use.
            ConfigError: a public address without keys.
        """
        check_address(address, keys)
        self._options, self._store, self._architecture = options or Options(), store, architecture
        self._layout = store.layout
        self._identity = Identity(store.layout.spec, dict(config or {}), store.run_id, 0)
        self._sessions = Sessions(self._identity, self._options, store.next_step)
        self._ignored: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()
        self._weights: tuple[Weights, Buffer] | None = None
        self._info: dict[str, float] = {}
        self._acks: deque[list[Cursor]] = deque()
        self._info_changed = self._stop = False
        self._error: BaseException | None = None
        self.counters = dict.fromkeys(
            ("messages", "batches", "duplicates", "gaps", "frame_errors", "record_errors", "refused", "ignored",
             "weights_sent", "acks_sent"), 0)  # fmt: skip
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._gatekeeper = Gatekeeper(self._context, keys) if keys else None
        self._router = self._bind(address, keys)
        self.address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._identity.generation = store.begin_life()
        self._wake_in, self._wake_out = sockets.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._committer = Committer(store, self._options, self._on_commit)
        self._thread = threading.Thread(target=self._guarded, name="step-server", daemon=True)
        self._thread.start()
        log.info("event=listening address=%s run=%s generation=%d", self.address, store.run_id, self.generation)

    def _bind(self, address: str, keys: Path | str | None) -> zmq.Socket[bytes]:
        router = self._context.socket(zmq.ROUTER)
        router.linger = 0
        router.maxmsgsize = max(self._options.max_batch_bytes, MAX_HEADER_BYTES)
        router.rcvhwm = router.sndhwm = 64
        if keys:
            secure_learner(router, keys)
        try:
            router.bind(address)
        except zmq.ZMQError as error:
            router.close()
            if self._gatekeeper:
                self._gatekeeper.socket.close()
            self._context.term()
            raise BusyError(f"cannot listen on '{address}' ({error}); give another one with --address") from error
        return router

    # ---- for the learner ---------------------------------------------------------------------------------

    @property
    def generation(self) -> int:
        """How many learners have written to this run, this one included."""
        return self._identity.generation

    def drain(self) -> list[Stored]:
        """Everything committed since the last call, in commit order."""
        self.check()
        return self._committer.drain()

    def publish_weights(self, payload: Buffer, *, version: int, step: int) -> None:
        """Makes these the newest weights; every connected actor gets them as soon as it asks.

        Raises:
            ConfigError: `version` is not greater than the last one, or the payload is too large.
        """
        self.check()
        size = memoryview(payload).nbytes
        if size > self._options.max_weights_bytes:
            raise ConfigError(f"weights of {size} bytes exceed option 'max_weights_bytes'")
        message = Weights(
            0, self._identity.learner_run, self.generation, version, step, self._architecture, digest(payload)
        )
        with self._lock:
            if self._weights and version <= self._weights[0].version:
                raise ConfigError(f"weights version {version} is not newer than {self._weights[0].version}")
            self._weights = message, payload
        self._wake()

    def set_info(self, values: Mapping[str, float]) -> None:
        """Tells every actor these figures, such as how many steps were trained on."""
        self.check()
        with self._lock:
            self._info.update(values)
            self._info_changed = True
        self._wake()

    def status(self) -> dict[str, Any]:
        """Counters, alarm and, per actor, its figures and how long ago it was heard."""
        now_s = time.monotonic()
        actors = {s.actor: {"heard_s": now_s - s.heard_s, **s.values} for s in self._sessions.all()}
        committer = self._committer
        return {
            **self.counters,
            "steps": committer.steps, "commits": committer.commits, "commit_retries": committer.retries,
            "commit_ms": committer.commit_ms, "pending_bytes": committer.pending_bytes,
            "keys_refused": self._gatekeeper.refused if self._gatekeeper else 0,
            "alarm": committer.alarm(now_s), "actors": actors,
        }  # fmt: skip

    def check(self) -> None:
        """Raises what ended one of the threads, if something did."""
        error = self._error or self._committer.error
        if error is not None:
            raise SandlotError(f"the step server stopped: {error!r}") from error

    def close(self) -> None:
        """Commits what has arrived and ends both threads. Idempotent."""
        self._stop = True
        self._wake()
        self._thread.join()
        self._committer.close()

    def __enter__(self) -> "StepServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- network thread ----------------------------------------------------------------------------------

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full: the thread will wake anyway
            self._wake_in.send(b"\0")

    def _on_commit(self, cursors: list[Cursor]) -> None:
        self._acks.append(cursors)
        self._wake()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001  kept and raised in the learner's own thread
            log.exception("event=step_server_died")
            self._error = error
        finally:
            self._router.close()
            if self._gatekeeper:
                self._gatekeeper.socket.close()
            self._context.term()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake_out.fileno(), zmq.POLLIN)
        if self._gatekeeper:
            poller.register(self._gatekeeper.socket, zmq.POLLIN)
        while not self._stop:
            ready = dict(poller.poll(1000))
            if self._wake_out.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake_out.recv(4096)
            if self._gatekeeper and self._gatekeeper.socket in ready:
                self._gatekeeper.answer()
            if self._router in ready:
                self._receive()
            self._send_acks()
            self._send_info()
            self._send_weights()

    def _receive(self) -> None:
        for _ in range(_MESSAGES_A_TURN):
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self.counters["messages"] += 1
            peer = frames[0].bytes
            body = [f.buffer for f in frames[1:]]
            try:
                self._handle(peer, body, _user(frames[-1]))
            except FrameError as error:
                self._cut_off(peer, "frame", error)
            except RecordError as error:
                self._cut_off(peer, "record", error)

    def _handle(self, peer: bytes, body: list[Buffer], key: str) -> None:
        if peer in self._ignored and (len(body) != 1 or len(body[0]) > MAX_HEADER_BYTES):
            self.counters["ignored"] += 1
            return
        try:
            message, payloads = decode(body)
        except FrameError:
            if peer in self._ignored:
                self.counters["ignored"] += 1
                return
            raise
        if peer in self._ignored and not isinstance(message, Hello):
            self.counters["ignored"] += 1
            return
        self._dispatch(peer, message, payloads, key)

    def _dispatch(self, peer: bytes, message: Any_, payloads: Any, key: str) -> None:
        now_s = time.monotonic()
        try:
            if isinstance(message, Hello):
                welcome = self._sessions.hello(peer, message, now_s, key)
                self._ignored.pop(peer, None)
                log.info("event=actor_connected actor=%s run=%s", message.actor, message.run)
                self._send(peer, welcome)
                return
            session = self._sessions.session(peer, message.session, now_s)
            if session is None:
                return
            self._in_session(session, message, payloads)
        except Refusal as refusal:
            self.counters["refused"] += 1
            if refusal.code != "late":
                self._send(peer, Refused(message.session, refusal.code, refusal.text))

    def _in_session(self, session: Session, message: Any_, payloads: Any) -> None:
        if isinstance(message, Steps):
            self._steps(session, message, payloads)
        elif isinstance(message, WantWeights):
            session.want = message
        elif isinstance(message, Status):
            session.values = dict(message.values)
            self._ack(session, ())
        else:
            raise FrameError(f"a {type(message).__name__} is not for a learner")

    def _steps(self, session: Session, message: Steps, payloads: Any) -> None:
        batch = decode_steps(message, payloads, self._layout, self._options.max_batch_steps)
        try:
            if self._sessions.admit(session, message, batch):
                self.counters["batches"] += 1
                self._committer.put(batch)
            else:
                self.counters["duplicates"] += 1
        except GapError as error:
            self.counters["gaps"] += 1
            raise Refusal("gap", str(error)) from error

    def _cut_off(self, peer: bytes, kind: str, error: SandlotError) -> None:
        self.counters[f"{kind}_errors"] += 1
        if self.counters[f"{kind}_errors"] < 10 or self.counters[f"{kind}_errors"] % 1000 == 0:
            log.warning("event=peer_cut_off peer=%s error=%s", peer.hex(), error)
        session = self._sessions.by_peer.get(peer)
        self._send(peer, Refused(session.number if session else 0, kind, str(error)[:4096]))
        self._sessions.drop(peer)
        self._ignored[peer] = None
        if len(self._ignored) > _MAX_IGNORED:
            self._ignored.popitem(last=False)

    def _send_acks(self) -> None:
        by_actor: dict[str, dict[Any, Cursor]] = {}
        while self._acks:
            for cursor in self._acks.popleft():
                by_actor.setdefault(cursor.stream.actor, {})[cursor.stream] = cursor
        for actor, cursors in by_actor.items():
            session = self._sessions.of_actor(actor)
            if session is not None:
                self._ack(session, tuple(cursors.values()))

    def _ack(self, session: Session, cursors: tuple[Cursor, ...]) -> None:
        with self._lock:
            info = dict(self._info)
        self.counters["acks_sent"] += 1
        self._send(session.peer, Ack(session.number, cursors, info, self._committer.alarm(time.monotonic())))

    def _send_info(self) -> None:
        if self._info_changed:
            self._info_changed = False
            for session in self._sessions.all():
                self._ack(session, ())

    def _send_weights(self) -> None:
        with self._lock:
            newest = self._weights
        if newest is None:
            return
        message, payload = newest
        for session in self._sessions.all():
            want = session.want
            if want and (message.generation, message.version) > (want.generation, want.version):
                session.want = None
                self.counters["weights_sent"] += 1
                self._send(session.peer, _for(message, session.number), payload)

    def _send(self, peer: bytes, message: Message, *payloads: Buffer) -> None:
        with contextlib.suppress(zmq.Again):  # the peer reads too slowly or is gone: it will ask again
            self._router.send_multipart([peer, *encode(message, *payloads)], zmq.NOBLOCK, copy=False)


def _for(message: Weights, session: int) -> Weights:
    return Weights(
        session, message.run, message.generation, message.version, message.step, message.architecture, message.digest
    )


def _user(frame: Any) -> str:
    """The name of the key a frame came with, '' without keys."""
    try:
        return str(frame.get("User-Id"))
    except (zmq.ZMQError, KeyError):
        return ""
