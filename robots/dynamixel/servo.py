"""One emulated servo: its control table and how it moves. Time is an argument."""

import math

from sandlot.robots.dynamixel import registers as reg
from sandlot.robots.dynamixel.protocol import Error
from sandlot.robots.dynamixel.registers import Register

MODEL_XM430 = 1020
TIME_CONSTANT_S = 0.02
MAX_SPEED_RADPS = 4.8
"""No-load speed of an XM430-W350 at 12 V."""
GOALS = frozenset([*range(100, 108), *range(116, 120)])
"""Addresses of goals: refused while the watchdog has tripped."""


class Servo:
    """Goes to its goal at the profile velocity, slowing down over the last milliseconds.

    Attributes:
        table: its registers.
        position_rad: where it is, from the centre.
    """

    def __init__(self, id_: int, position_rad: float = 0.0) -> None:
        self.table = bytearray(reg.TABLE_SIZE)
        self.position_rad, self._speed_radps = position_rad, 0.0
        self._now_s = self._heard_s = -math.inf
        self.set(reg.MODEL, MODEL_XM430)
        self.set(reg.FIRMWARE, 45)
        self.set(Register(7, 1), id_)
        self.set(reg.OPERATING_MODE, reg.POSITION_MODE)
        self._show()
        self._stay()

    def get(self, register: Register) -> int:
        """A register's value."""
        return register.unpack(bytes(self.table[register.address : register.address + register.size]))

    def set(self, register: Register, value: int) -> None:
        """Sets a register."""
        self.table[register.address : register.address + register.size] = register.pack(value)

    def heard(self, now_s: float) -> None:
        """A packet passed on the bus, which feeds the watchdog."""
        self.advance(now_s)
        self._heard_s = now_s

    def read(self, address: int, size: int) -> bytes | None:
        """Registers, None when they do not exist."""
        return bytes(self.table[address : address + size]) if address + size <= len(self.table) else None

    def write(self, address: int, data: bytes) -> Error:
        """Writes registers as the firmware would."""
        end = address + len(data)
        if end > len(self.table) or (address < reg.EEPROM_END and self.get(reg.TORQUE_ENABLE)):
            return Error.ACCESS
        if self._tripped() and not GOALS.isdisjoint(range(address, end)):
            return Error.RANGE
        on = self.get(reg.TORQUE_ENABLE)
        self.table[address:end] = data
        if self.get(reg.TORQUE_ENABLE) and not on:
            if self.get(reg.HARDWARE_ERROR):
                self.set(reg.TORQUE_ENABLE, 0)
                return Error.RESULT
            self._stay()
        return Error.NONE

    def fail(self, bits: int) -> None:
        """A hardware error: the servo switches its torque off and lets go."""
        self.set(reg.HARDWARE_ERROR, bits)
        self.set(reg.TORQUE_ENABLE, 0)

    def advance(self, now_s: float) -> None:
        """Moves on to a time."""
        step_s = now_s - self._now_s if math.isfinite(self._now_s) else 0.0
        self._now_s = now_s
        self._watch(now_s)
        drives = self.get(reg.TORQUE_ENABLE) and not self._tripped()
        moved = self._towards_goal(step_s) if drives else 0.0
        self.position_rad += moved
        self._speed_radps = moved / step_s if step_s > 0 else self._speed_radps
        self._show()

    def _watch(self, now_s: float) -> None:
        """Trips the watchdog when the bus was silent for too long: the servo stops and keeps its goal."""
        limit = self.get(reg.BUS_WATCHDOG)
        if 0 < limit < reg.WATCHDOG_TRIPPED and now_s - self._heard_s > limit * reg.WATCHDOG_UNIT_S:
            self.set(reg.BUS_WATCHDOG, reg.WATCHDOG_TRIPPED)

    def _tripped(self) -> bool:
        return self.get(reg.BUS_WATCHDOG) == reg.WATCHDOG_TRIPPED

    def _towards_goal(self, step_s: float) -> float:
        """How far it turns: most of the way there within the time constant, but no faster than it may."""
        goal_rad = (self.get(reg.GOAL_POSITION) - reg.CENTRE_TICKS) / reg.TICKS_PER_RAD
        wanted = (goal_rad - self.position_rad) * -math.expm1(-step_s / TIME_CONSTANT_S)
        profile = self.get(reg.PROFILE_VELOCITY) * reg.RADPS_PER_UNIT
        most = min(profile or MAX_SPEED_RADPS, MAX_SPEED_RADPS) * step_s
        return max(-most, min(most, wanted))

    def _stay(self) -> None:
        """The goal is where it is."""
        self.set(reg.GOAL_POSITION, self.get(reg.PRESENT_POSITION))

    def _show(self) -> None:
        """What its sensors say."""
        self.set(reg.PRESENT_POSITION, round(reg.CENTRE_TICKS + self.position_rad * reg.TICKS_PER_RAD))
        self.set(reg.PRESENT_VELOCITY, round(self._speed_radps / reg.RADPS_PER_UNIT))
        self.set(reg.PRESENT_CURRENT, round(10 * self._speed_radps))
