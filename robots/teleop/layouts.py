"""Which key, stick or knob means what: pure functions from a device's own state to `Hands`.

The layouts are those that LeRobot and HIL-SERL users have in their fingers; directions are REP-103 as seen
from behind the arm: away is x, left is y, up is z.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sandlot.learners.errors import ConfigError
from sandlot.robots.teleop.mapping import AXES, GRIPPER, Button, Hands


@dataclass(frozen=True, kw_only=True)
class Feel:
    """How a device feels in the hand.

    Attributes:
        dead_zone: deflection of an axis that counts as none, in [0, 0.9].
        speed: what full deflection means, as a share of the task's largest step, in (0, 1].
        turn_speed: the same for rotations.
    """

    dead_zone: float = 0.1
    speed: float = 0.5
    turn_speed: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.dead_zone <= 0.9:
            raise ConfigError(f"dead_zone={self.dead_zone} must lie in [0, 0.9]; 0.1 suits most devices")
        for name in ("speed", "turn_speed"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ConfigError(f"{name}={getattr(self, name)} must lie in (0, 1]")


class Pad(NamedTuple):
    """A gamepad by SDL's names: sticks in [-1, 1] (right and down positive), triggers in [0, 1].

    `down` holds names of buttons: a b x y back start leftshoulder rightshoulder dpleft dpright ...
    """

    left_x: float
    left_y: float
    right_x: float
    right_y: float
    left_trigger: float
    right_trigger: float
    down: frozenset[str]


PAD_BUTTONS = {
    "rightshoulder": Button.TAKE_OVER,
    "y": Button.SUCCESS,
    "a": Button.FAILURE,
    "x": Button.REDO,
    "dpleft": Button.REDO,
    "dpright": Button.NEXT,
    "back": Button.QUIT,
    "b": Button.STOP,
    "start": Button.ARM,
    "leftshoulder": Button.GO,
}

PULLED = 0.5
"""A trigger counts as a button from here on."""


def gamepad(pad: Pad, feel: Feel) -> Hands:
    """Left stick x and y, right stick z and yaw, triggers close and open; left shoulder held: tilt."""
    left_x, left_y, right_x, right_y = (past_dead_zone(v, feel.dead_zone) for v in pad[:4])
    move, tilt = (-left_y, -left_x), (0.0, 0.0)
    if "leftshoulder" in pad.down:
        move, tilt = (0.0, 0.0), (left_x, -left_y)
    grip = float(pad.right_trigger > PULLED) - float(pad.left_trigger > PULLED)
    down = frozenset(b for name, b in PAD_BUTTONS.items() if name in pad.down)
    return Hands(_axes((*move, -right_y), (*tilt, -right_x), grip, feel), down)


KEY_AXES = {
    "up": (0, 1.0),
    "down": (0, -1.0),
    "left": (1, 1.0),
    "right": (1, -1.0),
    "shift_r": (2, 1.0),
    "page_up": (2, 1.0),
    "shift_l": (2, -1.0),
    "page_down": (2, -1.0),
    "j": (5, 1.0),
    "l": (5, -1.0),
    "ctrl_r": (GRIPPER, 1.0),
    "o": (GRIPPER, 1.0),
    "ctrl_l": (GRIPPER, -1.0),
    "c": (GRIPPER, -1.0),
}
"""Key -> (axis, direction). A terminal knows no shift or control alone: page up, page down, o, c stand in."""

KEY_BUTTONS = {
    "s": Button.SUCCESS,
    "esc": Button.FAILURE,
    "r": Button.REDO,
    "n": Button.NEXT,
    "q": Button.QUIT,
    "x": Button.STOP,
    "a": Button.ARM,
    "g": Button.GO,
}

DRIVE_KEY = "space"
"""Takes control, and gives it back: a toggle, since a hand on the arrows cannot hold a deadman."""

KEYS = frozenset([*KEY_AXES, *KEY_BUTTONS, DRIVE_KEY])


def keyboard(down: frozenset[str], driving: bool, feel: Feel) -> Hands:
    """Arrows x and y, shifts z, controls the gripper, j and l yaw; `driving` is the state of the toggle."""
    axes = [0.0] * AXES
    for key in down & KEY_AXES.keys():
        axis, direction = KEY_AXES[key]
        axes[axis] = max(-1.0, min(1.0, axes[axis] + direction))
    buttons = {KEY_BUTTONS[k] for k in down & KEY_BUTTONS.keys()}
    if driving:
        buttons.add(Button.TAKE_OVER)
    return Hands(_axes(axes[:3], axes[3:6], axes[GRIPPER], feel), frozenset(buttons))


def spacemouse(motion: Sequence[float], left: bool, right: bool, moving: bool, feel: Feel) -> Hands:
    """The knob moves the tool as it is moved; left button closes, right opens, both together stop.

    Args:
        motion: x, y, z, roll, pitch, yaw in [-1, 1], REP-103.
        left: whether the left button is down.
        right: whether the right one is.
        moving: whether the knob was moved lately, which is what takes over.
        feel: dead zone and speeds.
    """
    shaped = [past_dead_zone(v, feel.dead_zone) for v in motion]
    down = {Button.STOP} if left and right else {Button.TAKE_OVER} if moving or left or right else set()
    return Hands(_axes(shaped[:3], shaped[3:], float(right) - float(left), feel), frozenset(down))


def past_dead_zone(value: float, dead_zone: float) -> float:
    """Zero inside the dead zone, then from 0 on without a jump, in [-1, 1]."""
    beyond = (min(abs(value), 1.0) - dead_zone) / (1.0 - dead_zone)
    return 0.0 if beyond <= 0.0 else beyond if value > 0 else -beyond


def _axes(move: Sequence[float], turn: Sequence[float], grip: float, feel: Feel) -> tuple[float, ...]:
    """The axes of a Joy message; + 0.0 keeps -0.0 out of it."""
    return (*(feel.speed * v + 0.0 for v in move), *(feel.turn_speed * v + 0.0 for v in turn), grip)
