"""What a VESC says of itself: its firmware, its measurements, why it faults.

The layout of the measurements grew at its end from one firmware to the next, so what is there is read by the
reply's length, and a length that no known firmware has is refused: offsets would be guessed.
"""

import math
import struct
from typing import NamedTuple

from sandlot.robots.vesc.protocol import Command

OLDEST = (3, 33)
"""Firmware before this put the same numbers elsewhere."""

FAULTS = (
    "none", "over voltage", "under voltage", "gate driver", "absolute over current", "FET too hot",
    "motor too hot", "gate driver over voltage", "gate driver under voltage", "processor under voltage",
    "booted after a watchdog reset", "encoder SPI", "encoder amplitude too low", "encoder amplitude too high",
    "flash corrupted", "current sensor 1 offset", "current sensor 2 offset", "current sensor 3 offset",
    "unbalanced currents", "brake", "resolver tracking lost", "resolver signal degraded",
    "resolver signal lost", "application settings corrupted", "motor settings corrupted",
    "encoder sees no magnet", "encoder magnet too strong", "phase filter",
)  # fmt: skip
"""The firmware's fault codes by number."""


class FirmwareError(ValueError):
    """A reply that this protocol does not know, or a firmware that is too old."""


class Firmware(NamedTuple):
    """Who is at the other end: version, the board's name, its unique number in hexadecimal digits."""

    major: int
    minor: int
    board: str
    uuid: str

    def __str__(self) -> str:
        return f"firmware {self.major}.{self.minor:02d} on '{self.board}'"


class Values(NamedTuple):
    """A VESC's measurements; what its firmware does not send is NaN, or 0 for whole numbers.

    Attributes:
        fet_c: temperature of the transistors.
        motor_c: of the motor, where it has a sensor.
        motor_a: current through the motor, positive while it drives.
        battery_a: current from the battery.
        duty: share of the battery's voltage at the motor, -1 to 1.
        erpm: electrical revolutions per minute, signed.
        battery_v: the battery's voltage.
        used_ah: charge taken since it was switched on.
        charged_ah: charge given back.
        used_wh: energy taken.
        charged_wh: energy given back.
        tachometer: sixths of electrical revolutions, signed.
        tachometer_abs: the same without sign.
        fault: a number in `FAULTS`.
        controller: its id on the CAN bus.
        status: bit 0: it stopped because no command came; bit 1: its kill switch is pressed.
    """

    fet_c: float
    motor_c: float
    motor_a: float
    battery_a: float
    duty: float
    erpm: float
    battery_v: float
    used_ah: float = math.nan
    charged_ah: float = math.nan
    used_wh: float = math.nan
    charged_wh: float = math.nan
    tachometer: int = 0
    tachometer_abs: int = 0
    fault: int = 0
    controller: int = 0
    status: int = 0

    @property
    def fault_text(self) -> str:
        """The fault in words, empty when there is none."""
        if not self.fault:
            return ""
        return FAULTS[self.fault] if self.fault < len(FAULTS) else f"fault {self.fault}"

    @property
    def timed_out(self) -> bool:
        """Whether the firmware let go because no command came."""
        return bool(self.status & 1)

    @property
    def killed(self) -> bool:
        """Whether its kill switch is pressed."""
        return bool(self.status & 2)


_FIELDS = (
    ("fet_c", "h", 10), ("motor_c", "h", 10), ("motor_a", "i", 100), ("battery_a", "i", 100), ("", "i", 100),
    ("", "i", 100), ("duty", "h", 1000), ("erpm", "i", 1), ("battery_v", "h", 10), ("used_ah", "i", 10_000),
    ("charged_ah", "i", 10_000), ("used_wh", "i", 10_000), ("charged_wh", "i", 10_000),
    ("tachometer", "i", 0), ("tachometer_abs", "i", 0), ("fault", "B", 0), ("", "i", 0),
    ("controller", "B", 0), ("", "h", 10), ("", "h", 10), ("", "h", 10), ("", "i", 1000), ("", "i", 1000),
    ("status", "B", 0),
)  # fmt: skip
"""Name (empty: of no use to a car), type and divisor (0: a whole number) of each, in order, after the id."""

_KINDS = "".join(kind for _, kind, _ in _FIELDS)
SIZES = tuple(1 + struct.calcsize(f">{_KINDS[:count]}") for count in (16, 17, 18, 21, 23, 24))
"""Lengths of a reply, the id included, that firmware since `OLDEST` sends; later ones may be longer."""


def read_values(payload: bytes) -> Values:
    """The measurements in a reply to `GET_VALUES`; FirmwareError for a length that no known firmware has."""
    size = len(payload)
    if payload[:1] != bytes([Command.GET_VALUES]) or (size not in SIZES and size < SIZES[-1]):
        raise FirmwareError(
            f"its measurements are {size} bytes long, known are {', '.join(map(str, SIZES))} and more: "
            f"a firmware that is not supported; install one from {OLDEST[0]}.{OLDEST[1]} on with VESC Tool"
        )
    found: dict[str, float] = {}
    at = 1
    for name, kind, scale in _FIELDS:
        if at >= size:
            break
        (raw,) = struct.unpack_from(f">{kind}", payload, at)
        at += struct.calcsize(f">{kind}")
        if name:
            found[name] = raw / scale if scale else raw
    return Values(**found)  # type: ignore[arg-type]  # whole numbers where the divisor is 0


def write_values(values: Values, size: int = SIZES[-1]) -> bytes:
    """The reply that a VESC would send, of one of `SIZES`: for emulators."""
    if size not in SIZES:
        raise ValueError(f"no firmware sends {size} bytes; they send {', '.join(map(str, SIZES))}")
    payload = bytes([Command.GET_VALUES])
    for name, kind, scale in _FIELDS:
        if len(payload) == size:
            break
        value = getattr(values, name) if name else 0
        payload += struct.pack(f">{kind}", round(value * (scale or 1)) if math.isfinite(value) else 0)
    return payload


def read_firmware(payload: bytes) -> Firmware:
    """Who answered `FW_VERSION`; FirmwareError when it is too old or says nothing of itself."""
    if len(payload) < 3 or payload[0] != Command.FW_VERSION:
        raise FirmwareError("it does not say which firmware it has")
    board, _, rest = payload[3:].partition(b"\0")
    found = Firmware(payload[1], payload[2], board.decode("ascii", "replace"), rest[:12].hex())
    if found[:2] < OLDEST:
        raise FirmwareError(
            f"{found} is too old: its measurements are laid out otherwise; "
            f"install {OLDEST[0]}.{OLDEST[1]} or newer with VESC Tool"
        )
    return found


def write_firmware(firmware: Firmware) -> bytes:
    """The reply that a VESC would send: for emulators."""
    head = bytes([Command.FW_VERSION, firmware.major, firmware.minor])
    return head + firmware.board.encode("ascii") + b"\0" + bytes.fromhex(firmware.uuid) + b"\0\0"
