"""Starts a process of the page in the ROS graph, or says in one line why there is no ROS.

    python -m sandlot.robots.console.in_ros ros_bridge ROBOT

Its output is a pipe to the page's server, so the line goes there.
"""

import importlib
import logging
import sys

from sandlot.learners.errors import SandlotError
from sandlot.learners.process import USAGE_EXIT, die_with_parent
from sandlot.robots import ros_env
from sandlot.robots.console.pipe import Pipe


def main(argv: list[str]) -> int:
    """Runs `main(pipe, arguments)` of a module beside this one."""
    die_with_parent()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    pipe, name = Pipe(), argv[0]
    try:
        ros_env.require()
        return int(importlib.import_module(f"sandlot.robots.console.{name}").main(pipe, argv[1:]))
    except SandlotError as error:
        pipe.write({"event": "refused", "text": " ".join(str(error).split())})
        return USAGE_EXIT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
