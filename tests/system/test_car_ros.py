"""The car over ROS 2: driver and gate as processes, DDS between them, a person's node and a policy's env."""

import contextlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from tests.ros_domain import ros_domain  # noqa: E402, F401  (a fixture)
from tests.stalls import real_time  # noqa: E402

from sandlot.learners import envs  # noqa: E402
from sandlot.robots import ros_node  # noqa: E402
from sandlot.robots.car import course as courses  # noqa: E402
from sandlot.robots.car import ros_messages, topics  # noqa: E402
from sandlot.robots.car.spec import CarCommand  # noqa: E402
from sandlot.robots.errors import RobotStoppedError  # noqa: E402
from sandlot.robots.gate import Mode  # noqa: E402
from sandlot.robots.gate_messages import read_state  # noqa: E402
from sandlot.robots.topics import GATE_STATE  # noqa: E402
from sandlot.robots.vesc.emulator import Emulator  # noqa: E402
from sandlot.robots.vesc.motor import MotorConfig  # noqa: E402
from sandlot.sim.car_envs import make  # noqa: E402

pytestmark = real_time


@contextlib.contextmanager
def nodes(env, folder, **driver):
    """Driver and gate of a car; the gate of one that needs no deadman."""
    words = {
        "sandlot.robots.car.car_node": driver,
        "sandlot.robots.car.gate_node": {"deadman_button": -1},
    }
    with contextlib.ExitStack() as held:
        log = held.enter_context((folder / "nodes.log").open("ab"))
        for module, parameters in words.items():
            argv = [sys.executable, "-m", module, "--ros-args", "-r", "__ns:=/car"]
            argv += [w for k, v in parameters.items() for w in ("-p", f"{k}:={v}")]
            process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
            held.callback(process.wait, 20.0)
            held.callback(process.terminate)
        yield


class Beside:
    """A node of its own process's graph: drives on `drive` and `teleop`, and hears the car."""

    def __init__(self, domain):
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=int(domain))
        self.node = rclpy.create_node(
            "beside", namespace="/car", context=self.context, start_parameter_services=False
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.out = {t.name: ros_node.publisher(self.node, t) for t in (topics.DRIVE, topics.TELEOP)}
        self.wishes = {}
        self.speed_mps, self.gate = 0.0, None
        ros_node.subscription(self.node, topics.WHEELS, self._on_wheels)
        ros_node.subscription(self.node, GATE_STATE, self._on_gate)
        ros_node.timer(self.node, 0.02, self._say)
        self.arm = self.node.create_client(Trigger, "gate/arm")
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self):
        while not self._stop.is_set():
            self.executor.spin_once(0.1)

    def _on_wheels(self, message):
        self.speed_mps = ros_messages.wheels_from(message)["speed"]

    def _on_gate(self, message):
        self.gate = read_state(message)

    def _say(self):
        for name, command in dict(self.wishes).items():
            self.out[name].publish(ros_messages.command_message(command, time.time_ns()))

    def until(self, done, what, within_s=40.0):
        until_s = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < until_s, f"{what}: {self.gate} at {self.speed_mps:.2f} m/s"
            time.sleep(0.01)

    def armed(self):
        """Arms the gate, once driver and gate are there."""
        self.until(lambda: self.gate is not None and self.arm.service_is_ready(), "gate and driver come up")
        self.until(lambda: self.node.count_publishers("wheels") > 0, "the driver comes up")
        self.arm.call_async(Trigger.Request())
        self.until(lambda: self.gate.mode in (Mode.ARMED, Mode.ACTIVE), "is armed")

    def close(self):
        self._stop.set()
        self.thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def beside(ros_domain):  # noqa: F811
    one = Beside(ros_domain["ROS_DOMAIN_ID"])
    yield one
    one.close()


def test_a_simulated_car_drives_as_told_a_person_goes_first_and_silence_brakes(ros_domain, tmp_path, beside):  # noqa: F811
    with nodes(ros_domain, tmp_path, device="sim"):
        beside.armed()
        beside.wishes[topics.DRIVE.name] = CarCommand(1.5, 0.0)
        beside.until(lambda: beside.speed_mps > 1.2, "drives")
        beside.wishes[topics.TELEOP.name] = CarCommand(0.0, 0.0)
        beside.until(lambda: abs(beside.speed_mps) < 0.1, "a person stops it")
        assert beside.gate.mode is Mode.ACTIVE
        beside.until(lambda: int(beside.gate.values["overruled"]) > 0, "the policy is overruled")
        del beside.wishes[topics.TELEOP.name]
        beside.until(lambda: beside.speed_mps > 0.8, "the policy drives again")
        beside.wishes.clear()
        beside.until(lambda: beside.gate.mode is Mode.STOPPED, "silence stops")
        beside.until(lambda: abs(beside.speed_mps) < 0.1, "stands")
        assert beside.gate.cause == "no valid action in time"
        beside.wishes[topics.DRIVE.name] = CarCommand(1.5, 0.0)
        time.sleep(0.5)
        assert abs(beside.speed_mps) < 0.1  # until it is armed
        beside.wishes.clear()


def test_a_car_behind_a_vesc_drives_and_brakes(ros_domain, tmp_path, beside):  # noqa: F811
    vesc = Emulator(MotorConfig(timeout_s=0.08, timeout_brake_a=20.0))
    vesc.start()
    with contextlib.closing(vesc), nodes(ros_domain, tmp_path, device="vesc", port=vesc.port):
        beside.armed()
        beside.wishes[topics.DRIVE.name] = CarCommand(1.5, 0.1)
        beside.until(lambda: beside.speed_mps > 1.2, "drives")
        beside.wishes.clear()
        beside.until(lambda: beside.gate.mode is Mode.STOPPED, "silence stops")
        beside.until(lambda: abs(beside.speed_mps) < 0.1, "stands")


def test_the_same_practice_goes_through_topics(ros_domain, tmp_path, beside):  # noqa: F811
    simulated = make("car_hall")
    course, _, _ = simulated.map()
    spec = simulated.env_spec
    simulated.close()
    courses.save(tmp_path / "hall.yaml", course)
    env = envs.make("car_hall", robot="ros", course=str(tmp_path / "hall.yaml"))
    assert envs.env_spec(env).fingerprint == spec.fingerprint
    ahead, causes, states = np.array([0.5, 0.0], np.float32), [], []
    with nodes(ros_domain, tmp_path, device="sim"), contextlib.closing(env):
        beside.armed()
        obs, _ = env.reset(seed=0)
        for _ in range(400):
            obs, reward, terminated, truncated, info = env.step(ahead)
            assert np.isfinite(obs["state"]).all() and np.isfinite(reward)
            states.append(obs["state"])
            if terminated or truncated:
                causes.append(info.get("cause"))
                _, info = env.reset()
                (note,) = info["resets"]
                break
        assert causes == ["collision"] and note.controller == "recovery_collision"
        *_, info = env.step(ahead)  # and drives on
        assert env.unwrapped.robot.figures()["sensor_faults"] == 0.0
        env.unwrapped.robot.stop()
        with pytest.raises(RobotStoppedError, match="stop service"):
            env.step(ahead)
    assert np.array(states)[:, 3].max() > 0.2  # forward, in units of 4 m/s


def test_on_a_car_a_course_is_needed():
    with pytest.raises(Exception, match="needs --course FILE"):
        envs.make("car_hall", robot="ros")
