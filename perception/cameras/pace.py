"""When the next frame of a recording is due."""

import time


class Pace:
    """Frames of a recording, one every `period_s`; those that are long overdue are not made up for."""

    def __init__(self, period_s: float, now_s: float) -> None:
        self._period_s, self._due_s = period_s, now_s

    def wait(self) -> float:
        """Waits until the next frame is due and returns that time, steady clock."""
        now_s = time.monotonic()
        self._due_s = max(self._due_s + self._period_s, now_s - self._period_s)
        time.sleep(max(0.0, self._due_s - now_s))
        return self._due_s
