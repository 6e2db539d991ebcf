"""The bus against emulated servos on a pseudo-terminal: every question answered, or given up in time."""

import os

import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.dynamixel import registers as reg
from sandlot.robots.dynamixel.bus import Bus, BusConfig
from sandlot.robots.dynamixel.emulator import Emulator
from sandlot.robots.dynamixel.servo import Servo
from sandlot.robots.errors import DeviceError
from sandlot.robots.serial_port import Port

IDS = [1, 2, 3]


@pytest.fixture
def emulator():
    found = Emulator(IDS)
    found.start()
    yield found
    found.close()


@pytest.fixture
def bus(emulator):
    found = Bus(Port(emulator.port, 1_000_000), BusConfig(reply_s=0.1))
    yield found
    found.close()


def test_registers_are_read_and_written(bus):
    assert bus.ping(1) == 1020 and bus.ping(9) is None
    bus.write(1, reg.BUS_WATCHDOG, 0)
    bus.write(2, reg.PROFILE_VELOCITY, 77)
    assert bus.read(2, reg.PROFILE_VELOCITY) == 77 and bus.read(1, reg.PROFILE_VELOCITY) == 0


def test_many_are_read_and_written_at_once(bus, emulator):
    bus.sync_write(reg.GOAL_POSITION, {i: reg.GOAL_POSITION.pack(2048 - i) for i in IDS})
    found = bus.sync_read(IDS, reg.GOAL_POSITION)
    assert {i: reg.GOAL_POSITION.unpack(v) for i, v in found.items()} == {1: 2047, 2: 2046, 3: 2045}


def test_lost_and_damaged_answers_are_asked_for_again(bus, emulator):
    emulator.faults.drop = 1
    assert bus.read(1, reg.MODEL) == 1020
    emulator.faults.flip = 1
    assert set(bus.sync_read(IDS, reg.MOTION)) == set(IDS)
    assert bus.counts["crc_errors"] == 1 and bus.counts["retries"] >= 2 and bus.counts["timeouts"] >= 2


def test_one_missing_servo_does_not_hide_those_behind_it(bus, emulator):
    emulator.faults.missing = {1}
    assert set(bus.sync_read(IDS, reg.MOTION)) == {2, 3}
    with pytest.raises(
        DeviceError, match=r"servo 1 does not answer \(3 tries at 1000000 baud\); check power"
    ):
        bus.read(1, reg.MODEL)


def test_answers_that_come_late_are_never_taken_for_others(bus, emulator):
    emulator.servos[1].set(reg.PROFILE_VELOCITY, 11)
    emulator.servos[2].set(reg.GOAL_POSITION, 22)
    emulator.faults.late_s = 0.15
    assert bus.ping(1) is None
    emulator.faults.late_s = 0.0
    assert bus.read(2, reg.GOAL_POSITION) == 22
    assert bus.read(1, reg.PROFILE_VELOCITY) == 11


def test_a_refused_write_says_why(bus):
    with pytest.raises(DeviceError, match="servo 1 refuses register 200: access error"):
        bus.write(1, reg.Register(200, 1), 1)
    bus.write(1, reg.TORQUE_ENABLE, 1)
    with pytest.raises(DeviceError, match="servo 1 refuses register 11: access"):
        bus.write(1, reg.OPERATING_MODE, 4)  # EEPROM needs torque off


def test_a_hardware_error_shows_in_every_answer(bus, emulator):
    emulator.servos[3].fail(0x20)
    bus.sync_read(IDS, reg.MOTION)
    assert bus.alerted == {3}
    assert reg.hardware_errors(bus.read(3, reg.HARDWARE_ERROR)) == "overload"
    with pytest.raises(DeviceError, match="servo 3 refuses register 64: result"):
        bus.write(3, reg.TORQUE_ENABLE, 1)


def test_an_adapter_that_is_pulled_out_is_named(bus, emulator):
    emulator.close()
    with pytest.raises(DeviceError, match="is gone .*plug the adapter in again"):
        bus.read(1, reg.MODEL)


def test_ports_that_cannot_be_used(emulator, tmp_path):
    with pytest.raises(DeviceError, match="nowhere cannot be opened .* is the adapter plugged in"):
        Port(str(tmp_path / "nowhere"), 1_000_000)
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="file is not a serial port"):
        Port(str(tmp_path / "file"), 1_000_000)
    with pytest.raises(DeviceError, match="12345 baud is not a rate"):
        Port(emulator.port, 12345)
    first = Port(emulator.port, 1_000_000)
    with pytest.raises(DeviceError, match="used by another process"):
        Port(emulator.port, 1_000_000)
    first.close()
    first.close()


def test_settings_of_a_bus_are_checked():
    with pytest.raises(ConfigError, match=r"reply_s=0 must lie in \(0, 0.1\]"):
        BusConfig(reply_s=0)
    with pytest.raises(ConfigError, match="tries=0"):
        BusConfig(tries=0)


def test_a_servo_turns_at_its_profile_velocity_and_arrives():
    servo = Servo(1)
    servo.advance(0.0)
    servo.write(64, b"\x01")
    servo.write(
        112, reg.PROFILE_VELOCITY.pack(42) + reg.GOAL_POSITION.pack(2048 + 1024)
    )  # 1 rad/s, 90 degrees
    for k in range(1, 501):
        servo.advance(0.002 * k)
    assert servo.position_rad == pytest.approx(1.007, abs=0.01)
    assert servo.get(reg.PRESENT_VELOCITY) == 42
    for k in range(501, 1001):
        servo.advance(0.002 * k)
    assert servo.get(reg.PRESENT_POSITION) == 3072 and servo.get(reg.PRESENT_VELOCITY) == 0


def test_a_servo_whose_bus_falls_silent_stops_by_itself_and_refuses_goals_until_told():
    servo = Servo(1)
    servo.heard(0.0)
    servo.write(64, b"\x01")
    servo.write(98, b"\x05")  # 100 ms
    servo.write(112, reg.PROFILE_VELOCITY.pack(42) + reg.GOAL_POSITION.pack(4095))
    servo.advance(0.09)
    assert servo.get(reg.PRESENT_VELOCITY) > 0
    servo.advance(0.11)
    stopped = servo.get(reg.PRESENT_POSITION)
    servo.advance(1.0)
    assert abs(servo.get(reg.PRESENT_POSITION) - stopped) <= 1
    assert servo.get(reg.BUS_WATCHDOG) == reg.WATCHDOG_TRIPPED
    assert servo.write(116, reg.GOAL_POSITION.pack(0)).name == "RANGE"
    assert servo.write(112, reg.PROFILE_VELOCITY.pack(1)).name == "NONE"
    servo.write(98, b"\x00")
    assert servo.write(116, reg.GOAL_POSITION.pack(0)).name == "NONE"


def test_a_servo_that_failed_lets_go():
    servo = Servo(1)
    servo.heard(0.0)
    servo.write(64, b"\x01")
    servo.write(116, reg.GOAL_POSITION.pack(4095))
    servo.advance(0.1)
    servo.fail(0x20)
    servo.advance(0.2)
    assert servo.get(reg.PRESENT_VELOCITY) == 0 and servo.get(reg.TORQUE_ENABLE) == 0


def test_no_descriptor_is_left_behind():
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        emulator = Emulator(IDS)
        emulator.start()
        Port(emulator.port, 57600).close()
        emulator.close()
    assert len(os.listdir("/proc/self/fd")) == before
