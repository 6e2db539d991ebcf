"""The Franka device against franky-sim, which speaks the arm's own network protocol; and what is pure."""

import subprocess
import sys
import time

import numpy as np
import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.arm import devices
from sandlot.robots.arm.spec import DOWN, Pose
from sandlot.robots.errors import DeviceError

WITHIN_S = 30.0

SERVER = """
from franky_sim import SimulationServer
from franky_sim.mujoco_simulator import MujocoSimulator
with MujocoSimulator(enable_visualization=False) as simulator:
    robot = simulator.add_robot()
    with SimulationServer(simulator) as server:
        server.run_async()
        print(robot.hostname, flush=True)
        input()
"""


@pytest.fixture(scope="module")
def host():
    """A simulated arm on the network, in a process of its own."""
    pytest.importorskip("franky", reason="pip install franky-control")
    pytest.importorskip("franky_sim", reason="pip install franky-sim")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield server.stdout.readline().strip()
    server.communicate("\n", timeout=WITHIN_S)


@pytest.fixture
def arm(host):
    kind = devices.find("franka")
    found = kind.make(kind.config_type(host=host, realtime=False))
    found.connect()
    yield found
    found.close()
    found.close()


def until(arm, condition):
    end_s = time.monotonic() + WITHIN_S
    while time.monotonic() < end_s:
        state = arm.read(time.monotonic())
        if condition(state):
            return state
        time.sleep(0.01)
    raise AssertionError(f"not within {WITHIN_S} s: {state}")


def test_the_arm_holds_goes_where_it_is_told_and_stops(arm):
    home = arm.read(time.monotonic())
    assert home.joints_rad.shape == (7,) and np.isfinite(home.force_n).all()
    assert np.allclose(home.tool.rotation, DOWN, atol=0.05)
    goal = Pose(home.tool.position_m + np.array([0.05, 0.03, 0.0]), home.tool.rotation)
    arm.command(goal, 0.08, time.monotonic())
    until(arm, lambda s: np.linalg.norm(s.tool.position_m[:2] - goal.position_m[:2]) < 0.012)
    arm.hold(time.monotonic())
    still = until(arm, lambda s: np.abs(s.joint_speeds_radps).max() < 0.02)
    assert np.linalg.norm(still.tool.position_m - home.tool.position_m) > 0.03


def test_the_hand_follows_its_newest_order(arm):
    home = arm.read(time.monotonic())
    for width_m in (0.07, 0.03):
        arm.command(home.tool, width_m, time.monotonic())
        until(arm, lambda s, goal=width_m: abs(s.width_m - goal) < 0.002)
        arm._hand._under_way.wait(WITHIN_S)  # franky-sim forgets to answer a move that is stopped


def test_connecting_to_nothing_is_one_line():
    pytest.importorskip("franky")
    kind = devices.find("franka")
    with pytest.raises(DeviceError, match=r"Franka at 127.0.0.9: .*is it on, unlocked"):
        kind.make(kind.config_type(host="127.0.0.9", realtime=False)).connect()


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "franky", None)
    kind = devices.find("franka")
    with pytest.raises(DeviceError, match="pip install franky-control"):
        kind.make(kind.config_type(host="nowhere")).connect()


def test_an_arm_that_is_not_connected_says_so():
    kind = devices.find("franka")
    arm = kind.make(kind.config_type(host="nowhere"))
    with pytest.raises(DeviceError, match="nowhere: not connected"):
        arm.hold(0.0)
    arm.close()


@pytest.mark.parametrize("change", [{"max_force_n": 0.0}, {"stiffness_npm": 1e4}, {"hand_speed_mps": -1.0}])
def test_settings_have_limits(change):
    with pytest.raises(ConfigError, match=f"{next(iter(change))}=.* must lie in"):
        devices.find("franka").config_type(host="h", **change)
