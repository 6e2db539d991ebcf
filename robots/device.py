"""What a driver node needs of any device with cameras of its own."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from sandlot.learners.errors import ConfigError


@dataclass(frozen=True)
class Frame:
    """One picture: `stamp_s` is `time.monotonic` of the exposure, `pixels` uint8 [H, W, 3] RGB."""

    stamp_s: float
    pixels: np.ndarray


class Device(Protocol):
    """Anything that a driver node drives. Its methods raise DeviceError with the way out."""

    cameras: tuple[str, ...]

    def connect(self) -> None:
        """Opens the connection and checks who is there; nothing moves."""
        ...

    def frames(self, now_s: float) -> dict[str, Frame]:
        """The newest frame of each own camera; called by one thread of its own, which it may keep waiting."""
        ...

    def hold(self, now_s: float) -> None:
        """Stops as fast as is safe, and stays."""
        ...

    def close(self) -> None:
        """Leaves the robot at rest and frees the connection; may be called twice."""
        ...


@runtime_checkable
class OwnCameras(Protocol):
    """A device whose `frames` holds something that only the thread which called it may free."""

    def close_frames(self) -> None:
        """The last call of that thread."""
        ...


class DeviceKind(NamedTuple):
    """A kind of device: `make(config_type(...))` gives one."""

    config_type: type[Any]
    make: Callable[[Any], Any]


def find_kind(modules: Mapping[str, str], name: str) -> DeviceKind:
    """A kind of device by its name, its module imported only now; ConfigError lists the names.

    Such a module has a frozen dataclass `Config`, whose fields are parameters of the driver node, and a
    function `make(config)` that opens nothing yet; `connect` does.
    """
    if name not in modules:
        raise ConfigError(f"device '{name}' does not exist; choose from {', '.join(modules)}")
    module = importlib.import_module(modules[name])
    return DeviceKind(module.Config, module.make)
