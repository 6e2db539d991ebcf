"""Arm devices by name. A device's module is imported only when it is asked for.

Such a module has a frozen dataclass `Config`, whose fields are parameters of the driver node, and a function
`make(config) -> ArmDevice` that opens nothing yet; `connect` does.
"""

from sandlot.robots.device import DeviceKind, find_kind

MODULES = {
    "sim": "sandlot.sim.arm_device",
    "franka": "sandlot.robots.arm.device_franka",
    "topics": "sandlot.robots.arm.ros_device_topics",
    "dynamixel": "sandlot.robots.arm.device_dynamixel",
}


def find(name: str) -> DeviceKind:
    """A kind of device by its name; ConfigError lists the names."""
    return find_kind(MODULES, name)
