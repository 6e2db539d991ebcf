"""The newest policy, decoded and checked by its own thread, so that the control loop only picks it up."""

import logging
import threading
import time
from collections.abc import Callable

from sandlot.learners.errors import SandlotError
from sandlot.learners.policy import Policy
from sandlot.learners.schema import EnvSpec
from sandlot.learners.transport import Policy as Weights

log = logging.getLogger(__name__)

POLL_S = 0.01


class PolicyFeed:
    """Turns weights into a policy; refuses what is not finite, of another spec, or older than what it has.

    Attributes:
        policy: the newest good policy, None before the first.
        received_s: steady-clock time of its arrival.
        refused: weights that were not taken.
    """

    def __init__(self, newest: Callable[[], Weights | None], spec: EnvSpec) -> None:
        """Starts the thread; `newest` gives the newest weights without waiting, None while there are none."""
        self.policy: Policy | None = None
        self.received_s = 0.0
        self.refused = 0
        self._newest, self._spec = newest, spec
        self._seen = (-1, -1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy-feed", daemon=True)
        self._thread.start()

    def age_s(self, now_s: float) -> float:
        """Seconds since the newest weights came; 0 before the first."""
        return now_s - self.received_s if self.policy else 0.0

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            found = self._newest()
            if found is not None and (found.generation, found.version) != self._seen:
                self._seen = (found.generation, found.version)
                self._take(found)

    def _take(self, weights: Weights) -> None:
        try:
            policy = Policy.from_bytes(bytes(weights.payload), self._spec)
        except SandlotError as error:
            self.refused += 1
            log.warning("event=policy_refused refused=%d error=%r", self.refused, str(error))
            return
        self.policy, self.received_s = policy, time.monotonic()
