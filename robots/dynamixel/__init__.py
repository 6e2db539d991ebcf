"""Dynamixel servos: protocol 2.0, the X series' registers, a serial bus, and an emulator on a pty.

Nothing here knows an arm or any other robot: it deals in ids, registers and ticks.
"""

from sandlot.robots.dynamixel.bus import Bus, BusConfig
from sandlot.robots.dynamixel.protocol import Status

__all__ = ["Bus", "BusConfig", "Status"]
