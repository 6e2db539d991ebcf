"""The car's gate and driver, real nodes, with a clock that the test turns: nothing here waits for time."""

import dataclasses
import pathlib
import types

import pytest
import yaml

pytest.importorskip("rclpy")

from tests.ros_domain import claim  # noqa: E402

from sandlot.robots import gate_node as shared  # noqa: E402
from sandlot.robots.car import car_node, devices, gate_node, ros_messages  # noqa: E402
from sandlot.robots.car.device import CarState  # noqa: E402
from sandlot.robots.car.gate_limits import Asks  # noqa: E402
from sandlot.robots.car.spec import CarCommand  # noqa: E402
from sandlot.robots.device import DeviceKind  # noqa: E402
from sandlot.robots.gate import Mode  # noqa: E402
from sandlot.robots.stamps import Clocks  # noqa: E402

import rclpy  # isort: skip

WALL_S = 1.7e9
PERSON, POLICY = bytes([1] * 16), bytes([2] * 16)


class Clock:
    """A steady clock that only the test moves."""

    def __init__(self, patch):
        self.ms = 1_000_000
        time = types.SimpleNamespace(monotonic=lambda: self.now_s, time=lambda: self.now_s + WALL_S)
        for module in (shared, gate_node, car_node):
            patch.setattr(module, "read_clocks", self.read)
            if hasattr(module, "time"):
                patch.setattr(module, "time", time)

    @property
    def now_s(self):
        return self.ms / 1e3

    def read(self):
        return Clocks(self.now_s, self.now_s + WALL_S)


@pytest.fixture
def ros():
    made = []

    def init(*words):
        rclpy.init(args=["--ros-args", "-r", "__ns:=/car", *words], domain_id=claim())

    yield init, made
    for node in made:
        node.destroy_node()
    rclpy.try_shutdown()


class Gate:
    """The car's gate, armed."""

    def __init__(self, ros, clock):
        init, made = ros
        init("-p", "deadman_button:=-1")
        self.node, self.clock, self.sent = gate_node.CarGateNode(), clock, []
        made.append(self.node)
        self.node.send = lambda command: self.sent.append(command.command)
        self.node._on_tick()
        assert not self.node._arm()

    def ask(self, asks, speed_mps):
        stamp = round((self.clock.now_s + WALL_S) * 1e9)
        who = PERSON if asks is Asks.TELEOP else POLICY
        info = {"publisher_gid": {"data": who}, "received_timestamp": stamp}
        self.node._on_wish(asks, ros_messages.command_message(CarCommand(speed_mps, 0.1), stamp), info)

    def run(self, seconds, policy=None, person=None, person_ms=20):
        """Both ask in their periods, the gate ticks in its own; a ms at a time."""
        for _ in range(round(1e3 * seconds)):
            self.clock.ms += 1
            if policy is not None and self.clock.ms % 20 == 0:
                self.ask(Asks.DRIVE, policy)
            if person is not None and self.clock.ms % person_ms == 7:
                self.ask(Asks.TELEOP, person)
            if self.clock.ms % 20 == 13:
                self.node._on_tick()


@pytest.fixture
def gate(ros, monkeypatch):
    return Gate(ros, Clock(monkeypatch))


def test_a_person_who_lets_go_leaves_a_car_that_brakes_and_then_obeys_the_policy(gate):
    gate.run(1.0, policy=1.5)
    gate.run(1.0, policy=1.5, person=0.5)
    assert gate.sent[-1].speed_mps == 0.5
    gate.run(0.07, policy=1.5)
    assert gate.sent[-1].speed_mps in (0.0, 0.5)
    gate.run(0.08, policy=1.5)
    assert gate.node.state.mode is Mode.ACTIVE and gate.sent[-1].speed_mps == 0.0
    gate.run(1.0, policy=1.5)
    assert gate.node.state.mode is Mode.ACTIVE and gate.sent[-1].speed_mps == 1.5


@pytest.mark.parametrize("period_ms", [20, 33, 50])
def test_a_person_is_not_braked_between_two_of_their_commands_because_a_policy_lives(gate, period_ms):
    gate.run(1.0, policy=0.0, person=2.0, person_ms=period_ms)
    gate.sent.clear()
    gate.run(2.0, policy=0.0, person=2.0, person_ms=period_ms)
    assert {c.speed_mps for c in gate.sent} == {2.0}


def test_without_a_policy_a_person_who_falls_silent_stops_the_car(gate):
    gate.run(1.0, person=1.0)
    gate.run(0.12)
    assert gate.node.state.mode is Mode.STOPPED


def test_after_a_pause_the_car_starts_from_standing(gate):
    gate.run(2.0, policy=3.0)
    assert gate.sent[-1].speed_mps == 3.0
    gate.node._on_pause(None)
    gate.run(5.0)
    gate.sent.clear()
    gate.run(0.1, policy=3.0)
    assert gate.sent and max(c.speed_mps for c in gate.sent) <= 1.0


class Scripted:
    """A car that remembers a fault until it is held after the fault is over, as a VESC's device does."""

    cameras = ()

    def __init__(self):
        self.present = self.fault = ""
        self.commands, self.holds = [], 0

    def connect(self):
        """Nothing to do."""

    def close(self):
        """Nothing to do."""

    def frames(self, now_s):
        return {}

    def read(self, now_s):
        self.fault = self.present or self.fault
        return CarState(now_s, 0.0, 0.0, 11.0, 0.0, fault=self.fault)

    def command(self, command, now_s):
        self.commands.append(command)

    def hold(self, now_s):
        self.holds += 1
        if not self.present:
            self.fault = ""


@dataclasses.dataclass(frozen=True)
class Config:
    """Nothing can be set."""


@pytest.fixture
def driver(ros, monkeypatch):
    init, made = ros
    clock, device = Clock(monkeypatch), Scripted()
    monkeypatch.setattr(devices, "find", lambda name: DeviceKind(Config, lambda config: device))
    init()
    node = car_node.CarDriverNode()
    made.append(node)
    return node, device, clock


def test_faults_that_follow_each_other_are_all_forgotten_when_the_last_is_over(driver):
    node, device, clock = driver
    for present in ("over temp", "under voltage", ""):
        device.present = present
        for _ in range(150):
            clock.ms += 10
            node.publish(clock.read())
    node._hold("somebody looks")
    for _ in range(150):
        clock.ms += 10
        node.publish(clock.read())
    assert not node._driver.locked, node._driver.cause


def test_a_fault_that_is_over_at_once_is_told_for_long_enough_to_be_found(driver):
    node, device, clock = driver
    device.present = "over current"
    node.publish(clock.read())
    device.present = ""
    for _ in range(60):  # the gate looks every 500 ms
        clock.ms += 10
        node.publish(clock.read())
        node._hold("the actor pauses")
        assert node._driver.locked
    clock.ms += 1000
    node.publish(clock.read())
    assert not node._driver.locked


def test_the_settings_of_a_car_are_those_that_its_file_says_are_the_defaults(driver):
    text = yaml.safe_load((pathlib.Path(car_node.__file__).parents[2] / "config" / "car.yaml").read_text())
    node = driver[0]
    for name, value in text["/car/driver"]["ros__parameters"].items():
        assert node.get_parameter(name).value == value, name


def test_a_fault_of_the_drive_stops_the_gate_until_somebody_arms_it(gate):
    state = CarState(gate.clock.now_s, 0.0, 0.0, 11.0, 0.0, fault="under voltage")
    stamp = round((gate.clock.now_s + WALL_S) * 1e9)
    message = ros_messages.wheels_message(state, stamp)
    message.name, message.position = [*message.name, "fault"][-4:], [*message.position, 1.0][-4:]
    gate.run(1.0, policy=1.0)
    gate.node._wheels.get = lambda: message
    gate.node.robot_silent = lambda clocks: False  # its age is another test's business
    gate.run(0.6, policy=1.0)
    assert gate.node.state.mode is Mode.STOPPED and gate.node.state.cause == "drive fault"
    assert gate.node._arm() == "drive fault"
