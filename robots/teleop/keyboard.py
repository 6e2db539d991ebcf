"""The keyboard as a teleoperation device: a toggle for control over whichever way to read keys works."""

import os
from collections.abc import Callable

from sandlot.learners.errors import ConfigError
from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop import layouts
from sandlot.robots.teleop.desktop_keys import EvdevKeys, PynputKeys
from sandlot.robots.teleop.keys import Keys
from sandlot.robots.teleop.layouts import DRIVE_KEY, Feel
from sandlot.robots.teleop.mapping import Hands
from sandlot.robots.teleop.terminal_keys import TerminalKeys

ALL_OF = ("auto", "evdev", "pynput", "terminal")


class Keyboard:
    """A keyboard with its toggle for control: off at the start, and off again when the keyboard was lost."""

    name = "keyboard"

    def __init__(self, feel: Feel, how: str = "auto") -> None:
        if how not in ALL_OF:
            raise ConfigError(f"keyboard '{how}' does not exist; choose one of {', '.join(ALL_OF)}")
        self._feel, self._how = feel, how
        self._keys: Keys | None = None
        self._driving = self._toggled = False

    def open(self) -> None:
        """Opens the first way that works here, or the one asked for."""
        self.attach(_open(self._how))

    def attach(self, keys: Keys) -> None:
        """Reads these keys."""
        self._keys, self._driving, self._toggled = keys, False, False

    def read(self, now_s: float) -> Hands:
        """What is pressed now."""
        if self._keys is None:
            raise DeviceError("the keyboard is not open")
        down = self._keys.down(now_s)
        if DRIVE_KEY in down and not self._toggled:
            self._driving = not self._driving
        self._toggled = DRIVE_KEY in down
        return layouts.keyboard(down, self._driving, self._feel)

    def close(self) -> None:
        """Lets go of it."""
        if self._keys is not None:
            self._keys.close()
        self._keys = None


def _open(how: str) -> Keys:
    """The keys by name; `auto` prefers what sees releases, but over SSH only the terminal is at hand."""
    makers: dict[str, Callable[[], Keys]] = {
        "evdev": EvdevKeys,
        "pynput": PynputKeys,
        "terminal": TerminalKeys,
    }
    if how != "auto":
        return makers[how]()
    tried = []
    remote = "SSH_CONNECTION" in os.environ
    for name in ("terminal",) if remote else tuple(makers):
        try:
            return makers[name]()
        except DeviceError as error:
            tried.append(f"{name}: {error}")
    raise DeviceError(
        f"no keyboard can be read ({'; '.join(tried)}); start the node in a terminal of its own"
    )
