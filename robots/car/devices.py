"""Car devices by name. A device's module is imported only when it is asked for."""

from sandlot.robots.device import DeviceKind, find_kind

MODULES = {
    "sim": "sandlot.sim.car_device",
    "vesc": "sandlot.robots.car.device_vesc",
}


def find(name: str) -> DeviceKind:
    """A kind of device by its name; ConfigError lists the names."""
    return find_kind(MODULES, name)
