"""One file of the RECON data set: a Jackal's drive as HDF5, read and checked; nothing is worked out here.

Layout as public readers of it show it (github.com/robodhruv/visualnav-transformer, train/process_recon.py,
and others): one value a frame in every data set, images as JPEG, no stamps, about three frames a second.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sandlot.robots.recording.errors import DatasetError, needs

ACCEL, POSITION, YAW = "imu/linear_acceleration", "jackal/position", "jackal/yaw"
SPEED, YAW_RATE = "jackal/linear_velocity", "jackal/angular_velocity"
TOLD_SPEED, TOLD_YAW_RATE = "commands/linear_velocity", "commands/angular_velocity"
NUMBERS = {ACCEL: 3, POSITION: 2, YAW: 1, SPEED: 1, YAW_RATE: 1, TOLD_SPEED: 1, TOLD_YAW_RATE: 1}
"""What is read, and how many numbers of each frame at least."""
IMAGE = "images/rgb_left"
JPEG_END = b"\xff\xd9"
ANEW = "get the file anew, or leave such files out with --skip-damaged"


@dataclasses.dataclass(frozen=True, eq=False)
class Drive:
    """What a file holds, T frames; NaN where a sensor said nothing.

    Attributes:
        path: of the file.
        accel_mps2: [T, 3], about (0, 0, 9.81) at rest.
        position_m: [T, 2], in a frame of the file's own.
        heading_rad: [T].
        speed_mps: [T], forward.
        yaw_rate_radps: [T], positive to the left.
        told_mps: [T], what was commanded at a frame, for the time until the next.
        told_radps: [T], the same of the yaw rate.
        collided: bool [T].
        jpeg: T pictures, as they are in the file.
    """

    path: Path
    accel_mps2: np.ndarray
    position_m: np.ndarray
    heading_rad: np.ndarray
    speed_mps: np.ndarray
    yaw_rate_radps: np.ndarray
    told_mps: np.ndarray
    told_radps: np.ndarray
    collided: np.ndarray
    jpeg: list[bytes]

    def __len__(self) -> int:
        return len(self.jpeg)

    def whole(self) -> np.ndarray:
        """Whether every number of a frame is there, bool [T]."""
        fields = [getattr(self, f.name) for f in dataclasses.fields(self)]
        arrays = [a.reshape(len(self), -1) for a in fields if isinstance(a, np.ndarray) and a.dtype != bool]
        return np.isfinite(np.concatenate(arrays, axis=1)).all(axis=1)

    def picture(self, frame: int, size_px: int) -> np.ndarray:
        """The middle square of a frame's picture, RGB uint8 [size_px, size_px, 3].

        Raises:
            DatasetError: the JPEG is damaged.
        """
        data = self.jpeg[frame]
        # a decoder fills what is cut off with grey and says nothing
        cut_off = JPEG_END not in data
        try:
            seen = None if cut_off else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            seen = None
        if seen is None:
            raise DatasetError(f"'{self.path}': {IMAGE}, frame {frame}, is no whole JPEG; {ANEW}")
        height, width = seen.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        middle = seen[top : top + side, left : left + side]
        small = cv2.resize(middle, (size_px, size_px), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))


def read_drive(path: Path, collision: str) -> Drive:
    """Reads a file.

    Args:
        path: of it.
        collision: which of its data sets `collision/...` says that driving ended.

    Raises:
        ConfigError: h5py is not installed.
        DatasetError: it is no HDF5, lacks a data set, or is damaged.
    """
    with needs("recon", f"reading '{path}'"):
        import h5py  # noqa: PLC0415  (an extra)
    ended = f"collision/{collision}"
    if not path.is_file():
        raise DatasetError(f"'{path}' is no file; name files of the RECON data set, or folders of *.hdf5")
    try:
        with h5py.File(path, "r") as file:
            found = {name: file.get(name) for name in (IMAGE, ended, *NUMBERS)}
            missing = [name for name, data in found.items() if not isinstance(data, h5py.Dataset)]
            if missing:
                raise DatasetError(_lacks(path, missing, file))
            _check_shapes(path, found, ended)
            numbers = {name: np.asarray(found[name][()], float) for name in NUMBERS}
            collided = np.asarray(found[ended][()]).reshape(len(found[IMAGE]), -1)[:, 0] > 0.5
            jpeg = [_bytes(value) for value in found[IMAGE][()]]
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        text = " ".join(str(error).split())[:160]
        raise DatasetError(f"'{path}' cannot be read as HDF5 ({text}); {ANEW}") from error
    flat = {name: values.reshape(len(values), -1) for name, values in numbers.items()}
    return _drive(path, flat, collided, jpeg)


def _drive(path: Path, flat: Mapping[str, np.ndarray], collided: np.ndarray, jpeg: list[bytes]) -> Drive:
    """The numbers [T, n] of every data set under the names they have here."""
    return Drive(
        path=path,
        accel_mps2=flat[ACCEL],
        position_m=flat[POSITION][:, :2],
        heading_rad=flat[YAW][:, 0],
        speed_mps=flat[SPEED][:, 0],
        yaw_rate_radps=flat[YAW_RATE][:, 0],
        told_mps=flat[TOLD_SPEED][:, 0],
        told_radps=flat[TOLD_YAW_RATE][:, 0],
        collided=collided,
        jpeg=jpeg,
    )


def _lacks(path: Path, missing: list[str], file: Any) -> str:
    """What is said of a file without a data set that is needed."""
    has = sorted(f"{group}/{name}" for group in file for name in (getattr(file[group], "keys", list)()))
    at_hand = ", ".join(has)[:300] or "nothing"
    what = ", ".join(missing)
    if any(name.startswith("collision/") for name in missing):
        what += " (--collision names another)"
    return f"'{path}' lacks {what}; it has {at_hand}: name files of the RECON data set"


def _check_shapes(path: Path, found: Mapping[str, Any], ended: str) -> None:
    """Raises DatasetError for one that has not a value a frame: known before anything is read."""
    frames = found[IMAGE].shape[0] if found[IMAGE].ndim == 1 else -1
    if frames < 0:
        raise DatasetError(f"'{path}': {IMAGE} has shape {found[IMAGE].shape}, not one JPEG a frame; {ANEW}")
    for name, least in {**NUMBERS, ended: 1}.items():
        shape = found[name].shape
        if shape[:1] != (frames,):
            raise DatasetError(
                f"'{path}': {name} has shape {shape}, {IMAGE} has {frames} frames; they must be of one "
                f"length: {ANEW}"
            )
        if int(np.prod(shape[1:])) < least or found[name].dtype.kind not in "fiub":
            raise DatasetError(
                f"'{path}': {name} is {found[name].dtype} of shape {shape}, not {least} "
                f"numbers a frame; {ANEW}"
            )


def _bytes(value: Any) -> bytes:
    """A JPEG, kept as a string or as an array of bytes."""
    return value.tobytes() if isinstance(value, np.ndarray) else bytes(value)
