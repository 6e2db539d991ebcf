"""`sandlot cameras list|show|crop`."""

import dataclasses
import functools
import pathlib
import sys
import time
from typing import Any

import numpy as np
import tyro
from PIL import Image

from sandlot.cli import act, parse, print_result
from sandlot.learners.env_config import IMAGE_PX
from sandlot.learners.errors import ConfigError
from sandlot.perception.cameras import Camera, CameraConfig, Crop, devices, load, save, view
from sandlot.perception.cameras.crop_page import CropPage
from sandlot.perception.cameras.grid import grid_picture
from sandlot.perception.cameras.registry import FILE, pick

HELP = {
    "list": "the cameras of the camera file, and those that are plugged in",
    "show": "what a camera gives: a picture, its rate, the age of its frames",
    "crop": "choose the part of the picture that is used, on a page or with numbers",
}
FIRST_WITHIN_S = 15.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class List:
    """List the cameras of the camera file, and those that are plugged in.

    Attributes:
        file: the camera file.
        json: end with one line of JSON.
    """

    file: str = FILE
    json: bool = False

    def run(self) -> dict[str, Any]:
        """One line a camera."""
        known = load(self.file) if pathlib.Path(self.file).exists() else {}
        rows = {f"camera {name}": _summary(config) for name, config in known.items()}
        there = {f"found {d.source} {d.device}": d.name for d in (*devices.v4l2(), *devices.realsense())}
        return {**rows, **there} or {"cameras": f"none in {self.file}, none plugged in"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Show:
    """Look at a camera for some seconds; write its picture with the crop, and what is observed of it.

    Attributes:
        camera: its name in the camera file.
        file: the camera file.
        out: the picture to write, .png; `CAMERA.png` when empty.
        px: width and height of the observation.
        seconds: how long to look.
        json: end with one line of JSON.
    """

    camera: tyro.conf.Positional[str]
    file: str = FILE
    out: str = ""
    px: int = 128
    seconds: float = 3.0
    json: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError for what no observation has."""
        if not IMAGE_PX[0] <= self.px <= IMAGE_PX[1]:
            raise ConfigError(f"--px is {self.px}: it must lie in {list(IMAGE_PX)}")

    def run(self) -> dict[str, Any]:
        """Looks and writes."""
        config = pick(load(self.file), self.camera, self.file)
        with Camera(config) as camera:
            first = camera.after(0, FIRST_WITHIN_S)
            number, ages_s, until_s = first.number, [], time.monotonic() + self.seconds
            frame = first
            while time.monotonic() < until_s:
                frame = camera.after(number, FIRST_WITHIN_S)
                number = frame.number
                ages_s.append(time.monotonic() - frame.stamp_s)
            counts = camera.counts
        file = pathlib.Path(self.out or f"{self.camera}.png")
        _write(file, beside(frame.pixels, config.crop, self.px))
        span_s = frame.stamp_s - first.stamp_s
        return {
            "camera": config.label,
            "size": f"{frame.pixels.shape[1]}x{frame.pixels.shape[0]}",
            "crop": list(config.crop),
            "hz": (frame.number - first.number) / span_s if span_s > 0 else None,
            "age_p50_ms": 1e3 * float(np.median(ages_s)) if ages_s else None,
            "stamped_by": frame.stamped.value,
            **dataclasses.asdict(counts),
            "brightness": float(frame.pixels.mean()),
            "picture": str(file),
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class CropFlags:
    """Choose the part of a camera's picture that is used; it is written into the camera file.

    Without `--crop` a page is served on this machine: open its address and drag a box. With `--out` a picture
    with numbered lines is written instead, to read the numbers from.

    Attributes:
        camera: its name in the camera file.
        file: the camera file.
        crop: x, y, width and height, pixels from the upper left; four zeros for the whole picture.
        out: write a picture with numbered lines, .png, and serve no page.
        port: of the page; 0 chooses one.
        json: end with one line of JSON.
    """

    camera: tyro.conf.Positional[str]
    file: str = FILE
    crop: tuple[int, int, int, int] | None = None
    out: str = ""
    port: int = 0
    json: bool = False

    def run(self) -> dict[str, Any]:
        """Asks, checks, writes."""
        config = pick(load(self.file), self.camera, self.file)
        with Camera(dataclasses.replace(config, crop=Crop())) as camera:
            frame = camera.after(0, FIRST_WITHIN_S)
            height, width = frame.pixels.shape[:2]
            if self.crop is not None:
                self._keep(Crop(*self.crop), width, height)
            elif not self.out:
                self._ask(camera, config.crop, width, height)
        crop = load(self.file)[self.camera].crop
        if self.out:
            _write(pathlib.Path(self.out), grid_picture(frame.pixels, _box(frame.pixels, crop)))
        found = {"camera": self.camera, "size": f"{width}x{height}", "crop": list(crop), "file": self.file}
        return {**found, "picture": self.out} if self.out else found

    def _ask(self, camera: Camera, crop: Crop, width: int, height: int) -> None:
        page = CropPage(
            self.camera,
            crop,
            lambda: camera.newest(time.monotonic()).pixels,
            lambda chosen: self._keep(chosen, width, height),
            self.port,
        )
        try:
            sys.stderr.write(f"open {page.address} and drag a box; Ctrl-C leaves the crop as it is\n")
            page.kept.wait()
        finally:
            page.close()

    def _keep(self, crop: Crop, width: int, height: int) -> None:
        crop.check(width, height, self.camera)
        cameras = load(self.file)
        save(self.file, {**cameras, self.camera: dataclasses.replace(cameras[self.camera], crop=crop)})


KINDS: dict[str, Any] = {"list": List, "show": Show, "crop": CropFlags}


def main(argv: list[str]) -> int:
    """Runs one of the actions."""
    return act("cameras", {name: (text, functools.partial(_run, name)) for name, text in HELP.items()}, argv)


def _run(name: str, argv: list[str]) -> None:
    flags = parse(KINDS[name], argv, prog=f"cameras {name}")
    print_result(flags.run(), as_json=flags.json)


def beside(pixels: np.ndarray, crop: Crop, px: int) -> np.ndarray:
    """A frame with its crop, and beside it what is observed of it, enlarged to the frame's height."""
    left = grid_picture(pixels, _box(pixels, crop))
    right = Image.fromarray(view(pixels, crop, (px, px)))
    large = right.resize((left.shape[0], left.shape[0]), Image.Resampling.NEAREST)
    return np.concatenate([left, np.array(large)], axis=1)


def _box(pixels: np.ndarray, crop: Crop) -> Crop:
    return Crop(0, 0, pixels.shape[1], pixels.shape[0]) if crop.whole else crop


def _summary(config: CameraConfig) -> str:
    parts = [config.source, config.device, f"{config.width_px}x{config.height_px}", f"{config.fps:g} Hz"]
    parts += [] if config.crop.whole else [f"crop {list(config.crop)}"]
    parts += [f"calibrated: {', '.join(config.calibration)}"] if config.calibration else []
    return " ".join(part for part in parts if part and part != "0x0")


def _write(file: pathlib.Path, pixels: np.ndarray) -> None:
    try:
        Image.fromarray(pixels).save(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"picture '{file}' cannot be written: {error}; name a .png with --out") from error
