"""What a VESC does by itself when its host falls silent, out of its app settings.

The settings' layout differs from one firmware to the next, but not at their beginning, which is all that is
read: signature (u32), controller (u8), timeout (u32, ms), braking current (f32).
"""

import math
import struct
from typing import NamedTuple

from sandlot.robots.vesc.protocol import Command

_HEAD = struct.Struct(">BIBIf")
MOST_MS, MOST_A = 100_000, 1_000.0
"""Beyond these it is another layout."""
USUAL_SIZE = 330
"""Of a whole answer; firmware differs."""


class Timeout(NamedTuple):
    """Without a motor command for `timeout_s` (0: never) it brakes with `brake_a` (0: it lets go)."""

    timeout_s: float
    brake_a: float


def read_timeout(payload: bytes) -> Timeout | None:
    """The timeout in a reply to `GET_APPCONF`; None when the reply is laid out otherwise."""
    if len(payload) < _HEAD.size:
        return None
    command, _, _, timeout_ms, brake_a = _HEAD.unpack_from(payload)
    if command != Command.GET_APPCONF or timeout_ms > MOST_MS:
        return None
    if not (math.isfinite(brake_a) and 0.0 <= brake_a <= MOST_A):
        return None
    return Timeout(timeout_ms / 1e3, brake_a)


def write_timeout(timeout: Timeout) -> bytes:
    """The reply that a VESC would send: for emulators."""
    head = _HEAD.pack(Command.GET_APPCONF, 0x1A2B3C4D, 0, round(1e3 * timeout.timeout_s), timeout.brake_a)
    return head.ljust(USUAL_SIZE, b"\0")
