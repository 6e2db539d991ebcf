"""The Franka hand beside the arm: it takes one order at a time, so a thread of its own gives them."""

import logging
import math
import threading
from typing import Any

log = logging.getLogger(__name__)

LOOK_S = 0.05
CHANGE_M = 0.002
"""An order that differs by less is the same order."""
GRASP_BELOW_M = 0.01
"""An opening smaller than this means: close until there is something, and hold it with force."""


class FrankaHand:
    """Follows the newest order.

    Attributes:
        width_m: opening, measured some 20 times a second.
    """

    def __init__(self, hand: Any, speed_mps: float, force_n: float) -> None:
        self._hand, self._speed_mps, self._force_n = hand, speed_mps, force_n
        self._max_m = float(hand.max_width)
        self.width_m = float(hand.width)
        self._wanted_m = math.nan
        self._under_way: Any = None  # the future of the order that is being carried out
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="franka-hand", daemon=True)
        self._thread.start()

    def order(self, width_m: float) -> None:
        """Asks for an opening; returns at once. What is no number asks for nothing."""
        if math.isfinite(width_m):
            self._wanted_m = min(self._max_m, max(0.0, width_m))

    def close(self) -> None:
        """Ends the thread; the fingers stay as they are."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        sent_m = math.nan
        while not self._stop.wait(LOOK_S):
            try:
                self.width_m = float(self._hand.width)
                wanted_m = self._wanted_m
                if math.isfinite(wanted_m) and not abs(wanted_m - sent_m) < CHANGE_M:
                    sent_m = wanted_m
                    self._give(wanted_m)
            except Exception as error:  # the hand's failures are of several unrelated types
                log.error("event=hand_failed cause=%r", str(error))

    def _give(self, width_m: float) -> None:
        """Sends an order in place of the one that is being carried out."""
        if self._under_way is not None and not self._under_way.wait(0.0):
            self._hand.stop()
        if width_m < GRASP_BELOW_M:
            self._under_way = self._hand.grasp_async(0.0, self._speed_mps, self._force_n, 0.0, self._max_m)
        else:
            self._under_way = self._hand.move_async(width_m, self._speed_mps)
