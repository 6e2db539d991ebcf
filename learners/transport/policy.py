"""Which weights an actor takes over: whole, of this learner's run, and newer than all it has seen."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sandlot.learners.wire import Buffer, Weights, digest

log = logging.getLogger(__name__)
_DAMAGED = "the payload does not have the digest of its header"


class Policy(NamedTuple):
    """Weights as they arrived. Newer means a greater (generation, version)."""

    generation: int
    version: int
    step: int
    payload: Buffer


class PolicyInbox:
    """Keeps the newest weights that may be used; used by one thread, `policy` may be read by any."""

    def __init__(self, architecture: str, check: Callable[[Policy], None] | None) -> None:
        self._architecture, self._check = architecture, check
        self.policy: Policy | None = None
        self.seen = (0, -1)
        """(generation, version) of the newest that arrived whole, taken over or not."""
        self.received = self.refused = self.ignored = 0

    def offer(self, message: Weights, payloads: Sequence[Buffer], run: str, generation: int) -> None:
        """Takes over weights, refuses bad ones aloud, and ignores old ones and those of another run."""
        key = (message.generation, message.version)
        if key <= self.seen or message.run != run or message.generation > generation:
            self.ignored += 1
            return
        if trouble := self._trouble(message, payloads):
            self.refused += 1
            log.error("event=weights_refused version=%d reason=%s", message.version, trouble)
        if trouble != _DAMAGED:
            self.seen = key

    def _trouble(self, message: Weights, payloads: Sequence[Buffer]) -> str:
        if len(payloads) != 1 or digest(payloads[0]) != message.digest:
            return _DAMAGED
        if self._architecture and message.architecture != self._architecture:
            return f"architecture {message.architecture!r} is not {self._architecture!r}"
        policy = Policy(message.generation, message.version, message.step, payloads[0])
        try:
            if self._check is not None:
                self._check(policy)
        except ValueError as error:
            return str(error)
        self.policy = policy
        self.received += 1
        return ""
