"""Camera frames: from what a driver publishes, or a bag holds, to what an observation holds. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sandlot.robots.errors import SensorError

BLACK = 6.0
"""Mean brightness, of 255, below which a frame shows nothing: a lens cap, a dead sensor."""
_EVERY_PX = 8  # a dark frame is dark everywhere: look at one pixel in 64
_CHANNELS = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "mono8": (0, 0, 0)}


def frame_of(message: Any) -> np.ndarray:
    """The picture in a `sensor_msgs/Image`, uint8 [H, W, 3], RGB; SensorError when it holds none."""
    fault = layout_fault(message)
    if fault:
        raise SensorError(fault)
    depth = 1 if message.encoding == "mono8" else 3
    rows = np.frombuffer(message.data, np.uint8)[: message.height * message.step]
    rows = rows.reshape(message.height, message.step)[:, : message.width * depth]
    frame = rows.reshape(message.height, message.width, depth)
    return frame if message.encoding == "rgb8" else frame[:, :, _CHANNELS[message.encoding]]


def layout_fault(message: Any) -> str:
    """Why a message holds no picture that can be read; "" when it does."""
    if message.encoding not in _CHANNELS:
        return f"encoding '{message.encoding}' is unknown; publish one of {', '.join(_CHANNELS)}"
    depth = 1 if message.encoding == "mono8" else 3
    if message.step < message.width * depth or len(message.data) < message.height * message.step:
        return (
            f"a frame of {message.width}x{message.height} {message.encoding} holds only {len(message.data)} "
            f"bytes in rows of {message.step}; restart the camera's driver"
        )
    return ""


def frame_check(least: Sequence[int]) -> Callable[[Any], str]:
    """What is wrong with a camera's newest frame, for `Source.check`.

    A frame must be readable, at least as large as `least` (height, width), as large as the first one was, and
    not black. A camera that comes back with another size is a fault until it is set right.
    """
    first: list[tuple[int, int]] = []

    def check(message: Any) -> str:
        size = (message.width, message.height)
        fault = layout_fault(message)
        if fault:
            return fault
        if message.height < least[0] or message.width < least[1]:
            return (
                f"frames are {_times(size)}, the task observes {least[1]}x{least[0]}; "
                "set the camera's size to that or more"
            )
        if not first:
            first.append(size)
        if size != first[0]:
            return f"frames are {_times(size)} and were {_times(first[0])}; set the camera's size back"
        mean = float(frame_of(message)[::_EVERY_PX, ::_EVERY_PX].mean())
        if mean < BLACK:
            return (
                f"the frame is black (mean brightness {mean:.1f} of 255, the limit is {BLACK:g}); "
                "look at the lens, the light and the exposure"
            )
        return ""

    return check


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
