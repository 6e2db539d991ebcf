"""Keys in a plain terminal, which sends characters and never says that a key was let go."""

import os
import select
import sys
import termios
import tty

from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop.layouts import KEY_AXES, KEYS

AXIS_HOLD_S = 0.15
"""A terminal repeats a held key every 30-40 ms and never says that it was let go."""
PRESS_HOLD_S = 0.6
"""It begins to repeat after half a second: a press of any other key lasts that long, to be one press."""

SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[5~": "page_up",
    b"\x1b[6~": "page_down",
    b"\x1b": "esc",
    b" ": "space",
}


def terminal_keys(data: bytes) -> list[str]:
    """The keys in what a terminal sent at once; a lone escape is the key itself, others are left out."""
    keys, i = [], 0
    data = data.replace(b"\x1bO", b"\x1b[")  # arrows in the terminal's application mode
    while i < len(data):
        code = next((c for c in SEQUENCES if data.startswith(c, i)), data[i : i + 1])
        if code == b"\x1b" and data[i + 1 : i + 2] == b"[":  # a sequence that means nothing to us
            end = i + 2
            while end < len(data) and not 0x40 <= data[end] <= 0x7E:
                end += 1
            i = end + 1
            continue
        key = SEQUENCES.get(code, code.decode("latin-1").lower())
        if key in KEYS:
            keys.append(key)
        i += len(code)
    return keys


class TerminalKeys:
    """A raw terminal, standard input by default; Ctrl-C still interrupts."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._fd = sys.stdin.fileno() if descriptor is None else descriptor
        if not os.isatty(self._fd):
            raise DeviceError("standard input is no terminal")
        self._saved = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        self._until: dict[str, float] = {}

    def down(self, now_s: float) -> frozenset[str]:
        """Keys that were sent lately enough."""
        while select.select([self._fd], [], [], 0.0)[0]:
            try:
                data = os.read(self._fd, 1024)
            except OSError as error:  # the terminal was closed
                raise DeviceError(f"the terminal is gone ({error})") from error
            if not data:
                raise DeviceError("the terminal is gone (end of input)")
            for key in terminal_keys(data):
                self._until[key] = now_s + (AXIS_HOLD_S if key in KEY_AXES else PRESS_HOLD_S)
        return frozenset(k for k, until_s in self._until.items() if until_s >= now_s)

    def close(self) -> None:
        """Gives the terminal back as it was."""
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)
        except termios.error:  # it no longer exists
            return
