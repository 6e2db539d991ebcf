"""An emergency stop at the keyboard: Enter stops every robot, `r` and Enter releases. Nothing is armed.

    python examples/estop.py

A node that reads a real button publishes the same: latched, once for each change, for as long as it lives.
When it ends, a gate with `require_estop` stops its robot. A button that cuts the power by wire it is not.
"""

import sys

from sandlot.robots import ros_env

ros_env.prepare()

import rclpy  # noqa: E402  after its environment

from sandlot.robots import ros_node  # noqa: E402
from sandlot.robots.topics import ESTOP  # noqa: E402


def main() -> None:
    """Publishes the button's state until the end of its input."""
    rclpy.init()
    button = ros_node.publisher(rclpy.create_node("estop"), ESTOP)
    pressed = False
    try:
        while True:
            button.publish(button.msg_type(data=pressed))
            state = "PRESSED: r and Enter releases" if pressed else "released: Enter stops"
            print(f"{ESTOP.name} {state}", flush=True)
            line = sys.stdin.readline()
            if not line:
                return
            pressed = line.strip() != "r"
    except KeyboardInterrupt:
        return
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
