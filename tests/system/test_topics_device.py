"""The arm's driver in front of somebody else's Cartesian controller, all over real DDS."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.ros_domain import ros_domain  # noqa: F401  (a fixture)
from tests.stalls import real_time
from tests.system.driver_rig import STILL_RADPS, WITHIN_S, Gate

from sandlot.learners.process import PARENT_VARIABLE
from sandlot.robots.arm.spec import Pose
from sandlot.robots.errors import DeviceError
from sandlot.robots.topics import Topic

pytestmark = real_time

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = (
    *("device:=topics", "joint_names:=[joint_x, joint_y, joint_z]", "wrench_topic:=/wrench", "silent_s:=1.0"),
    *("gripper_topic:=/gripper/commands", "gripper_joint:=finger"),
)


@pytest.fixture
def start(ros_domain, tmp_path):  # noqa: F811
    """Starts a Python module as a process; all are ended in the end."""
    pytest.importorskip("rclpy")
    started = []

    def run(module, *parameters, namespace="/arm"):
        argv = [sys.executable, "-m", module, "--ros-args", "-r", f"__ns:={namespace}"]
        argv += [part for p in parameters for part in ("-p", p)]
        env = {**ros_domain, PARENT_VARIABLE: str(os.getpid()), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
        started.append(subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.terminate()
        process.communicate(timeout=WITHIN_S)


@pytest.fixture
def gate(ros_domain):  # noqa: F811
    found = Gate()
    yield found
    found.close()


def test_an_arm_behind_its_own_controller_obeys_holds_and_is_missed_when_it_is_gone(start, gate):
    from sandlot.robots.arm import ros_messages, topics
    from sandlot.robots.ros_node import publisher, subscription

    controller = start("tests.system.cartesian_controller", namespace="/")
    driver = start("sandlot.robots.arm.arm_node", *SETTINGS)
    forces, widths = [], []
    subscription(gate.node, topics.WRENCH, lambda m: forces.append(ros_messages.wrench_from(m)[0][2]))
    subscription(gate.node, topics.JOINT_STATES, lambda m: widths.append(ros_messages.gripper_from(m)))
    grip = publisher(gate.node, topics.COMMAND_GRIPPER)
    gate.until(lambda: forces and widths)
    home = gate.tool
    assert home.position_m == pytest.approx([0.5, 0.0, 0.3]) and forces[-1] == pytest.approx(-2.0)
    assert widths[-1] == pytest.approx(0.08)

    def shifted(y_m):
        return Pose(home.position_m + np.array([0, y_m, 0]), home.rotation)

    def away(y_m):
        return np.linalg.norm(gate.tool.position_m - shifted(y_m).position_m)

    def drive(y_m):
        grip.publish(ros_messages.gripper_message(0.02, time.time_ns()))
        gate.send(shifted(y_m))

    gate.until(lambda: away(0.04) < 0.002, each=lambda: drive(0.04))
    gate.until(lambda: widths[-1] == pytest.approx(0.02))
    gate.until(lambda: np.abs(gate.speeds).max() > 0.1, each=lambda: drive(-2.0))
    gate.until(lambda: np.abs(gate.speeds).max() < STILL_RADPS)  # nothing is sent any more
    assert away(-2.0) > 0.5

    controller.kill()
    _, errors = driver.communicate(timeout=WITHIN_S)
    assert driver.returncode == 1 and "is the arm's controller up?" in errors.splitlines()[-1]


def test_what_the_controller_does_not_offer_is_one_line(start, gate):
    from sandlot.robots.arm.ros_device_topics import Config, make
    from sandlot.robots.ros_node import subscription

    start("tests.system.cartesian_controller", namespace="/")
    heard = []
    subscription(gate.node, Topic("/current_pose", "geometry_msgs/msg/PoseStamped", "sensor"), heard.append)
    gate.until(lambda: heard, complete=False)
    faults = {
        "topic /joint_states cannot be used: joints ['joint_w'] are missing": {"joint_names": ("joint_w",)},
        "topic /current_pose cannot be used: wrong_frame, frame 'base'": {"frame": "world"},
        "nobody subscribes to /nowhere; activate the arm's Cartesian": {"target_topic": "/nowhere"},
        "topic /nowhere cannot be used: nobody publishes it": {"pose_topic": "/nowhere"},
    }
    for line, setting in faults.items():
        device = make(Config(**{"joint_names": ("joint_x",), "connect_s": 1.5, **setting}))
        with pytest.raises(DeviceError) as error:
            device.connect()
        assert line in str(error.value)
