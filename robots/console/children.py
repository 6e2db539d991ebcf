"""The server's end of a process of its own: asked over a pipe, started again when it dies."""

import asyncio
import contextlib
import itertools
import logging
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sandlot.learners.errors import SandlotError
from sandlot.learners.process import PARENT_VARIABLE, USAGE_EXIT, RestartPolicy
from sandlot.robots.console.pipe import HEAD, MOST_BYTES, Message, pack, unpack

log = logging.getLogger(__name__)

MOST_WAITING = 32
STARTING = "starting"


class ChildError(SandlotError, RuntimeError):
    """A process of the page did not answer, or refused; the text is for the operator."""


class SilentError(ChildError):
    """It did not answer at all: it is frozen, dead or not started yet."""


class Child:
    """One process.

    Args:
        name: for the log and for the operator.
        argv: module and arguments for this Python.
        on_event: called with every message that answers no question.
        nice: how far it stands behind others.

    Attributes:
        problem: why it cannot be asked, "" when it can.
        on_ready: called at the beginning of each of its lives.
    """

    def __init__(
        self, name: str, argv: Sequence[str], on_event: Callable[[Message], None], *, nice: int = 0
    ) -> None:
        self.name, self.problem = name, STARTING
        self._argv = ["nice", "-n", str(nice)] * bool(nice) + [sys.executable, "-m", *argv]
        self._on_event = on_event
        self._process: asyncio.subprocess.Process | None = None
        self._refused = False
        self.on_ready: Callable[[], None] = lambda: None
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def run(self) -> None:
        """Keeps it running until cancelled, or until it refuses to run."""
        policy, code = RestartPolicy(), 0
        while code != USAGE_EXIT:
            began_s = time.monotonic()
            code = await self._live()
            self._fail_all()
            if code == USAGE_EXIT:
                break
            delay_s = policy.delay_s(time.monotonic() - began_s)
            self.problem = f"the page's process '{self.name}' ended and is started again"
            log.warning("event=child_died name=%s exit_code=%d restart_in_s=%.1f", self.name, code, delay_s)
            await asyncio.sleep(delay_s)

    async def ask(self, what: str, *, timeout_s: float, **args: Any) -> Any:
        """Its answer; ChildError when it refuses, SilentError when none comes."""
        if self.problem:
            raise (ChildError if self._refused else SilentError)(self.problem)
        if len(self._waiting) >= MOST_WAITING:
            raise ChildError(f"the page's process '{self.name}' is busy; try again")
        number = next(self._ids)
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            self.tell(what, number=number, **args)
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            raise SilentError(f"the page's process '{self.name}' did not answer in {timeout_s:g} s") from None
        finally:
            del self._waiting[number]

    def tell(self, what: str, *, number: int = 0, **args: Any) -> None:
        """Sends a message without waiting; one that cannot be sent is dropped."""
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(pack({"id": number, "what": what, "args": args}))

    def kill(self) -> None:
        """Ends one that does not answer; it is started again."""
        if self._process and self._process.returncode is None:
            self._process.kill()

    async def _live(self) -> int:
        """One life; its exit code."""
        process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=MOST_BYTES,
            env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            start_new_session=True,  # Ctrl-C reaches the server alone
        )
        self._process = process
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._listen(process)
            return await process.wait()
        finally:
            self._process = None
            if process.returncode is None:
                process.terminate()
                await asyncio.shield(_ended(process))

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        reader = process.stdout
        while reader is not None:
            (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
            message = unpack(await reader.readexactly(size))
            future = self._waiting.get(message.get("id", 0))
            if future is None:
                self._hear(message)
            elif not future.done() and "error" in message:
                future.set_exception(ChildError(message["error"]))
            elif not future.done():
                future.set_result(message["result"])

    def _hear(self, message: Message) -> None:
        if message.get("event") == "ready":
            self.problem = ""
            self.on_ready()
        elif message.get("event") == "refused":
            self.problem, self._refused = str(message["text"]), True
        else:
            self._on_event(message)

    def _fail_all(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(SilentError(f"the page's process '{self.name}' ended; try again"))


async def _ended(process: asyncio.subprocess.Process, within_s: float = 3.0) -> None:
    """Waits for a process that was told to end, and kills it when it does not."""
    waits: Awaitable[int] = process.wait()
    try:
        await asyncio.wait_for(waits, within_s)
    except TimeoutError:
        process.kill()
        await process.wait()
