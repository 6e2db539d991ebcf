"""Keys of the computer one sits at: the kernel's own events (evdev) or an X server's (pynput)."""

import importlib
import os
from typing import Any

from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop.layouts import KEYS

EVDEV_CODES = {
    "KEY_UP": "up",
    "KEY_DOWN": "down",
    "KEY_LEFT": "left",
    "KEY_RIGHT": "right",
    "KEY_PAGEUP": "page_up",
    "KEY_PAGEDOWN": "page_down",
    "KEY_LEFTSHIFT": "shift_l",
    "KEY_RIGHTSHIFT": "shift_r",
    "KEY_LEFTCTRL": "ctrl_l",
    "KEY_RIGHTCTRL": "ctrl_r",
    "KEY_SPACE": "space",
    "KEY_ESC": "esc",
    **{f"KEY_{k.upper()}": k for k in KEYS if len(k) == 1},
}


class EvdevKeys:
    """The kernel's events of every keyboard at this computer, seen whichever window has the focus."""

    def __init__(self) -> None:
        try:
            evdev: Any = importlib.import_module("evdev")
        except ImportError as error:
            raise DeviceError("package 'evdev' is not installed (pip install 'sandlot[teleop]')") from error
        self._codes = {getattr(evdev.ecodes, code): key for code, key in EVDEV_CODES.items()}
        devices = [evdev.InputDevice(path) for path in evdev.list_devices()]
        needed = {evdev.ecodes.KEY_SPACE, evdev.ecodes.KEY_S}
        self._boards = [d for d in devices if needed <= set(d.capabilities().get(evdev.ecodes.EV_KEY, ()))]
        if not self._boards:
            raise DeviceError("no keyboard in /dev/input is readable (group 'input' may read them)")

    def down(self, now_s: float) -> frozenset[str]:
        """Keys that are down on any of them."""
        try:
            codes = {code for board in self._boards for code in board.active_keys()}
        except OSError as error:
            raise DeviceError(f"a keyboard was unplugged ({error})") from error
        return frozenset(self._codes[c] for c in codes & self._codes.keys())

    def close(self) -> None:
        """Lets go of them."""
        for board in self._boards:
            board.close()


class PynputKeys:
    """An X server's keyboard, through pynput's listener thread."""

    def __init__(self) -> None:
        if not os.environ.get("DISPLAY"):
            raise DeviceError("there is no X display")
        try:
            keyboard: Any = importlib.import_module("pynput.keyboard")
        except ImportError as error:
            raise DeviceError(f"pynput cannot be used ({error})") from error
        self._down: set[str] = set()
        self._listener = keyboard.Listener(on_press=self._press, on_release=self._release)
        self._listener.start()

    def down(self, now_s: float) -> frozenset[str]:
        """Keys that are down."""
        if not self._listener.is_alive():
            raise DeviceError("the X display is gone")
        return frozenset(self._down)

    def close(self) -> None:
        """Ends the listener."""
        self._listener.stop()

    def _press(self, key: Any) -> None:
        self._down.add(pynput_name(key))

    def _release(self, key: Any) -> None:
        self._down.discard(pynput_name(key))


def pynput_name(key: Any) -> str:
    """Our name of a pynput key.

    A letter goes by its key symbol: with control held its character differs, and it would never be let go.
    """
    symbol = getattr(key, "vk", None) or 0
    name = getattr(key, "name", None) or (chr(symbol).lower() if symbol < 128 else "")
    return {"shift": "shift_l", "ctrl": "ctrl_l"}.get(name, name)
