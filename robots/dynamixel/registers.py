"""The X series' control table as far as it is used (XM430, XC330, XL430 and relatives), and its units."""

import math
from typing import NamedTuple


class Register(NamedTuple):
    """One entry of the control table; numbers are little endian, two's complement when signed."""

    address: int
    size: int
    signed: bool = False

    def pack(self, value: int) -> bytes:
        """A value's bytes."""
        return value.to_bytes(self.size, "little", signed=self.signed)

    def unpack(self, data: bytes) -> int:
        """The value of bytes."""
        return int.from_bytes(data[: self.size], "little", signed=self.signed)


MODEL = Register(0, 2)
FIRMWARE = Register(6, 1)
OPERATING_MODE = Register(11, 1)
TORQUE_ENABLE = Register(64, 1)
HARDWARE_ERROR = Register(70, 1)
BUS_WATCHDOG = Register(98, 1)
PROFILE_VELOCITY = Register(112, 4)
GOAL_POSITION = Register(116, 4, signed=True)
PRESENT_CURRENT = Register(126, 2, signed=True)
PRESENT_VELOCITY = Register(128, 4, signed=True)
PRESENT_POSITION = Register(132, 4, signed=True)

MOTION = Register(PRESENT_CURRENT.address, 10)
"""Current, velocity and position in one read."""
ORDER = Register(PROFILE_VELOCITY.address, 8)
"""Profile velocity and goal position in one write."""

EEPROM_END = 64
"""Registers below are written only with torque off."""
TABLE_SIZE = 147

POSITION_MODE, EXTENDED_POSITION_MODE = 3, 4
TICKS_PER_RAD = 4096 / math.tau
CENTRE_TICKS = 2048
RADPS_PER_UNIT = 0.229 * math.tau / 60
"""Of present velocity and profile velocity."""
WATCHDOG_UNIT_S = 0.02
WATCHDOG_TRIPPED = 255
"""Until a 0 is written, goals are refused."""

HARDWARE_ERRORS = {
    0x01: "input voltage out of range",
    0x04: "overheated",
    0x08: "encoder fault",
    0x10: "electrical shock",
    0x20: "overload",
}


def hardware_errors(value: int) -> str:
    """The hardware error register in words."""
    return ", ".join(text for bit, text in HARDWARE_ERRORS.items() if value & bit) or f"code {value}"
