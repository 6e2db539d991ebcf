"""Who an actor is and whom it talks to: its settings, its hello, its socket."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import zmq

from sandlot.learners.schema import EnvSpec, Stream
from sandlot.learners.transport.keys import secure_actor
from sandlot.learners.transport.options import Options
from sandlot.learners.wire import MAX_HEADER_BYTES, Hello


class Peer(NamedTuple):
    """Who talks to whom, and what both must agree on."""

    address: str
    actor: str
    run: str
    config: Mapping[str, str]
    keys: Path | str | None

    def hello(self, session: int, spec: EnvSpec, streams: tuple[Stream, ...] = ()) -> Hello:
        """What this actor says first."""
        return Hello(session, self.actor, self.run, spec, dict(self.config), streams)

    def connect(self, context: zmq.Context[zmq.Socket[bytes]], options: Options) -> zmq.Socket[bytes]:
        """A socket that connects to the learner, again and again if need be."""
        socket = context.socket(zmq.DEALER)
        socket.linger = 0
        socket.immediate = 1
        socket.sndhwm = socket.rcvhwm = 256
        socket.maxmsgsize = max(options.max_weights_bytes, MAX_HEADER_BYTES)
        socket.reconnect_ivl = 50
        socket.reconnect_ivl_max = 500
        if self.keys:
            secure_actor(socket, self.keys, self.actor)
        socket.connect(self.address)
        return socket
