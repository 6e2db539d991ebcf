import importlib.util
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[3]
SOFT = pathlib.Path(__file__).with_name("realsense_soft.py")


@pytest.mark.skipif(importlib.util.find_spec("pyrealsense2") is None, reason="pyrealsense2 is not installed")
def test_software_devices_in_a_process_of_their_own():
    """A process that loads rclpy after librealsense crashes when it ends: their libraries do not agree."""
    run = [sys.executable, "-m", "pytest", str(SOFT), "-p", "no:cacheprovider"]
    done = subprocess.run(run, check=False, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout or "...." in done.stdout
