"""Messages between the web server and a process of its own: 4 bytes of length, then msgpack."""

import os
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from sandlot.learners.errors import SandlotError

HEAD = struct.Struct("<I")
MOST_BYTES = 16 * 1024 * 1024
Message = dict[str, Any]


def pack(message: Message) -> bytes:
    """A message as bytes."""
    body = msgspec.msgpack.encode(message)
    return HEAD.pack(len(body)) + body


def unpack(body: bytes) -> Message:
    """The message in what follows its length."""
    return msgspec.msgpack.decode(body, type=Message)


class Pipe:
    """The child's end: what comes in on stdin, and answers and events on what was stdout."""

    def __init__(self) -> None:
        self._in: BinaryIO = sys.stdin.buffer
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)  # whatever a library prints must not get between two messages
        self._lock = threading.Lock()

    def read(self) -> Message | None:
        """The next message; None when the server is gone."""
        head = self._in.read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        body = self._in.read(HEAD.unpack(head)[0])
        return unpack(body)

    def write(self, message: Message) -> None:
        """Sends a message; waits while the server does not read, ends the process when it is gone."""
        data = memoryview(pack(message))
        try:
            with self._lock:
                while data:
                    data = data[self._out.write(data) :]
        except BrokenPipeError:
            os._exit(0)  # threads of a library must not keep a process without a server alive

    def answer(self, message: Message, work: Callable[..., Any]) -> None:
        """Calls `work` with a message's arguments and sends what it returns, or why it refused."""
        try:
            self.write({"id": message["id"], "result": work(**message["args"])})
        except SandlotError as error:
            self.write({"id": message["id"], "error": " ".join(str(error).split())})
