"""`colcon build` installs what `ros2 launch sandlot` and `ros2 run sandlot` look for."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("colcon_core")

ROOT = pathlib.Path(__file__).parents[2]
SAYS = """
from sandlot.robots import graph, ros_env
from sandlot.robots.graph_config import UpConfig
import os, sandlot
ros_env.prepare()
config = UpConfig(kind="arm")
graph.check_parameters(config)
print(sandlot.__file__, *config.params_files, config.device_file, os.environ[ros_env.PROFILE], sep="\\n")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The package as colcon installs it."""
    folder = tmp_path_factory.mktemp("ws")
    colcon = shutil.which(
        "colcon", path=f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    built = subprocess.run(
        [colcon, "--log-base", str(folder / "log"), "build", "--base-paths", str(ROOT), "--packages-select",
         "sandlot", "--build-base", str(folder / "build"), "--install-base", str(folder / "install")],
        cwd=folder, env={**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "install" / "sandlot"


def test_ros_finds_the_package_its_launch_files_and_its_parameters(installed):
    share = installed / "share"
    assert (share / "ament_index" / "resource_index" / "packages" / "sandlot").is_file()
    assert (share / "sandlot" / "package.xml").read_text() == (ROOT / "package.xml").read_text()
    for folder, pattern in (("launch", "*.launch.py"), ("config", "*.yaml")):
        ours = {f.name: f.read_text() for f in (ROOT / folder).glob(pattern)}
        assert {f.name: f.read_text() for f in (share / "sandlot" / folder).glob(pattern)} == ours != {}


def test_every_console_script_is_where_ros2_run_looks_and_runs_the_installed_package(installed):
    scripts = {f.name for f in (installed / "lib" / "sandlot").iterdir()}
    assert scripts >= {"sandlot", "arm_node", "arm_gate_node", "joy_node", "recorder_node"}
    setup = (
        f". {installed.parent / 'setup.sh'} && cd / && {installed / 'lib' / 'sandlot' / 'sandlot'} --version"
    )
    said = subprocess.run(["sh", "-c", setup], capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.startswith("sandlot 0."), said.stderr


def test_the_installed_package_finds_its_own_parameters_and_profile(installed):
    (packages,) = installed.glob("lib/python3*/site-packages")
    env = {**os.environ, "PYTHONPATH": str(packages)}
    env.pop("FASTDDS_DEFAULT_PROFILES_FILE", None)
    said = subprocess.run(
        [sys.executable, "-c", SAYS],
        cwd="/",
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    files = [pathlib.Path(line) for line in said.stdout.splitlines()]
    assert len(files) == 4, said.stderr
    assert all(f.is_file() and f.is_relative_to(packages) for f in files)
