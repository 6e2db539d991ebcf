"""The thread that owns the learner's socket: decodes, checks, hands over, answers."""

import contextlib
import logging
import socket as sockets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zmq

from sandlot.learners.errors import BusyError, FrameError, GapError, RecordError, SandlotError
from sandlot.learners.transport.committer import Committer
from sandlot.learners.transport.keys import Gatekeeper, secure_learner
from sandlot.learners.transport.options import Options
from sandlot.learners.transport.sessions import Refusal, Session, Sessions
from sandlot.learners.wire import (
    MAX_HEADER_BYTES,
    Ack,
    AnyMessage,
    Buffer,
    Cursor,
    Hello,
    Layout,
    Message,
    Refused,
    Status,
    Steps,
    WantWeights,
    Weights,
    decode,
    decode_steps,
    encode,
)

log = logging.getLogger(__name__)
_MAX_CUT_OFF = 4096
_MESSAGES_A_TURN = 64
_LOGGED_FIRST, _LOGGED_EVERY = 10, 10_000
_COUNTERS = (
    "messages",
    "batches",
    "duplicates",
    "gaps",
    "frame_errors",
    "record_errors",
    "refused",
    "ignored",
    "weights_sent",
    "acks_sent",
)


class Router:
    """The learner's socket and its thread; others call `acknowledge`, `publish`, `tell` and `close`."""

    def __init__(
        self, address: str, layout: Layout, sessions: Sessions, *, keys: Path | str | None, options: Options
    ) -> None:
        """Binds the socket; `start` begins to serve it.

        Raises:
            BusyError: the port is in use.
        """
        self._layout, self._sessions, self._options = layout, sessions, options
        self._cut: OrderedDict[bytes, None] = OrderedDict()
        self._acks: deque[list[Cursor]] = deque()
        self._weights: tuple[Weights, Buffer] | None = None
        self._info: dict[str, float] = {}
        self._info_changed = self._stop = False
        self.error: BaseException | None = None
        self.counters = dict.fromkeys(_COUNTERS, 0)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.gatekeeper = Gatekeeper(self._context, keys) if keys else None
        self._socket = self._context.socket(zmq.ROUTER)
        try:
            self._bind(address, keys)
        except BaseException:
            self._close_sockets()
            raise
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._wake_in, self._wake_out = sockets.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._guarded, name="step-router", daemon=True)

    def _bind(self, address: str, keys: Path | str | None) -> None:
        self._socket.linger = 0
        self._socket.maxmsgsize = max(self._options.max_batch_bytes, MAX_HEADER_BYTES)
        self._socket.rcvhwm = self._socket.sndhwm = 64
        if keys:
            secure_learner(self._socket, keys)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            raise BusyError(
                f"cannot listen on '{address}': {error}; choose another one with --port"
            ) from error

    def start(self, committer: Committer) -> None:
        """Begins to serve."""
        self._committer = committer
        self._thread.start()

    # ---- for other threads ---------------------------------------------------------------------------------

    def acknowledge(self, cursors: list[Cursor]) -> None:
        """These were committed."""
        self._acks.append(cursors)
        self._wake()

    def publish(self, weights: Weights, payload: Buffer) -> None:
        """These are the newest weights."""
        self._weights = weights, payload
        self._wake()

    def tell(self, info: dict[str, float]) -> None:
        """These are the learner's figures."""
        self._info, self._info_changed = info, True
        self._wake()

    def close(self) -> None:
        """Ends the thread and gives the port free. Idempotent."""
        self._stop = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it will wake anyway; closed: it has ended
            self._wake_in.send(b"\0")

    # ---- the thread ----------------------------------------------------------------------------------------

    def _guarded(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # kept, and raised in the learner's own thread
            log.exception("event=router_died")
            self.error = error
        finally:
            self._close_sockets()
            self._wake_in.close()
            self._wake_out.close()

    def _close_sockets(self) -> None:
        self._socket.close()
        if self.gatekeeper:
            self.gatekeeper.socket.close()
        self._context.term()

    def _serve(self) -> None:
        poller = zmq.Poller()
        for source in (self._socket, self._wake_out.fileno(), self.gatekeeper and self.gatekeeper.socket):
            if source is not None:
                poller.register(source, zmq.POLLIN)
        while not self._stop:
            ready = dict(poller.poll(1000))
            if self._wake_out.fileno() in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake_out.recv(4096)
            if self.gatekeeper and self.gatekeeper.socket in ready:
                self.gatekeeper.answer()
            if self._socket in ready:
                self._receive()
            self._send_acks()
            self._send_weights()

    def _receive(self) -> None:
        for _ in range(_MESSAGES_A_TURN):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self.counters["messages"] += 1
            peer = frames[0].bytes
            try:
                key = str(frames[-1].get("User-Id")) if self.gatekeeper else ""
                self._handle(peer, [f.buffer for f in frames[1:]], key)
            except FrameError as error:
                self._cut_off(peer, "frame", error)
            except RecordError as error:
                self._cut_off(peer, "record", error)

    def _handle(self, peer: bytes, body: Sequence[Buffer], key: str) -> None:
        """Decodes and answers; of a peer that was cut off only a hello is heard."""
        if peer not in self._cut:
            self._dispatch(peer, *decode(body), key)
            return
        with contextlib.suppress(FrameError):
            if len(body) == 1 and isinstance((hello := decode(body)[0]), Hello):
                self._dispatch(peer, hello, [], key)
                return
        self.counters["ignored"] += 1

    def _dispatch(self, peer: bytes, message: AnyMessage, payloads: Sequence[Buffer], key: str) -> None:
        now_s = time.monotonic()
        try:
            if isinstance(message, Hello):
                welcome = self._sessions.hello(peer, message, now_s, key)
                self._cut.pop(peer, None)
                log.info("event=actor_connected actor=%s run=%s", message.actor, message.run)
                self._send(peer, welcome)
            elif session := self._sessions.session(peer, message.session, now_s):
                self._in_session(session, message, payloads)
        except Refusal as refusal:
            self.counters["refused"] += 1
            self._send(peer, Refused(message.session, refusal.code, refusal.text))

    def _in_session(self, session: Session, message: AnyMessage, payloads: Sequence[Buffer]) -> None:
        if isinstance(message, Steps):
            self._steps(session, message, payloads)
        elif isinstance(message, WantWeights):
            session.want = message
        elif isinstance(message, Status):
            session.values = dict(message.values)
            self._ack(session, ())
        else:
            raise FrameError(f"a {type(message).__name__} is not for a learner")

    def _steps(self, session: Session, message: Steps, payloads: Sequence[Buffer]) -> None:
        batch = decode_steps(message, payloads, self._layout, self._options.max_batch_steps)
        pending_bytes = self._committer.pending_bytes(session.actor)
        try:
            admitted = self._sessions.admit(session, batch, pending_bytes)
        except GapError as error:
            self.counters["gaps"] += 1
            raise Refusal("gap", str(error)) from error
        if admitted:
            self.counters["batches"] += 1
            self._committer.put(batch)
        else:  # an actor whose disk failed meanwhile does not know that it is stored
            self.counters["duplicates"] += 1
            self._ack(session, (self._sessions.cursor(batch.stream),))

    def _cut_off(self, peer: bytes, kind: str, error: SandlotError) -> None:
        """Tells a peer what was wrong and hears nothing more from it until its next hello."""
        name = f"{kind}_errors"
        self.counters[name] += 1
        if self.counters[name] <= _LOGGED_FIRST or self.counters[name] % _LOGGED_EVERY == 0:
            log.warning(
                "event=peer_cut_off peer=%s count=%d error=%s", peer.hex(), self.counters[name], error
            )
        session = self._sessions.drop(peer)
        self._send(peer, Refused(session.number if session else 0, kind, str(error)[:4096]))
        self._cut[peer] = None
        if len(self._cut) > _MAX_CUT_OFF:
            self._cut.popitem(last=False)

    def _send_acks(self) -> None:
        """Tells each actor what was committed, and everybody when the learner's figures changed."""
        by_actor: dict[str, dict[Any, Cursor]] = {}
        if self._info_changed:
            self._info_changed = False
            by_actor = {session.actor: {} for session in self._sessions.all()}
        while self._acks:
            for cursor in self._acks.popleft():
                by_actor.setdefault(cursor.stream.actor, {})[cursor.stream] = cursor
        for actor, cursors in by_actor.items():
            if session := self._sessions.of_actor(actor):
                self._ack(session, tuple(cursors.values()))

    def _ack(self, session: Session, cursors: tuple[Cursor, ...]) -> None:
        self.counters["acks_sent"] += 1
        self._send(
            session.peer, Ack(session.number, cursors, self._info, self._committer.alarm(time.monotonic()))
        )

    def _send_weights(self) -> None:
        """Answers every actor that asked for newer weights than it has."""
        if self._weights is None:
            return
        newest, payload = self._weights
        for session in self._sessions.all():
            want = session.want
            if want and (newest.generation, newest.version) > (want.generation, want.version):
                session.want = None
                self.counters["weights_sent"] += 1
                self._send(session.peer, newest.to(session.number), payload)

    def _send(self, peer: bytes, message: Message, *payloads: Buffer) -> None:
        """Sends, or not when the peer is gone or reads too slowly: it will ask again."""
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart([peer, *encode(message, *payloads)], zmq.NOBLOCK, copy=False)
