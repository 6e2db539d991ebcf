"""A gamepad made by SDL itself: everything but the plastic."""

import ctypes
import pathlib

import pygame

GAMEPAD = 1
"""SDL's type of a joystick whose layout it knows."""


def _sdl():
    """The SDL that pygame-ce bundles, the very library it calls."""
    root = pathlib.Path(pygame.__file__).parents[1] / "pygame_ce.libs"
    sdl = ctypes.CDLL(str(next(root.glob("libSDL2-2*"))))
    sdl.SDL_JoystickOpen.restype = ctypes.c_void_p
    sdl.SDL_JoystickSetVirtualAxis.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int16]
    sdl.SDL_JoystickSetVirtualButton.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8]
    sdl.SDL_JoystickSetVirtualHat.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint8]
    return sdl


class VirtualPad:
    """Plugged in by `plug`; axes and buttons by SDL's numbers."""

    def __init__(self, kind=GAMEPAD, axes=6, buttons=15, hats=0):
        self.sdl, self.shape = _sdl(), (kind, axes, buttons, hats)
        self.handle = None

    def plug(self):
        self.index = self.sdl.SDL_JoystickAttachVirtual(*self.shape)
        assert self.index >= 0
        self.handle = self.sdl.SDL_JoystickOpen(self.index)

    def unplug(self):
        """Pulls it out; does nothing when it is out."""
        if self.handle is not None:
            self.sdl.SDL_JoystickDetachVirtual(self.index)
        self.handle = None

    def axis(self, number, value):
        assert self.sdl.SDL_JoystickSetVirtualAxis(self.handle, int(number), round(32767 * value)) == 0

    def button(self, number, down=1):
        assert self.sdl.SDL_JoystickSetVirtualButton(self.handle, number, down) == 0

    def hat(self, value):
        assert self.sdl.SDL_JoystickSetVirtualHat(self.handle, 0, value) == 0
