"""Files in RECON's layout, of simple drives whose numbers can be worked out by hand."""

import cv2
import h5py
import numpy as np

HZ = 2.0


def texture(frame: int) -> np.ndarray:
    """A picture [48, 64, 3], RGB, that shows something and moves."""
    blocks = np.random.default_rng(7).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return np.roll(blocks.repeat(8, 0).repeat(8, 1), 2 * frame, axis=1)


def jpeg(rgb: np.ndarray) -> bytes:
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert ok
    return data.tobytes()


def drive(told_mps, told_radps, heading_rad: float = 0.0, start_m=(0.0, 0.0)) -> dict[str, np.ndarray]:
    """The numbers of a drive that does at each frame what it was told at the one before."""
    v, w = np.asarray(told_mps, float), np.asarray(told_radps, float)
    speed, yaw_rate = np.append(v[0], v[:-1]), np.append(w[0], w[:-1])
    heading = heading_rad + np.append(0.0, np.cumsum(w[:-1])) / HZ
    middle = heading[:-1] + w[:-1] / HZ / 2
    moved = np.stack([np.cos(middle), np.sin(middle)], axis=1) * v[:-1, None] / HZ
    position = np.array(start_m) + np.concatenate([np.zeros((1, 2)), np.cumsum(moved, axis=0)])
    return {
        "imu/linear_acceleration": np.tile([0.0, 0.0, 9.81], (len(v), 1)),
        "imu/angular_velocity": np.stack([0 * w, 0 * w, yaw_rate], axis=1),
        "jackal/position": np.column_stack([position, np.zeros(len(v))]),
        "jackal/linear_velocity": speed,
        "jackal/angular_velocity": yaw_rate,
        "jackal/yaw": heading,
        "commands/linear_velocity": v,
        "commands/angular_velocity": w,
        "collision/any": np.zeros(len(v), bool),
        "collision/physical": np.zeros(len(v), bool),
    }


def write(path, numbers: dict, images: list[bytes] | None = None, kind: str = "fixed") -> str:
    """The file. Pictures of RECON are strings of one length, filled with zeros; some copies keep bytes."""
    images = images or [jpeg(texture(i)) for i in range(len(numbers["commands/linear_velocity"]))]
    with h5py.File(path, "w") as file:
        for name, values in numbers.items():
            file[name] = values
        if kind == "fixed":
            file["images/rgb_left"] = np.array(images, dtype=f"S{max(map(len, images))}")
            return str(path)
        kept = file.create_dataset("images/rgb_left", (len(images),), dtype=h5py.vlen_dtype(np.uint8))
        for i, image in enumerate(images):
            kept[i] = np.frombuffer(image, np.uint8)
    return str(path)
