"""3Dconnexion SpaceMice: reports through hidapi, taken apart by pyspacemouse."""

import importlib
import math
from typing import Any

from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop import layouts
from sandlot.robots.teleop.layouts import Feel
from sandlot.robots.teleop.mapping import Hands

LINGER_S = 0.3
"""A pause this short within a movement does not give control back."""
MAX_REPORTS = 64
AXES = ("x", "y", "z", "roll", "pitch", "yaw")


class SpaceMouse:
    """The first SpaceMouse found."""

    name = "spacemouse"

    def __init__(self, feel: Feel) -> None:
        self._feel = feel
        self._reports: _Reports | None = None
        self._mouse: Any = None
        self._moved_s = -math.inf

    def open(self) -> None:
        """Opens the first one that pyspacemouse knows."""
        try:
            parser, hid = importlib.import_module("pyspacemouse"), importlib.import_module("hid")
        except (ImportError, OSError) as error:
            raise DeviceError(
                f"a SpaceMouse needs 'pyspacemouse' and 'hidapi' ({error}): pip install 'sandlot[teleop]'"
            ) from error
        known = {info.hid_id: info for info in parser.get_device_specs().values()}
        found = next((e for e in hid.enumerate() if (e["vendor_id"], e["product_id"]) in known), None)
        if found is None:
            raise DeviceError(
                "no SpaceMouse is connected; plug one in or choose another device: keyboard, gamepad"
            )
        handle = hid.device()
        try:
            handle.open_path(found["path"])
            handle.set_nonblocking(True)
        except OSError as error:
            raise DeviceError(
                f"the SpaceMouse at {found['path'].decode()} cannot be opened ({error}); add a udev rule: "
                'SUBSYSTEM=="hidraw", ATTRS{idVendor}=="256f", MODE="0666"'
            ) from error
        self.attach(handle, known[found["vendor_id"], found["product_id"]])

    def attach(self, handle: Any, info: Any) -> None:
        """Reads from an open HID handle (`read(n)` gives a report, nothing when there is none)."""
        parser = importlib.import_module("pyspacemouse")
        info = parser.apply_axis_convention(info, parser.AxisConvention.ROS)
        self._reports = _Reports(handle)
        self._mouse = parser.SpaceMouseDevice(info, self._reports)
        self._moved_s = -math.inf

    def read(self, now_s: float) -> Hands:
        """Takes every report that has come since the last call."""
        if self._reports is None:
            raise DeviceError("the SpaceMouse is not open")
        try:
            for _ in range(MAX_REPORTS):
                state = self._mouse.read()
                if not self._reports.newest:
                    break
        except (OSError, IndexError) as error:  # gone; a report cut short
            raise DeviceError(f"the SpaceMouse was unplugged or sends nonsense ({error})") from error
        motion = [getattr(state, axis) for axis in AXES]
        if any(abs(v) > self._feel.dead_zone for v in motion):
            self._moved_s = now_s
        buttons = [*state.buttons, 0, 0]
        moving = now_s - self._moved_s <= LINGER_S
        return layouts.spacemouse(motion, bool(buttons[0]), bool(buttons[1]), moving, self._feel)

    def close(self) -> None:
        """Lets go of it."""
        if self._reports is not None:
            self._reports.handle.close()
        self._reports = self._mouse = None


class _Reports:
    """A HID handle that remembers its newest report, for the parser does not say whether there was one."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.newest = b""

    def read(self, size: int) -> bytes:
        """The next report, empty when there is none."""
        self.newest = bytes(self.handle.read(size))
        return self.newest
