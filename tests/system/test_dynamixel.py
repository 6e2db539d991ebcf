"""The arm's driver on an emulated Dynamixel bus, over DDS: it obeys, and holds when the gate falls silent.

When the driver itself is killed the servos stop by themselves.
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time
from tests.system.driver_rig import STILL_RADPS, WITHIN_S, Gate

from sandlot.learners.process import PARENT_VARIABLE
from sandlot.robots.dynamixel import registers as reg
from sandlot.robots.dynamixel.emulator import Emulator

pytestmark = real_time

ROOT = pathlib.Path(__file__).parents[2]
IDS = [1, 2, 4, 6, 7, 8, 9]
POSTURE_RAD = [0.0, -0.3, 0.6, 0.0, 1.2, 0.0, 0.9]


@pytest.fixture
def bus():
    emulator = Emulator(IDS)
    for servo, angle in zip(emulator.servos.values(), POSTURE_RAD, strict=True):
        servo.position_rad = angle
        servo.advance(0.0)
    emulator.start()
    yield emulator
    emulator.close()


@pytest.fixture
def gate(ros_domain):  # noqa: F811
    pytest.importorskip("rclpy")
    found = Gate()
    yield found
    found.close()


@pytest.fixture
def driver(bus, ros_domain, tmp_path):  # noqa: F811
    """Starts the driver node on the emulated bus; its log is in `driver.log`."""
    started, env = [], {**ros_domain, PARENT_VARIABLE: str(os.getpid())}
    settings = (f"port:={bus.port}", "reply_s:=0.1", "watchdog_s:=0.4")
    argv = [sys.executable, "-m", "sandlot.robots.arm.arm_node", "--ros-args", "-r", "__ns:=/arm"]
    argv += ["--params-file", str(ROOT / "config" / "arm_dynamixel.yaml")]
    argv += [part for s in settings for part in ("-p", s)]

    def start():
        with (tmp_path / "driver.log").open("ab") as out:
            started.append(subprocess.Popen(argv, env=env, stdout=out, stderr=out))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        assert process.wait(WITHIN_S) in (0, -9)


def still(bus):
    with bus.lock:
        return all(s.get(reg.PRESENT_VELOCITY) == 0 for s in bus.servos.values())


def test_a_dynamixel_arm_obeys_holds_and_stops_without_its_driver(gate, driver, bus, tmp_path):
    from sandlot.robots.arm.spec import Pose

    process = driver()
    gate.until(lambda: True)
    start = gate.tool

    def shifted(y_m):
        return Pose(start.position_m + np.array([0, y_m, 0]), start.rotation)

    def away(y_m):
        return np.linalg.norm(gate.tool.position_m - shifted(y_m).position_m)

    gate.until(lambda: away(0.05) < 0.003, each=lambda: gate.send(shifted(0.05)))
    gate.until(lambda: np.abs(gate.speeds).max() > 0.3, each=lambda: gate.send(shifted(-0.25)))
    gate.until(lambda: np.abs(gate.speeds).max() < STILL_RADPS)  # nothing is sent any more
    assert away(-0.25) > 0.05
    assert "cause='gate silent'" in (tmp_path / "driver.log").read_text()

    gate.until(lambda: np.abs(gate.speeds).max() > 0.3, each=lambda: gate.send(shifted(0.25)))
    process.kill()
    process.wait()
    gate.until(lambda: still(bus))
    with bus.lock:
        stopped = [s.position_rad for s in bus.servos.values()]
        assert {s.get(reg.BUS_WATCHDOG) for s in bus.servos.values()} == {reg.WATCHDOG_TRIPPED}

    gate.tool = None
    driver()
    gate.until(lambda: True)
    with bus.lock:
        assert {s.get(reg.BUS_WATCHDOG) for s in bus.servos.values()} == {20}
        moved = np.abs(np.array([s.position_rad for s in bus.servos.values()]) - stopped)
    assert moved.max() < 0.02
