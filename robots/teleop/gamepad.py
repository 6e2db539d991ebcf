"""Gamepads through SDL (pygame-ce), which knows the layout of nearly every one."""

import importlib
import os
from typing import Any

from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop import layouts
from sandlot.robots.teleop.layouts import Feel, Pad
from sandlot.robots.teleop.mapping import Hands

BUTTONS = (
    *("a", "b", "x", "y", "back", "guide", "start", "leftstick", "rightstick"),
    *("leftshoulder", "rightshoulder", "dpup", "dpdown", "dpleft", "dpright"),
)
"""SDL's order of a controller's buttons."""

PLAIN_BUTTONS = (
    "x",
    "a",
    "b",
    "y",
    "leftshoulder",
    "rightshoulder",
    "lefttrigger",
    "righttrigger",
    "back",
    "start",
)
"""A pad that SDL has no layout for, in DirectInput's order: 5 takes over, 6 closes, 7 opens the gripper."""

FULL = 32767.0


class Gamepad:
    """The first gamepad found."""

    name = "gamepad"

    def __init__(self, feel: Feel) -> None:
        self._feel = feel
        self._pygame: Any = None
        self._pad: Any = None
        self._id = -1
        self._controller: Any = None  # when SDL knows its layout

    def open(self) -> None:
        """Opens the first pad; SDL stays initialised, so that a replugged one is noticed."""
        pygame = self._sdl()
        pygame.event.pump()
        if pygame.joystick.get_count() == 0:
            raise DeviceError(
                "no gamepad is connected; plug one in (on Linux /dev/input/event* must be readable) or "
                "choose another device: keyboard, spacemouse"
            )
        self._pad = pygame.joystick.Joystick(0)
        self._id = self._pad.get_instance_id()
        if pygame._sdl2.controller.is_controller(0):
            self._controller = pygame._sdl2.controller.Controller(0)
        elif self._pad.get_numaxes() < 4 or self._pad.get_numbuttons() < len(PLAIN_BUTTONS):
            raise DeviceError(
                f"gamepad '{self._pad.get_name()}' has {self._pad.get_numaxes()} axes and "
                f"{self._pad.get_numbuttons()} buttons; use one with 4 and {len(PLAIN_BUTTONS)}"
            )

    def read(self, now_s: float) -> Hands:
        """Sticks and buttons now."""
        for event in self._pygame.event.get():
            if event.type == self._pygame.JOYDEVICEREMOVED and event.instance_id == self._id:
                raise DeviceError("the gamepad was unplugged")
        return layouts.gamepad(self._named() if self._controller else self._plain(), self._feel)

    def close(self) -> None:
        """Lets go of the pad."""
        for handle in (self._controller, self._pad):
            if handle is not None:
                handle.quit()
        self._controller = self._pad = None

    def _named(self) -> Pad:
        """By SDL's layout of this pad."""
        axes = [max(-1.0, self._controller.get_axis(i) / FULL) for i in range(6)]
        down = frozenset(n for i, n in enumerate(BUTTONS) if self._controller.get_button(i))
        return Pad(axes[0], axes[1], axes[2], axes[3], axes[4], axes[5], down)

    def _plain(self) -> Pad:
        """In DirectInput's order: the hat is the pad of four arrows."""
        left_x, left_y, right_x, right_y = (self._pad.get_axis(i) for i in range(4))
        down = {name for i, name in enumerate(PLAIN_BUTTONS) if self._pad.get_button(i)}
        if self._pad.get_numhats():
            down |= {-1: {"dpleft"}, 0: set(), 1: {"dpright"}}[self._pad.get_hat(0)[0]]
        triggers = (float("lefttrigger" in down), float("righttrigger" in down))
        return Pad(left_x, left_y, right_x, right_y, *triggers, frozenset(down))

    def _sdl(self) -> Any:
        """Pygame with what a gamepad needs; it must neither open a window nor print."""
        if self._pygame is None:
            os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
            os.environ.setdefault("SDL_JOYSTICK_ALLOW_BACKGROUND_EVENTS", "1")
            try:
                pygame = importlib.import_module("pygame")
                importlib.import_module("pygame._sdl2.controller")
            except ImportError as error:
                raise DeviceError(
                    "a gamepad needs the package 'pygame-ce': pip install 'sandlot[teleop]'"
                ) from error
            pygame.display.init()  # SDL's events need it, even without a display
            pygame.joystick.init()
            pygame._sdl2.controller.init()
            self._pygame = pygame
        return self._pygame
