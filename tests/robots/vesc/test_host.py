"""The host against an emulated VESC on a pseudo-terminal: every question answered, or given up in time."""

import time

import pytest

from sandlot.learners.errors import ConfigError
from sandlot.robots.errors import DeviceError
from sandlot.robots.serial_port import Patience, Port
from sandlot.robots.vesc import protocol
from sandlot.robots.vesc.emulator import FIRMWARE, Emulator
from sandlot.robots.vesc.host import Host
from sandlot.robots.vesc.motor import MotorConfig
from sandlot.robots.vesc.protocol import Command
from sandlot.robots.vesc.values import Firmware


@pytest.fixture
def vesc():
    found = Emulator(MotorConfig(timeout_s=0.3))
    found.start()
    yield found
    found.close()


@pytest.fixture
def host(vesc):
    found = Host(Port(vesc.port, 115200), Patience(reply_s=0.1))
    yield found
    found.close()


def until(condition, within_s=10.0):
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def test_it_says_who_it_is_drives_and_brakes(host, vesc):
    assert host.hello() == FIRMWARE
    until(lambda: host.values(protocol.set_rpm(8000)).erpm > 7000)
    found = host.values(protocol.set_rpm(8000))
    assert found.battery_v == pytest.approx(11.8, abs=0.5) and not found.fault_text
    until(lambda: host.values(protocol.set_brake(20)).erpm == 0)
    assert host.values().motor_a == pytest.approx(0.0)


def test_without_motor_commands_it_lets_go_whatever_the_servo_is_told(host, vesc):
    until(lambda: host.values(protocol.set_rpm(8000)).erpm > 7000)
    began_s = time.monotonic()
    until(lambda: host.values(protocol.set_servo(0.7)).timed_out)
    assert time.monotonic() - began_s > 0.25
    assert vesc.motor.servo == 0.7 and vesc.motor.command == (Command.SET_BRAKE, 0.0)
    assert host.values().erpm > 1000  # by its default settings it rolls on
    host.send(protocol.ask(Command.ALIVE))
    until(lambda: not host.values().timed_out)


def test_lost_damaged_and_late_answers_are_asked_for_again(host, vesc):
    vesc.faults.drop = 1
    host.values()
    vesc.faults.flip = 1
    host.values()
    assert host.counts["crc_errors"] == 1 and host.counts["timeouts"] == host.counts["retries"] == 2
    vesc.faults.noise = b"\x03\x01\xff\x02"
    for _ in range(20):
        host.values()
    assert host.counts["timeouts"] == 2 and host.counts["skipped_bytes"] >= 80


def test_a_vesc_that_is_silent_or_gone_is_told_with_the_way_out(host, vesc):
    vesc.silent = True
    with pytest.raises(DeviceError, match=r"the VESC does not answer \(3 tries\); check its power"):
        host.values()
    with pytest.raises(DeviceError, match="no VESC answers; is it powered"):
        host.hello()
    vesc.close()
    with pytest.raises(DeviceError, match="is gone .* plug the adapter in again"):
        host.values()


def test_another_firmware_is_named(host, vesc):
    vesc.firmware = Firmware(2, 18, "old", "")
    with pytest.raises(DeviceError, match=rf"{vesc.port}: firmware 2.18 on 'old' is too old"):
        host.hello()
    vesc.size = 56
    with pytest.raises(DeviceError, match="measurements are 56 bytes long"):
        host.values()


def test_faults_and_the_kill_switch_let_the_motor_go(host, vesc):
    until(lambda: host.values(protocol.set_rpm(8000)).erpm > 7000)
    vesc.motor.fault = 2
    found = host.values(protocol.set_rpm(8000))
    assert found.fault_text == "under voltage"
    time.sleep(0.1)
    assert host.values(protocol.set_rpm(8000)).erpm < found.erpm
    vesc.motor.fault, vesc.motor.killed = 0, True
    assert host.values().killed


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="reply_s=1.0 must lie in"):
        Patience(reply_s=1.0)
    with pytest.raises(ConfigError, match="tries=0 must lie in"):
        Patience(tries=0)
