"""Every limit and period of the transport, and what is promised about delivery."""

import dataclasses

from sandlot.learners.errors import ConfigError

MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Limits and periods; the same object serves both ends.

    What is promised:

    * **Steps: exactly once, in order.** A step handed to `StepClient.send` is written to the actor's spool
      and sent, committed to the run store and only then acknowledged; then the spool forgets it. Whatever
      is lost or reordered on the way is sent again from the learner's cursor; the store keeps one of each.
    * **A full spool is refused aloud**: `send` raises SpoolFullError and does not take the batch.
    * **Weights: latest wins.** The actor asks with the version it has and is answered as soon as there is a
      newer one, so at most one message is under way. Never an older one than before.
    * **Figures** (`Status`, `Ack.info`): the newest value of each, at least every `heartbeat_s`.
    * **No call of the control loop waits**: `send`, `latest_weights` and `report` only hand over.
    * A **batch above a limit** is refused before memory is taken for it.

    Periods are measured by the steady clock.
    """

    max_batch_steps: int = 4096
    max_batch_bytes: int = 64 * MIB
    window_bytes: int = 8 * MIB
    """Unacknowledged steps under way for one actor; one batch may always be."""
    max_actors: int = 256
    max_weights_bytes: int = 512 * MIB
    undrained_bytes: int = 512 * MIB
    """Committed steps the learner has not taken over yet; beyond, commits wait."""
    group_bytes: int = 32 * MIB
    """Steps committed in one transaction."""
    spool_bytes: int = 1024 * MIB
    """The actor's unacknowledged steps, on its disk."""
    handover_bytes: int = 128 * MIB
    """Steps handed over by the control loop and not on the disk yet."""
    segment_bytes: int = 16 * MIB
    """The spool is deleted in pieces of this size."""
    spool_sync_s: float = 0.5
    """Steps unacknowledged for this long are fsynced at the actor: a power cut costs no more than these."""
    heartbeat_s: float = 0.25
    peer_timeout_s: float = 2.0
    """The peer is taken for gone, and a new connection made, after hearing nothing for so long."""
    lease_s: float = 1.0
    """An actor that was not heard for so long may be replaced by another of the same name."""
    alarm_s: float = 2.0
    """A commit that takes longer raises the alarm."""

    def __post_init__(self) -> None:
        """Refuses limits and periods that are not positive."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ConfigError(f"option '{field.name}' is {value}: it must be positive")
        if self.lease_s < 2 * self.heartbeat_s or self.peer_timeout_s < 2 * self.heartbeat_s:
            raise ConfigError(
                f"options 'lease_s' {self.lease_s} and 'peer_timeout_s' {self.peer_timeout_s} must be twice "
                f"'heartbeat_s' {self.heartbeat_s} or more, or one late message looks like a lost peer"
            )
