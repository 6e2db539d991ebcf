"""Arm devices by name. A device's module is imported only when it is asked for.

Such a module has a frozen dataclass `Config`, whose fields are parameters of the driver node, and a function
`make(config) -> ArmDevice` that opens nothing yet; `connect` does.
"""

import importlib
from typing import Any, NamedTuple, Protocol

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm.device import ArmDevice

MODULES = {
    "sim": "sandlot.sim.arm_device",
    "franka": "sandlot.robots.arm.device_franka",
    "topics": "sandlot.robots.arm.ros_device_topics",
    "dynamixel": "sandlot.robots.arm.device_dynamixel",
}


class _Make(Protocol):
    def __call__(self, config: Any) -> ArmDevice: ...


class DeviceKind(NamedTuple):
    """A kind of device: `make(config_type(...))` gives one."""

    config_type: type[Any]
    make: _Make


def find(name: str) -> DeviceKind:
    """A kind of device by its name; ConfigError lists the names."""
    if name not in MODULES:
        raise ConfigError(f"device '{name}' does not exist; choose from {', '.join(MODULES)}")
    module = importlib.import_module(MODULES[name])
    return DeviceKind(module.Config, module.make)
