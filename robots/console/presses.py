"""A button pressed on the page, as the Joy messages of a moment. Pure: time is an argument.

The listeners take Joy for what one person's hands do, so a message of the page repeats what a gamepad or a
keyboard does at that time and adds the button: it never lets go of a deadman that is held, and never stands
in for a device that fell silent.
"""

import math
from typing import Any, ClassVar

from sandlot.robots.teleop.mapping import TIMEOUT_S, Button, Hands, layout_error, merge

UP_S, DOWN_S = 0.08, 0.12
"""First seen up, or a press does not count; then down long enough that a lost message does not matter."""


class Press:
    """One press. Make it, then send what `hands` returns until that is None."""

    FRAME: ClassVar[str] = "page"
    """`frame_id` of the page's own messages."""

    def __init__(self, button: Button) -> None:
        self._button = button
        self._began_s = math.nan
        self._hands = Hands()
        self._heard_s = -math.inf

    def hands(self, other: tuple[Any, float], now_s: float) -> Hands | None:
        """What to send now.

        Args:
            other: the newest Joy message of another device, or None, and its age, s.
            now_s: now.
        """
        message, age_s = other
        if math.isnan(self._began_s):
            self._began_s = now_s
        if message is not None and age_s < TIMEOUT_S and not layout_error(message.axes, message.buttons):
            self._heard_s = now_s - age_s
            held = frozenset(b for b in Button if message.buttons[b])
            self._hands = Hands(tuple(message.axes), held)
        silent = self._heard_s > -math.inf and now_s - self._heard_s > TIMEOUT_S
        past_s = now_s - self._began_s
        if silent or past_s > 2 * UP_S + DOWN_S:
            return None
        down = UP_S <= past_s < UP_S + DOWN_S
        return merge([self._hands, Hands(down=frozenset({self._button}))]) if down else self._hands
