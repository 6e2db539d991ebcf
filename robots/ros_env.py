"""The environment that ROS processes need, set before rclpy is imported; no ROS import here.

Fast DDS's default 512 kB shared-memory segment loses most raw camera frames, so a profile with room for them
is the default; discovery stays on this machine unless the user says otherwise.
"""

import importlib
import os
from collections.abc import MutableMapping
from importlib import resources

from sandlot.learners.errors import ConfigError

PROFILE = "FASTDDS_DEFAULT_PROFILES_FILE"
DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def prepare(environ: MutableMapping[str, str] = os.environ) -> None:
    """Fills in what the user has not set: DDS profile and discovery range."""
    environ.setdefault(PROFILE, str(resources.files("sandlot") / "config" / "dds" / "fastdds.xml"))
    environ.setdefault(DISCOVERY, "LOCALHOST")


def require() -> None:
    """Prepares the environment and loads ROS; ConfigError says how to get it when it is not there."""
    prepare()
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        raise ConfigError(
            f"ROS 2 cannot be loaded ({error}); install it with: pip install 'sandlot[ros]', or source "
            "/opt/ros/<distribution>/setup.bash"
        ) from error


def prepare_control(environ: MutableMapping[str, str] = os.environ) -> bool:
    """For gate and driver: no shared memory, so that a process killed elsewhere cannot make them wait.

    A profile or a range of the user's own stays. For LOCALHOST the middleware adds shared memory by itself,
    so the profile alone keeps discovery on this machine. Whether anything changed: Fast DDS reads its profile
    when it is loaded, so a process that has imported rclpy must start anew.
    """
    folder = resources.files("sandlot") / "config" / "dds"
    prepare(environ)
    if environ[PROFILE] != str(folder / "fastdds.xml") or environ[DISCOVERY] != "LOCALHOST":
        return False
    environ[PROFILE], environ[DISCOVERY] = str(folder / "control.xml"), "SYSTEM_DEFAULT"
    return True
