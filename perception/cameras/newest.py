"""The newest frame of a camera, and what became of the others. Pure: time is an argument."""

from dataclasses import dataclass

from sandlot.perception.cameras.frame import Frame, Shot

AHEAD_S = 0.005
"""A stamp may lie this much in the future: two clocks are never read at one instant."""
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 5.0


@dataclass
class Counts:
    """What happened to a camera since it was opened.

    Attributes:
        frames: frames that came.
        unseen: of those, how many were replaced by a newer one before anybody took them.
        lost: how many the device numbered and we never got.
        refused: how many had a stamp from the future, or not after the one before.
        failures: how often the device could not be opened or stopped giving frames.
    """

    frames: int = 0
    unseen: int = 0
    lost: int = 0
    refused: int = 0
    failures: int = 0


class Newest:
    """Keeps one frame. `offer` is for the reader's thread, `take` for whoever looks."""

    def __init__(self, latency_s: float = 0.0) -> None:
        self.frame: Frame | None = None
        self.counts = Counts()
        self._latency_s = latency_s
        self._sequence = -1
        self._taken = 0

    def offer(self, shot: Shot, now_s: float) -> bool:
        """A shot came; False when it is no new one and was refused."""
        stamp_s = shot.stamp_s - self._latency_s
        again = self.frame is not None and stamp_s <= self.frame.stamp_s
        if again or stamp_s > now_s + AHEAD_S:
            self.counts.refused += 1
            return False
        if shot.sequence > self._sequence >= 0:
            self.counts.lost += shot.sequence - self._sequence - 1
        self._sequence = shot.sequence
        if self.frame is not None and self._taken < self.frame.number:
            self.counts.unseen += 1
        self.counts.frames += 1
        self.frame = Frame(shot.pixels, stamp_s, shot.stamped, self.counts.frames)
        return True

    def restart(self) -> None:
        """The device was opened again: it numbers its frames anew."""
        self._sequence = -1

    def take(self) -> Frame | None:
        """The newest frame, which is seen from now on."""
        frame = self.frame
        if frame is not None:
            self._taken = frame.number
        return frame


def retry_s(failures: int) -> float:
    """How long to wait before a device is opened again, after this many failures in a row (1 or more)."""
    return min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 16))
