"""Sandlot's robots as LeRobot knows robots; found by the distribution's name."""

from .config_sandlot_arm import SandlotArmConfig
from .sandlot_arm import SandlotArm

__all__ = ["SandlotArm", "SandlotArmConfig"]
