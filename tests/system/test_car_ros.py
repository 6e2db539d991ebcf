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
from sandlot.robots.car.device import CarState, Inertial  # noqa: E402
from sandlot.robots.car.spec import CarCommand  # noqa: E402
from sandlot.robots.errors import RobotStoppedError  # noqa: E402
from sandlot.robots.gate import Mode  # noqa: E402
from sandlot.robots.gate_messages import read_state  # noqa: E402
from sandlot.robots.ros_messages import header  # noqa: E402
from sandlot.robots.teleop.mapping import Button, Hands  # noqa: E402
from sandlot.robots.topics import GATE_STATE, JOY  # noqa: E402
from sandlot.robots.vesc.emulator import Emulator  # noqa: E402
from sandlot.robots.vesc.motor import MotorConfig  # noqa: E402
from sandlot.sim.car_envs import make  # noqa: E402

pytestmark = real_time


@contextlib.contextmanager
def nodes(env, folder, *, hands=None, **driver):
    """Driver and gate of a car, and who drives it by hand; the gate of one that needs no deadman."""
    words = {
        "sandlot.robots.car.car_node": driver,
        "sandlot.robots.car.gate_node": {"deadman_button": -1},
    }
    words |= {"sandlot.robots.car.hands_node": hands} if hands is not None else {}
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
        self.out = {t.name: ros_node.publisher(self.node, t) for t in (topics.DRIVE, topics.TELEOP, JOY)}
        self.wishes = {}
        self.hands = None
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
        if self.hands is not None:
            joy = self.out[JOY.name].msg_type(axes=list(self.hands.axes), buttons=self.hands.buttons())
            joy.header = header(time.time_ns(), "test")
            self.out[JOY.name].publish(joy)

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


def test_a_person_drives_by_stick_and_letting_go_is_a_pause(ros_domain, tmp_path, beside):  # noqa: F811
    beside.node.destroy_publisher(beside.out.pop(topics.DRIVE.name))  # nobody else drives
    with nodes(ros_domain, tmp_path, hands={}, device="sim"):
        beside.armed()
        beside.until(lambda: beside.node.count_publishers("teleop") > 1, "the hands come up")
        stick = (0.8, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0)
        beside.hands = Hands(stick, frozenset())
        time.sleep(0.5)
        assert abs(beside.speed_mps) < 0.1  # who only moves the stick does not drive
        beside.hands = Hands(stick, frozenset({Button.TAKE_OVER}))
        beside.until(lambda: beside.speed_mps > 0.9, "drives")
        beside.hands = Hands(stick, frozenset())
        beside.until(lambda: abs(beside.speed_mps) < 0.1, "stands")
        assert beside.gate.mode is Mode.ARMED and beside.gate.cause == "paused"
        beside.hands = Hands((-1.0, *stick[1:]), frozenset({Button.TAKE_OVER}))
        beside.until(lambda: beside.speed_mps < -0.5, "drives backwards")
        beside.hands = None
        beside.until(lambda: beside.gate.mode is Mode.STOPPED, "a joystick that falls silent stops it")
        beside.until(lambda: abs(beside.speed_mps) < 0.1, "stands")


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


def test_a_reversed_wheel_sign_is_found_while_driving_and_the_car_stays_braked(ros_domain, tmp_path, beside):  # noqa: F811
    """What the inertial sensor feels is the opposite of what the wheels say."""
    vesc = Emulator(MotorConfig(timeout_s=0.08, timeout_brake_a=20.0))
    vesc.start()
    said = []

    def on_wheels(message):
        said.append((time.monotonic(), ros_messages.wheels_from(message)["speed"]))
        (then_s, was_mps), (now_s, is_mps) = said[max(0, len(said) - 6)], said[-1]
        accel = -(is_mps - was_mps) / max(now_s - then_s, 1e-3)
        felt = Inertial(0.0, np.array([accel, 0.0, 9.81]), np.zeros(3))
        imu.publish(ros_messages.imu_message(felt, time.time_ns()))

    imu = ros_node.publisher(beside.node, topics.IMU)
    ros_node.subscription(beside.node, topics.WHEELS, on_wheels)
    with contextlib.closing(vesc), nodes(ros_domain, tmp_path, device="vesc", port=vesc.port):
        beside.armed()
        until_s = time.monotonic() + 30.0
        while "change the sign" not in (tmp_path / "nodes.log").read_text() and time.monotonic() < until_s:
            fast = int(time.monotonic() / 0.7) % 2
            beside.wishes[topics.DRIVE.name] = CarCommand(2.5 if fast else 0.8, 0.0)
            time.sleep(0.02)
        assert "change the sign of speed_to_erpm_gain" in (tmp_path / "nodes.log").read_text()
        beside.until(lambda: abs(beside.speed_mps) < 0.1, "is braked")
        beside.until(lambda: beside.gate.mode is Mode.STOPPED, "the gate knows")
        assert abs(beside.speed_mps) < 0.1  # though it is commanded all the time


def test_gps_that_is_lost_takes_the_odometry_away_and_is_named(ros_domain, tmp_path, beside):  # noqa: F811
    """A car drives round a circle of 20 m radius at 2 m/s; 1e-5 degrees of latitude are 1.11 m."""
    zurich, odom, fixes, began_s = (47.37, 8.54), [], [True], time.monotonic()
    out = {t.name: ros_node.publisher(beside.node, t) for t in (topics.WHEELS, topics.IMU, topics.FIX)}
    ros_node.subscription(beside.node, topics.ODOM, odom.append)

    def place():
        angle = (time.monotonic() - began_s) * 2.0 / 20.0
        return 20.0 * np.cos(angle), 20.0 * np.sin(angle)

    def drive():
        stamp_ns = time.time_ns()
        felt = Inertial(0.0, np.array([0.0, 0.2, 9.81]), np.array([0.0, 0.0, 0.1]))
        out[topics.IMU.name].publish(ros_messages.imu_message(felt, stamp_ns))
        out[topics.WHEELS.name].publish(
            ros_messages.wheels_message(CarState(0.0, 2.0, 0.0, 11.8, 1.0), stamp_ns)
        )

    def fix():
        if fixes[0]:
            (east, north), message = place(), out[topics.FIX.name].msg_type()
            message.header = header(time.time_ns(), "gps")
            message.latitude = zurich[0] + np.degrees(north / 6_367_000.0)
            message.longitude = zurich[1] + np.degrees(east / (6_387_000.0 * np.cos(np.radians(zurich[0]))))
            message.position_covariance_type = 2
            message.position_covariance[0] = message.position_covariance[4] = 0.01
            out[topics.FIX.name].publish(message)

    timers = [ros_node.timer(beside.node, 0.02, drive), ros_node.timer(beside.node, 0.2, fix)]
    words = (
        "sandlot.robots.car.estimator_node",
        "--ros-args",
        "-r",
        "__ns:=/car",
        "-p",
        "origin_deg:=[47.37, 8.54]",
    )
    with (tmp_path / "estimator.log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", *words], env=ros_domain, stdout=log, stderr=log)
    try:
        beside.until(lambda: len(odom) > 50, "odometry comes")
        at = ros_messages.odometry_from(odom[-1]).position_m
        assert np.linalg.norm(at - place()) < 1.5
        fixes[0] = False
        beside.until(lambda: "GPS lost for 3" in (tmp_path / "estimator.log").read_text(), "it is named")
        time.sleep(0.3)
        count = len(odom)
        time.sleep(0.5)
        assert len(odom) == count
    finally:
        process.terminate()
        process.wait(20.0)
        for timer in timers:
            beside.node.destroy_timer(timer)


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
