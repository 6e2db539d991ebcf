"""A person's hands as `sensor_msgs/Joy`, in the one layout of `mapping`; nothing while a device is unplugged.

    python -m sandlot.robots.teleop.joy_node --ros-args -r __ns:=/arm -p device:=gamepad

Devices: keyboard, gamepad, spacemouse, or several joined by `+`: with spacemouse+keyboard the knob moves the
tool and the keys judge.
"""

import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandlot.learners.errors import ConfigError
from sandlot.robots import ros_node

from rclpy.node import Node  # isort: skip  (ros_node prepares its environment)

from sandlot.robots import ros_params, ros_qos
from sandlot.robots.errors import DeviceError
from sandlot.robots.teleop.gamepad import Gamepad
from sandlot.robots.teleop.keyboard import Keyboard
from sandlot.robots.teleop.layouts import Feel
from sandlot.robots.teleop.source import Reader, Source
from sandlot.robots.teleop.spacemouse import SpaceMouse
from sandlot.robots.topics import JOY

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class JoyParams(Feel):
    """The node's parameters.

    Attributes:
        device: keyboard, gamepad, spacemouse, or several joined by `+`.
        keyboard: how keys are read: auto, evdev, pynput or terminal.
    """

    device: str = "keyboard"
    keyboard: str = "auto"

    def readers(self) -> list[Reader]:
        """The devices, not opened yet."""
        makers: dict[str, Callable[[], Reader]] = {
            "keyboard": lambda: Keyboard(self, self.keyboard),
            "gamepad": lambda: Gamepad(self),
            "spacemouse": lambda: SpaceMouse(self),
        }
        names = self.device.split("+")
        for name in names:
            if name not in makers:
                raise ConfigError(
                    f"device '{self.device}': '{name}' does not exist; choose of {', '.join(makers)}, "
                    "several joined by +"
                )
        return [makers[name]() for name in dict.fromkeys(names)]


class JoyNode(Node):
    """Reads the hands 50 times a second and publishes what they do."""

    def __init__(self) -> None:
        super().__init__("joy")
        params = ros_params.declare(self, JoyParams)
        ros_params.refuse_unknown(self)
        self._device = params.device
        self._source = Source(params.readers())
        try:
            self._source.open()
        except DeviceError as error:  # starting again would not plug it in
            raise ConfigError(str(error)) from error
        self._out = ros_node.publisher(self, JOY)
        self._message = ros_qos.message_class(JOY)
        ros_node.timer(self, 1.0 / JOY.hz, self._on_timer)

    def _on_timer(self) -> None:
        hands = self._source.read(time.monotonic())
        if hands is None:
            return
        message = self._message(axes=hands.axes, buttons=hands.buttons())
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = self._device
        self._out.publish(message)

    def close(self) -> None:
        """Gives the devices back: a terminal must not stay raw."""
        self._source.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the node."""
    return ros_node.run_node("joy", JoyNode, argv=argv)


if __name__ == "__main__":
    sys.exit(main())
