"""The learner's end: takes the actors' steps, acknowledges what is durable, hands out the newest weights."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandlot.learners.errors import ConfigError, SandlotError
from sandlot.learners.store import Stored
from sandlot.learners.transport.address import DEFAULT_ADDRESS, check_address
from sandlot.learners.transport.committer import Committer, Sink
from sandlot.learners.transport.options import Options
from sandlot.learners.transport.router import Router
from sandlot.learners.transport.sessions import Identity, Sessions
from sandlot.learners.wire import Buffer, Status, Weights, check_sendable, digest

log = logging.getLogger(__name__)


class StepServer:
    """Receives steps for a store and publishes weights, on two threads of its own.

    Every public method may be called by any thread, returns at once, and raises what ended a thread, if
    something did. Have it closed before the store.
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
            address: `tcp://HOST:PORT`; port 0 takes a free one (see the attribute `address`).
            config: settings an actor must agree with, name -> value.
            architecture: fingerprint of the policy's networks, sent with the weights.
            keys: key folder; needed for any address but loopback.
            options: limits and periods.

        Raises:
            BusyError: the port is in use.
            ConfigError: the address is malformed, or public and without keys.
        """
        check_address(address, keys)
        self._options, self._architecture = options or Options(), architecture
        identity = Identity(store.layout.spec, dict(config or {}), store.run_id)
        self._sessions = Sessions(identity, self._options, store.next_step)
        self._router = Router(address, store.layout, self._sessions, keys=keys, options=self._options)
        self.address = self._router.address
        self.run_id, self.generation = store.run_id, store.begin_life()
        identity.generation = self.generation
        self._lock = threading.Lock()
        self._version = -1
        self._info: dict[str, float] = {}
        self._committer = Committer(store, self._options, self._router.acknowledge)
        self._router.start(self._committer)
        log.info(
            "event=listening address=%s run=%s generation=%d", self.address, self.run_id, self.generation
        )

    def drain(self) -> list[Stored]:
        """Everything committed since the last call, in commit order."""
        self.check()
        return self._committer.drain()

    def publish_weights(self, payload: Buffer, *, version: int, step: int) -> None:
        """Makes these the newest weights; every connected actor gets them at once.

        Raises:
            ConfigError: `version` is not greater than the last one, or the payload is too large.
        """
        self.check()
        size = memoryview(payload).nbytes
        if size > self._options.max_weights_bytes:
            limit = self._options.max_weights_bytes
            raise ConfigError(
                f"weights of {size} bytes exceed option 'max_weights_bytes' = {limit}; raise it"
            )
        weights = Weights(0, self.run_id, self.generation, version, step, self._architecture, digest(payload))
        with self._lock:
            if version <= self._version:
                raise ConfigError(
                    f"weights version {version} is not newer than {self._version}; count upwards"
                )
            self._version = version
            self._router.publish(weights, payload)

    def set_info(self, values: Mapping[str, float]) -> None:
        """Tells every actor these figures, such as how many steps were trained on."""
        self.check()
        with self._lock:
            info = {**self._info, **{k: float(v) for k, v in values.items()}}
            check_sendable(Status(0, info), "figures")
            self._info = info
            self._router.tell(self._info)

    @property
    def alarm(self) -> str:
        """Why commits wait, one line, or ''."""
        return self._committer.alarm(time.monotonic())

    def status(self) -> dict[str, Any]:
        """Counters, alarm and, per actor, its figures and how long ago it was heard."""
        now_s, gatekeeper = time.monotonic(), self._router.gatekeeper
        return {
            **self._router.counters,
            **self._committer.counters(),
            "keys_refused": gatekeeper.refused if gatekeeper else 0,
            "alarm": self.alarm,
            "actors": {s.actor: {"heard_s": now_s - s.heard_s, **s.values} for s in self._sessions.all()},
        }

    def check(self) -> None:
        """Raises what ended one of the threads, if something did."""
        error = self._router.error or self._committer.error
        if error is not None:
            raise SandlotError(f"the step server stopped: {error!r}; see the log") from error

    def close(self) -> None:
        """Ends the network thread, commits what has arrived, and ends the other. Idempotent."""
        self._router.close()
        self._committer.close()

    def __enter__(self) -> "StepServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
