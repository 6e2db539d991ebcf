"""The actor's conversation with the learner: one socket, one thread, no memory that matters.

Everything that must not be lost is in the spool; whatever goes wrong on the wire, the answer is the same: a
new hello, and sending again from the learner's cursors.
"""

import contextlib
import logging
from collections.abc import Sequence

import zmq

from sandlot.learners.errors import FrameError
from sandlot.learners.spool import MemorySpool, Record
from sandlot.learners.transport.options import Options
from sandlot.learners.transport.peer import Peer
from sandlot.learners.transport.policy import PolicyInbox
from sandlot.learners.wire import (
    Ack,
    AnyMessage,
    Batch,
    Buffer,
    Cursor,
    Refused,
    Status,
    WantWeights,
    Weights,
    Welcome,
    decode,
    encode,
    encode_steps,
)

log = logging.getLogger(__name__)
_WANT_S = 1.0
_MAX_PATIENCE = 8
_MESSAGES_A_TURN = 64
_FATAL = {"spec", "config", "full", "record", "run", "key"}


class Link:
    """The protocol's actor side. Used by one thread; other threads may read the plain attributes."""

    def __init__(self, peer: Peer, spool: MemorySpool, inbox: PolicyInbox, options: Options) -> None:
        self._peer, self._spool, self.inbox, self._options = peer, spool, inbox, options
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.ready = False
        self.refused = ""
        self.alarm = ""
        self.learner_run = ""
        self.generation = 0
        self.info: dict[str, float] = {}
        self.report: dict[str, float] = {}
        self.address = peer.address
        self.counters = dict.fromkeys(
            ("sent_batches", "resent_batches", "acked_steps", "hellos", "reconnects", "frame_errors",
             ), 0)  # fmt: skip
        self._session = self._welcomed = 0
        self._position = self._sent_end = 0
        self._in_flight: dict[int, int] = {}
        self._flight_bytes, self._patience = 0, 1
        self._fresh: dict[int, Batch] = {}
        self._heard_s = self._hello_s = self._status_s = self.progress_s = self._want_s = 0.0
        self._lease_s: float | None = None
        self._window = options.window_bytes
        self.socket = self._peer.connect(self._context, self._options)

    def close(self) -> None:
        """Closes the socket; what is unacknowledged stays in the spool."""
        self.socket.close()
        self._context.term()

    # ---- what the thread calls ---------------------------------------------------------------------------

    def send_early(self, batch: Batch) -> bool:
        """Sends a batch that is about to go into the spool, when its turn is now; `appended` must follow.

        The disk then works while the batch travels. It is as safe as the other way round: nothing is
        acknowledged that the learner did not commit, no answer is read before the spool has the batch, and a
        process killed in between leaves the batch with the learner or nowhere, as one killed a moment earlier
        would. A batch that the spool then cannot take is handed over again later; the learner knows it.
        """
        caught_up = self._position >= self._spool.end
        fits = not self._in_flight or self._flight_bytes + batch.nbytes <= self._window
        return self.ready and caught_up and fits and self._send(encode_steps(self._session, batch))

    def appended(self, record: Record, batch: Batch, now_s: float, *, sent: bool) -> None:
        """A batch went into the spool; keeps it at hand when it can be sent soon."""
        if sent:
            self._under_way(record, now_s)
        elif self.ready and self._flight_bytes + sum(b.nbytes for b in self._fresh.values()) < self._window:
            self._fresh[record.number] = batch

    def receive(self, now_s: float) -> None:
        """Handles what has arrived."""
        for _ in range(_MESSAGES_A_TURN):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            try:
                message, payloads = decode([f.buffer for f in frames])
                self._heard_s = now_s
                self._handle(message, payloads, now_s)
            except FrameError as error:
                self.counters["frame_errors"] += 1
                log.warning("event=bad_frame error=%s", error)

    def tick(self, now_s: float) -> None:
        """Says what is due: hello, status, a request for weights, steps; replaces a dead connection."""
        if self.refused:
            return
        if not self._heard_s:
            self._heard_s = now_s
        timeout_s = self._options.peer_timeout_s * self._patience
        if now_s - self._heard_s > timeout_s:
            self._reconnect(now_s)
        if self.ready and self._in_flight and not self.alarm and now_s - self.progress_s > timeout_s:
            self._lose_patience()
        if not self.ready:
            if now_s - self._hello_s > self._options.heartbeat_s:
                self._hello(now_s)
            return
        if now_s - self._status_s > self._options.heartbeat_s:
            self._status_s = now_s
            self._send(encode(Status(self._session, self.report)))
        if now_s - self._want_s > _WANT_S:
            self._want(now_s)
        self._pump(now_s)

    # ---- session -----------------------------------------------------------------------------------------

    def _reconnect(self, now_s: float) -> None:
        if self.ready:
            log.warning("event=learner_lost address=%s", self._peer.address)
        self.counters["reconnects"] += 1
        self._lose_patience()
        self.socket.close()
        self.socket = self._peer.connect(self._context, self._options)
        self._heard_s = now_s

    def _lose_patience(self) -> None:
        """Begins anew; waits longer next time, in case one message takes longer than the timeout."""
        if self.ready:
            self._patience = min(2 * self._patience, _MAX_PATIENCE)
        self.ready = False

    def _hello(self, now_s: float) -> None:
        self._hello_s = now_s
        self._session += 1
        self.counters["hellos"] += 1
        streams = tuple(self._spool.streams[:4096])
        peer = self._peer
        self._send(encode(peer.hello(self._session, self._spool.layout.spec, streams)))

    def _handle(self, message: AnyMessage, payloads: Sequence[Buffer], now_s: float) -> None:
        if message.session != self._session and not (isinstance(message, Refused) and message.session == 0):
            return
        if isinstance(message, Refused):
            self._refusal(message, now_s)
        elif (self._welcomed == self._session) == isinstance(message, Welcome):
            return  # a second welcome, or an answer that overtook the first: its cursors may be old
        elif isinstance(message, Welcome):
            self._welcome(message, now_s)
        elif isinstance(message, Ack):
            self.info.update(message.info)
            self.alarm = message.alarm
            self._release(message.cursors, now_s)
        elif isinstance(message, Weights):
            self.inbox.offer(message, payloads, self.learner_run, self.generation)
            self._want(now_s)
        else:
            raise FrameError(f"a {type(message).__name__} is not for an actor")

    def _welcome(self, message: Welcome, now_s: float) -> None:
        self._welcomed, self.alarm = message.session, ""
        trouble = self._other_run(message.learner_run)
        if not trouble:
            self._release(message.cursors, now_s)
            trouble = self._lacking(message.cursors)
        if trouble:
            self._give_up(trouble)
            return
        self._spool.bind(message.learner_run)
        self.learner_run, self.generation = message.learner_run, message.generation
        self._window = min(message.window_bytes, self._options.window_bytes)
        self.ready, self._lease_s, self.progress_s = True, None, now_s
        self._in_flight.clear()
        self._flight_bytes = self._position = 0
        self._want(now_s)

    def _other_run(self, run: str) -> str:
        """Why the steps cannot go to a learner of this run, or ''."""
        where = f"the learner at {self._peer.address}"
        if self.learner_run and self.learner_run != run:
            return f"{where} is now run {run}, this actor is of run {self.learner_run}; start the actor anew"
        if len(self._spool) and self._spool.learner_run not in ("", run):
            return (
                f"the spool holds {self._spool.steps} steps for run {self._spool.learner_run}, but {where} "
                f"is run {run}; start that run's learner once more, or delete the spool folder"
            )
        return ""

    def _lacking(self, cursors: tuple[Cursor, ...]) -> str:
        """Which acknowledged steps the learner does not have any more, or ''."""
        for cursor in cursors:
            stream, next_step = cursor.stream, cursor.next_step
            first = self._spool.first_step(stream)
            if first is not None and first > next_step:
                return (
                    f"the learner at {self._peer.address} lacks steps {next_step} to {first - 1} of {stream} "
                    "which it had acknowledged: its run folder was replaced; restore it, or delete the spool"
                )
        return ""

    def _refusal(self, message: Refused, now_s: float) -> None:
        self.ready = False
        self._hello_s = now_s
        if message.code in _FATAL:
            self._give_up(message.text)
        elif message.code == "lease":
            self._lease_s = self._lease_s or now_s
            if now_s - self._lease_s > 1.5 * self._options.lease_s:
                self._give_up(message.text)
        elif message.code in ("hello", "gap"):
            self._hello_s = 0.0
        else:
            if self.alarm != message.text:
                log.warning("event=cut_off text=%s", message.text)
            self.alarm = message.text

    def _give_up(self, text: str) -> None:
        log.error("event=refused text=%s", text)
        self.refused, self.ready = text, False

    # ---- steps -------------------------------------------------------------------------------------------

    def _pump(self, now_s: float) -> None:
        """Sends from the spool while the window allows."""
        for record in self._spool.after(self._position):
            if self._in_flight and self._flight_bytes + record.nbytes > self._window:
                return
            batch = self._fresh.get(record.number) or self._spool.read(record)
            if not self._send(encode_steps(self._session, batch)):
                return
            self._fresh.pop(record.number, None)
            self._under_way(record, now_s)

    def _under_way(self, record: Record, now_s: float) -> None:
        """Notes that a batch was sent."""
        self.counters["sent_batches"] += 1
        self.counters["resent_batches"] += record.number < self._sent_end
        self._sent_end = max(self._sent_end, record.number + 1)
        if not self._in_flight:
            self.progress_s = now_s
        self._position = record.number + 1
        self._in_flight[record.number] = record.nbytes
        self._flight_bytes += record.nbytes

    def _release(self, cursors: tuple[Cursor, ...], now_s: float) -> None:
        for cursor in cursors:
            for record in self._spool.release(cursor.stream, cursor.next_step):
                self.progress_s, self._patience = now_s, 1
                self.counters["acked_steps"] += record.length
                self._flight_bytes -= self._in_flight.pop(record.number, 0)
                self._fresh.pop(record.number, None)

    def _want(self, now_s: float) -> None:
        """Asks for weights newer than all that were seen; the answer may take as long as it likes."""
        self._want_s = now_s
        self._send(encode(WantWeights(self._session, *self.inbox.seen)))

    def _send(self, frames: list[Buffer]) -> bool:
        """Whether the socket took it; it does not while there is no connection or too much is under way."""
        with contextlib.suppress(zmq.Again):
            self.socket.send_multipart(frames, zmq.NOBLOCK, copy=False)
            return True
        return False
