"""What messages of every robot have in common: stamps, headers, images, vectors.

Reading is duck-typed: a message is whatever has the fields of its type, so what a bag reader deserialises
works as well. Writing needs the ROS message packages.
"""

import array
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sandlot.perception.cameras.frame import optical_frame

NS = 1_000_000_000


def header(stamp_ns: int, frame: str) -> Header:
    """A header; the stamp is wall time in ns."""
    return Header(stamp=Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS), frame_id=frame)


def stamp_ns(message: Any) -> int:
    """A message's header stamp: wall time, ns; equal for everything that was read at one instant."""
    stamp = message.header.stamp
    return int(stamp.sec) * NS + int(stamp.nanosec)


def stamp_s(message: Any) -> float:
    """The same in s, for `stamps.StampClock`."""
    return stamp_ns(message) / NS


def image_message(pixels: np.ndarray, camera: str, stamp_ns: int) -> Image:
    """A frame, uint8 [H, W, 3] RGB, as a message; `frames.frame_of` reads it."""
    height, width, _ = pixels.shape
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(pixels).data.cast("B"))  # 500 times as fast as a list
    message = Image(header=header(stamp_ns, optical_frame(camera)), height=height, width=width)
    message.encoding = "rgb8"
    message.step, message.data = 3 * width, data
    return message


def fill(vector: Any, values: np.ndarray) -> None:
    """Writes three numbers into a Vector3 or a Point."""
    vector.x, vector.y, vector.z = map(float, values)


def numbers(vector: Any) -> np.ndarray:
    """Those three numbers [3]."""
    return np.array([vector.x, vector.y, vector.z])
