"""What a calibration leaves in the camera file, and how it is read again."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sandlot.learners.errors import ConfigError
from sandlot.perception.calibration import poses
from sandlot.perception.calibration.hand_eye import PARENT, HandEye
from sandlot.perception.calibration.intrinsics import NAMES, Intrinsics, IntrinsicsResult
from sandlot.perception.cameras.frame import optical_frame

MODEL = "plumb_bob"


def of_intrinsics(result: IntrinsicsResult) -> dict[str, Any]:
    """Plain numbers, pixels."""
    found = result.intrinsics
    return {
        "width_px": found.width_px,
        "height_px": found.height_px,
        **{name: round(getattr(found, name), 4) for name in NAMES},
        "distortion_model": MODEL,
        "distortion": [round(x, 7) for x in found.distortion],
        "std_px": [round(x, 4) for x in result.std_px],
        "rms_px": round(result.rms_px, 4),
        "coverage": round(result.coverage, 3),
        "views": len(result.errors_px),
    }


def intrinsics_of(calibration: Mapping[str, Any], camera: str) -> Intrinsics:
    """The intrinsics in a camera's `calibration`; ConfigError when there are none."""
    if "intrinsics" not in calibration:
        raise ConfigError(
            f"camera '{camera}' has no intrinsics yet; find them first: sandlot calibrate intrinsics {camera}"
        )
    found = calibration["intrinsics"]
    try:
        sizes = {name: int(found[name]) for name in ("width_px", "height_px")}
        numbers = {name: float(found[name]) for name in NAMES}
        bent = tuple(float(x) for x in found["distortion"])
        if found["distortion_model"] != MODEL or len(bent) != 5:
            raise ValueError(f"distortion must be five numbers of {MODEL}")
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"camera '{camera}': its intrinsics cannot be used ({error!r}); run `sandlot calibrate "
            f"intrinsics {camera}` again"
        ) from error
    return Intrinsics(**sizes, **numbers, distortion=bent)  # type: ignore[arg-type]


def of_hand_eye(result: HandEye, camera: str) -> dict[str, Any]:
    """The camera's pose as a static transform, with its uncertainty."""
    return {
        "parent_frame": PARENT[result.mount],
        "child_frame": optical_frame(camera),
        "translation_m": _rounded(result.pose[:3, 3]),
        "rotation_xyzw": [round(x, 7) for x in poses.quaternion(result.pose)],
        "translation_std_m": _rounded(result.std_m),
        "rotation_std_rad": _rounded(result.std_rad),
        "left_out_m": round(result.left_out_m, 6),
        "left_out_deg": round(result.left_out_deg, 4),
        "rms_px": round(result.rms_px, 4),
        "views": result.views,
    }


def static_transform(pose: Mapping[str, Any]) -> str:
    """The ROS 2 command that publishes a camera's pose."""
    x, y, z = pose["translation_m"]
    qx, qy, qz, qw = pose["rotation_xyzw"]
    return (
        f"ros2 run tf2_ros static_transform_publisher --x {x} --y {y} --z {z} --qx {qx} --qy {qy} --qz {qz} "
        f"--qw {qw} --frame-id {pose['parent_frame']} --child-frame-id {pose['child_frame']}"
    )


def _rounded(numbers: np.ndarray) -> list[float]:
    return [round(float(x), 6) for x in numbers]
