"""The file that holds a machine's cameras: read, checked, and written back when a crop or calibration is new.

wrist:
  source: v4l2
  device: /dev/v4l/by-id/usb-046d_Logitech_...-video-index0
  width_px: 1280
"""

import dataclasses
import difflib
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import sources
from sandlot.perception.cameras.config import CameraConfig
from sandlot.perception.cameras.view import Crop

FILE = "cameras.yaml"
"""Where cameras are looked for when no other file is named."""
FIELDS = {f.name: f for f in dataclasses.fields(CameraConfig) if f.name != "name"}
KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def load(path: str | pathlib.Path) -> dict[str, CameraConfig]:
    """The cameras of a file by name; ConfigError names file, camera and field."""
    file = pathlib.Path(path)
    try:
        found = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(
            f"camera file '{file}' cannot be read: {error.strerror}; start from config/cameras.yaml"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"camera file '{file}' is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
        raise ConfigError(f"camera file '{file}' must map names to settings, as config/cameras.yaml does")
    try:
        cameras = {str(name): _camera(str(name), fields) for name, fields in found.items()}
        check_devices(cameras)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error
    return cameras


def pick(cameras: Mapping[str, CameraConfig], name: str, path: str | pathlib.Path) -> CameraConfig:
    """One camera of a file; ConfigError lists those there are."""
    if name not in cameras:
        raise ConfigError(f"camera '{name}' is not in {path}; there are: {', '.join(cameras)}")
    return cameras[name]


def pick_all(path: str | pathlib.Path, names: Iterable[str]) -> list[CameraConfig]:
    """Several cameras of a file."""
    known = load(path)
    return [pick(known, name, path) for name in names]


def pick_simulated(
    path: str | pathlib.Path, tasks: Sequence[str], names: Iterable[str]
) -> list[CameraConfig]:
    """Several cameras of a file that is for one of these simulated tasks, which show one world.

    Raises:
        ConfigError: a simulated camera of the file is another, or another task's.
    """
    found = pick_all(path, names)
    for config in found:
        fitting = [f"{task}/{config.name}" for task in tasks]
        if config.source == "sim" and config.device not in fitting:
            raise ConfigError(
                f"{path}: camera '{config.name}' is '{config.device}', and its crop is for that picture; "
                f"name a camera file of {' or '.join(tasks)}, or set its device to {fitting[0]}"
            )
    return found


def crops(path: str | pathlib.Path) -> dict[str, Crop]:
    """The crops of a file's cameras, of those that have one."""
    return {name: config.crop for name, config in load(path).items() if not config.crop.whole}


def check_devices(cameras: Mapping[str, CameraConfig]) -> None:
    """Refuses two names for one device: each would get every other frame, or the same frame twice."""
    real = [name for name, config in cameras.items() if config.source == "realsense"]
    if len(real) > 1 and any(not cameras[name].device for name in real):
        raise ConfigError(
            f"cameras {', '.join(real)} are RealSense: with more than one, each needs its serial number "
            "as its device"
        )
    owners: dict[str, str] = {}
    for name, config in cameras.items():
        device = sources.identity(config)
        if device in owners:
            raise ConfigError(
                f"cameras '{owners[device]}' and '{name}' are one device ({device}); a device has one name: "
                "remove one of the two"
            )
        owners[device] = name


def save(path: str | pathlib.Path, cameras: Mapping[str, CameraConfig]) -> None:
    """Writes the file anew, whole or not at all; the remarks above its first camera stay."""
    file = pathlib.Path(path)
    text = _head(file) + yaml.safe_dump(
        {name: fields(config) for name, config in cameras.items()}, sort_keys=False, width=100
    )
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        os.replace(beside, file)
    except OSError as error:
        raise ConfigError(f"camera file '{file}' cannot be written: {error.strerror}") from error


def fields(config: CameraConfig) -> dict[str, Any]:
    """A camera's settings as the file has them: those that differ from the default."""
    given = {n: getattr(config, n) for n in FIELDS}
    changed = {n: v for n, v in given.items() if v != _default(n)}
    return {n: list(v) if isinstance(v, tuple) else v for n, v in changed.items()}


def _default(name: str) -> Any:
    return {} if name == "calibration" else FIELDS[name].default


def _camera(name: str, given: Mapping[str, Any]) -> CameraConfig:
    for field in given:
        if field not in FIELDS:
            near = difflib.get_close_matches(field, FIELDS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(FIELDS)}"
            raise ConfigError(f"camera '{name}': unknown setting '{field}'; {hint}")
    if "source" not in given:
        known = ", ".join(sources.names())
        raise ConfigError(f"camera '{name}' lacks its setting 'source', one of {known}")
    return CameraConfig(name=name, **{field: _value(name, field, value) for field, value in given.items()})


def _value(name: str, field: str, value: Any) -> Any:
    """A setting as the config has it; ConfigError when the file holds another kind of thing."""
    if field == "crop":
        if isinstance(value, list) and len(value) == 4 and all(type(v) is int for v in value):
            return Crop(*value)
        raise ConfigError(
            f"camera '{name}': crop is {value}: it must be four whole numbers x, y, width, height"
        )
    if field == "calibration":
        if isinstance(value, dict):
            return value
        raise ConfigError(f"camera '{name}': calibration is {value!r}: `sandlot calibrate` writes it")
    if field == "device" and type(value) is int:  # a number of /dev/video, a serial number
        return str(value)
    kind = str(getattr(FIELDS[field].type, "__name__", FIELDS[field].type))
    if isinstance(value, bool) or not isinstance(value, KINDS[kind]):
        words = {"str": "text", "int": "a whole number", "float": "a number"}[kind]
        raise ConfigError(f"camera '{name}': {field} is {value!r}: it must be {words}")
    return float(value) if kind == "float" and isinstance(value, int | float) else value


def _head(file: pathlib.Path) -> str:
    """The remarks that a file begins with."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    end = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    return "".join(lines[:end])
