"""A camera that can be broken: frames on a real topic, 30 a second; a line on stdin says what is wrong.

`ok`, `frozen` (the same frame with new stamps), `black`, `small` (another size), `slow` (2 Hz), `silent`. To
each line it prints the steady time at which the last sound frame went out.
"""

import selectors
import sys
import time

import numpy as np

from sandlot.robots import ros_node
from sandlot.robots.arm import ros_messages, topics

import rclpy  # isort: skip  after ros_node has set its environment

WIDTH_PX, HEIGHT_PX = 320, 240
HZ, SLOW_HZ = 30.0, 2.0


def main() -> None:
    """Publishes until stdin ends."""
    rclpy.init(args=["--ros-args", "-r", "__ns:=/arm"])
    node = rclpy.create_node("camera", start_parameter_services=False)
    out = ros_node.publisher(node, topics.image("wrist"))
    rng, fault, sound_s = np.random.default_rng(), "ok", 0.0
    frame = draw(rng)
    inbox = selectors.DefaultSelector()
    inbox.register(sys.stdin, selectors.EVENT_READ)
    next_s = time.monotonic()
    while True:
        if inbox.select(max(0.0, next_s - time.monotonic())):
            line = sys.stdin.readline()
            if not line:
                break
            fault = line.strip()
            sys.stdout.write(f"{sound_s}\n")
            sys.stdout.flush()
            continue
        next_s += 1.0 / (SLOW_HZ if fault == "slow" else HZ)
        if fault != "frozen":
            frame = draw(rng)
        if fault != "silent":
            out.publish(ros_messages.image_message(spoilt(frame, fault), "wrist", time.time_ns()))
        if fault == "ok":
            sound_s = time.monotonic()
    rclpy.try_shutdown()


def draw(rng: np.random.Generator) -> np.ndarray:
    """A grey scene with a sensor's noise."""
    return rng.integers(100, 110, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)


def spoilt(frame: np.ndarray, fault: str) -> np.ndarray:
    """The frame as the fault shows it."""
    if fault == "black":
        return frame // 50
    return frame[::2, ::2] if fault == "small" else frame


if __name__ == "__main__":
    main()
