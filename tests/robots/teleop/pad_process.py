"""The joy node with a virtual gamepad plugged in; what the hands do comes line by line on standard input.

Lines: `plug`, `unplug`, `button NUMBER DOWN`, `axis NUMBER VALUE`.
"""

import sys
import threading

from tests.robots.teleop.virtual_pad import VirtualPad

from sandlot.robots.teleop import joy_node
from sandlot.robots.teleop.gamepad import Gamepad
from sandlot.robots.teleop.layouts import Feel


def obey(pad, lines):
    for line in lines:
        name, *numbers = line.split()
        getattr(pad, name)(*map(float if name == "axis" else int, numbers))


def main():
    Gamepad(Feel())._sdl()
    pad = VirtualPad()
    pad.plug()
    threading.Thread(target=obey, args=(pad, sys.stdin), daemon=True).start()
    return joy_node.main()


if __name__ == "__main__":
    sys.exit(main())
