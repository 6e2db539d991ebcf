"""What the learner knows of each connected actor, and the rules of the conversation, without any socket.

Pure bookkeeping: every method takes what arrived and the time, and returns what to answer.
"""

import dataclasses
from collections.abc import Callable

from sandlot.learners.errors import GapError, RecordError, RefusedError
from sandlot.learners.schema import EnvSpec, Stream
from sandlot.learners.transport.keys import SHARED_KEY
from sandlot.learners.transport.options import Options
from sandlot.learners.wire import Batch, Cursor, Hello, WantWeights, Welcome


@dataclasses.dataclass
class Session:
    """One actor's connection, from its hello to the next."""

    peer: bytes
    actor: str
    run: str
    number: int
    heard_s: float
    want: WantWeights | None = None
    values: dict[str, float] = dataclasses.field(default_factory=dict)
    stale: bool = False
    """Steps are ignored until the next hello: one was missing."""


@dataclasses.dataclass
class Identity:
    """What this learner is: an actor must agree with all of it."""

    spec: EnvSpec
    config: dict[str, str]
    learner_run: str
    generation: int = 0


class Refusal(RefusedError):
    """A refusal with its one-word code."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class Sessions:
    """All actors. `received` counts steps that arrived, `committed(stream)` those that are in the store."""

    def __init__(self, me: Identity, options: Options, committed: Callable[[Stream], int]) -> None:
        self._me, self._options, self._committed = me, options, committed
        self._by_peer: dict[bytes, Session] = {}
        self._by_actor: dict[str, Session] = {}
        self._received: dict[Stream, int] = {}

    def hello(self, peer: bytes, hello: Hello, now_s: float, key: str = "") -> Welcome:
        """Admits an actor, or raises Refusal naming the field that differs.

        Args:
            peer: its connection.
            hello: what it says.
            now_s: the time.
            key: name of the key it connected with, '' where there are none.
        """
        if key not in ("", SHARED_KEY, hello.actor):
            raise Refusal(
                "key",
                f"field 'actor' is '{hello.actor}', but the key is that of '{key}': "
                f"make one with `sandlot keys FOLDER --actors {hello.actor}`",
            )
        self._check(hello)
        old = self._by_actor.get(hello.actor)
        if old is not None and old.run != hello.run and now_s - old.heard_s < self._options.lease_s:
            raise Refusal("lease", f"actor '{hello.actor}' is already connected; give this one another name")
        if old is not None and old.run == hello.run and hello.session < old.number:
            raise Refusal(
                "late", f"hello {hello.session} of actor '{hello.actor}' arrived after {old.number}"
            )
        if old is None and len(self._by_actor) >= self._options.max_actors:
            self._forget_gone(now_s)
        if old is not None:
            self._by_peer.pop(old.peer, None)
        self.drop(peer)
        session = Session(peer, hello.actor, hello.run, hello.session, now_s)
        self._by_peer[peer] = self._by_actor[hello.actor] = session
        cursors = tuple(map(self.cursor, hello.streams))
        return Welcome(
            hello.session, self._me.learner_run, self._me.generation, self._options.window_bytes, cursors
        )

    def _check(self, hello: Hello) -> None:
        mine, theirs = self._me.config, hello.config
        differing = [f"spec.{line}" for line in hello.spec.differences(self._me.spec)]
        differing += [
            f"config.{name}: {theirs.get(name)!r} != {mine.get(name)!r}"
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        ]
        if differing:
            more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
            raise Refusal(
                "spec",
                f"field '{differing[0][:500]}'{more}: actor and learner differ; start both alike",
            )
        foreign = next((s for s in hello.streams if s.actor != hello.actor), None)
        if foreign:
            raise Refusal("frame", f"field 'streams': {foreign} does not belong to actor '{hello.actor}'")

    def _forget_gone(self, now_s: float) -> None:
        for session in list(self._by_actor.values()):
            if now_s - session.heard_s > self._options.lease_s:
                self.drop(session.peer)
        if len(self._by_actor) >= self._options.max_actors:
            raise Refusal("full", f"{self._options.max_actors} actors are connected (option 'max_actors')")

    def drop(self, peer: bytes) -> Session | None:
        """Forgets a connection and returns what it was."""
        session = self._by_peer.pop(peer, None)
        if session is not None and self._by_actor.get(session.actor) is session:
            del self._by_actor[session.actor]
        return session

    def session(self, peer: bytes, number: int, now_s: float) -> Session | None:
        """The session a message belongs to; None for one of an older hello. Raises Refusal for a stranger."""
        session = self._by_peer.get(peer)
        if session is None:
            raise Refusal("hello", "say hello first")
        session.heard_s = now_s
        return session if session.number == number else None

    def admit(self, session: Session, batch: Batch, pending_bytes: int) -> bool:
        """Whether to store a batch: False when all of it was received before.

        Args:
            session: who sends it.
            batch: what was sent.
            pending_bytes: what this actor sent that is not committed yet.

        Raises:
            RecordError: the stream belongs to another actor, or this one does not keep to its window.
            GapError: steps before it are missing; the session is stale until the next hello.
        """
        if batch.stream.actor != session.actor:
            raise RecordError(
                f"field 'stream.actor' is '{batch.stream.actor}', but actor '{session.actor}' sends it"
            )
        if session.stale:
            return False
        expected = self._received.get(batch.stream, self._committed(batch.stream))
        end = batch.first + len(batch.steps)
        if batch.first > expected:
            session.stale = True
            raise GapError(f"stream {batch.stream}: got step {batch.first}, but {expected} is next")
        if end <= expected:
            return False
        window = self._options.window_bytes
        if pending_bytes > window:
            raise RecordError(f"{pending_bytes} bytes are unacknowledged; keep to the window of {window}")
        self._received[batch.stream] = end
        return True

    def cursor(self, stream: Stream) -> Cursor:
        """How much of a stream is committed."""
        return Cursor(stream, self._committed(stream))

    def of_actor(self, actor: str) -> Session | None:
        """The connected session of an actor."""
        return self._by_actor.get(actor)

    def all(self) -> list[Session]:
        """Every connected session."""
        return list(self._by_peer.values())
