"""What a person asks for: the one layout of `sensor_msgs/Joy`, and from Joy to `Intent`.

Every device publishes this layout, so nobody who listens knows which one it is:

    axes     0-2  translation x, y, z in the base frame: forward, left, up
             3-5  rotation vector x, y, z in the base frame
             6    gripper: 1 opens, -1 closes, 0 leaves it as it is
    buttons  by number: see `Button`

All axes lie in [-1, 1], dead zone and speed already applied: they are what the person wants for an action.
A device that is unplugged publishes nothing: silence is how the listeners learn of it.
"""

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

AXES = 7
GRIPPER = 6
TIMEOUT_S = 0.2
"""After this long without a message the person is gone: a joy node sends 50 a second."""


class Button(enum.IntEnum):
    """Where a button is in `Joy.buttons`."""

    TAKE_OVER = 0
    """The deadman: while it is down the person drives."""
    SUCCESS = 1
    FAILURE = 2
    REDO = 3
    """Throw this episode away and start it again."""
    NEXT = 4
    """End this episode here and keep it."""
    QUIT = 5
    """End the recording."""
    STOP = 6
    """Stop the robot now; the gate stays stopped until it is armed."""
    ARM = 7
    GO = 8
    """A car drives by itself only while this is down."""


@dataclass(frozen=True)
class Hands:
    """What a device reads at one instant: axes [7] and the buttons that are down."""

    axes: tuple[float, ...] = (0.0,) * AXES
    down: frozenset[Button] = frozenset()

    def buttons(self) -> list[int]:
        """The buttons as in a Joy message."""
        return [int(b in self.down) for b in Button]


@dataclass(frozen=True)
class Intent:
    """What the person wants now; an event is True once for each press.

    Attributes:
        alive: whether the device is heard at all.
        take_over: whether the person drives.
        action: translation, rotation, gripper in [-1, 1], float32 [7]; zeros when nobody drives.
        success: this episode succeeded.
        failure: it failed.
        redo: throw it away and do it again.
        next: end it here and keep it.
        quit: end the recording.
        stop: stop the robot; not an event but true as long as the button is down.
        arm: let it move again.
    """

    alive: bool = False
    take_over: bool = False
    action: np.ndarray = field(default_factory=lambda: np.zeros(AXES, np.float32))
    success: bool = False
    failure: bool = False
    redo: bool = False
    next: bool = False
    quit: bool = False
    stop: bool = False
    arm: bool = False


_LEVELS = (Button.TAKE_OVER, Button.STOP)
_NOTHING: frozenset[Button] = frozenset()


class Operator:
    """From Joy messages to intents: `offer` each message, `take` once per decision. Time is an argument.

    A button counts only after it was seen up since the device (re)appeared, so that neither a jammed deadman
    nor one held through an unplugged cable ever moves the robot: it takes a fresh press. The stop button
    counts always. What was pressed and let go between two `take` calls is not lost.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self.refused = 0  # messages of another layout, or not finite
        self.refusal = ""  # why the last one was
        self._heard_s = -math.inf
        self._axes = np.zeros(AXES, np.float32)
        self._gripper = 0.0  # the last opening or closing since `take`
        self._down = _NOTHING
        self._seen_up = _NOTHING
        self._events = _NOTHING

    def offer(self, axes: Sequence[float], buttons: Sequence[int], now_s: float) -> bool:
        """Notes a message received at `now_s`; False, counted in `refused`, when it is of another layout."""
        self.refusal = layout_error(axes, buttons)
        if self.refusal:
            self.refused += 1
            return False
        if not self.alive(now_s):
            self._forget()
        self._heard_s = now_s
        down = frozenset(b for b in Button if buttons[b])
        fresh = (down & self._seen_up) - self._down
        self._seen_up |= frozenset(Button) - down
        self._events |= fresh - frozenset(_LEVELS)
        if Button.STOP in down:
            self._events |= {Button.STOP}
        self._down = down
        self._axes = np.array(axes[:AXES], np.float32)
        if self._drives() and axes[GRIPPER]:
            self._gripper = float(axes[GRIPPER])
        return True

    def alive(self, now_s: float) -> bool:
        """Whether the device was heard lately."""
        return now_s - self._heard_s <= self.timeout_s

    def take(self, now_s: float) -> Intent:
        """What the person wants now, and what was pressed since the last call."""
        if not self.alive(now_s):
            self._forget()
        events, self._events = self._events, _NOTHING
        action = np.zeros(AXES, np.float32)
        if self._drives():
            action[:] = self._axes
            action[GRIPPER] = self._gripper or self._axes[GRIPPER]
        self._gripper = 0.0
        return Intent(
            alive=self.alive(now_s),
            take_over=self._drives(),
            action=action,
            success=Button.SUCCESS in events,
            failure=Button.FAILURE in events,
            redo=Button.REDO in events,
            next=Button.NEXT in events,
            quit=Button.QUIT in events,
            stop=Button.STOP in events or Button.STOP in self._down,
            arm=Button.ARM in events,
        )

    def _drives(self) -> bool:
        return Button.TAKE_OVER in self._down & self._seen_up

    def _forget(self) -> None:
        """The device is gone: nothing is held, and every button has to be seen up again."""
        self._down = self._seen_up = _NOTHING
        self._axes = np.zeros(AXES, np.float32)
        self._gripper = 0.0


def layout_error(axes: Sequence[float], buttons: Sequence[int]) -> str:
    """Why a Joy message is not in our layout; empty when it is."""
    if len(axes) != AXES or len(buttons) != len(Button):
        return (
            f"joy message with {len(axes)} axes and {len(buttons)} buttons: the layout has {AXES} and "
            f"{len(Button)}; start sandlot's own joy node (python -m sandlot.robots.teleop.joy_node)"
        )
    if not all(abs(a) <= 1.0 for a in axes):  # NaN compares false
        return f"joy message with axes {list(axes)}: each must be finite and in [-1, 1]"
    return ""


def merge(hands: Iterable[Hands]) -> Hands:
    """Several devices in one person's hands: axes add up, any button counts."""
    both = list(hands)
    axes = tuple(max(-1.0, min(1.0, sum(column))) for column in zip(*(h.axes for h in both), strict=True))
    return Hands(axes or (0.0,) * AXES, frozenset().union(*(h.down for h in both)))
