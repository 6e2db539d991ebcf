"""The car's device against an emulated VESC on a pseudo-terminal: it drives, brakes, says what is wrong."""

import math
import threading
import time

import pytest
from tests.stalls import real_time

from sandlot.learners.errors import ConfigError
from sandlot.robots.car.device_vesc import Config, make
from sandlot.robots.car.spec import CarCommand
from sandlot.robots.errors import DeviceError
from sandlot.robots.vesc import protocol
from sandlot.robots.vesc.emulator import Emulator
from sandlot.robots.vesc.motor import MotorConfig
from sandlot.robots.vesc.protocol import Command
from sandlot.robots.vesc.values import Firmware

pytestmark = real_time
WITHIN_S = 20.0
SAFE = {"timeout_s": 0.3, "timeout_brake_a": 20.0}


def config(vesc, **changes):
    """Patient settings: a test machine may be busy."""
    patient = {"reply_s": 0.06, "watchdog_s": 0.4, "firmware_timeout_s": 0.35}
    return Config(port=vesc.port, **{**patient, **changes})


@pytest.fixture
def vesc():
    found = Emulator(MotorConfig(**SAFE))
    found.start()
    yield found
    found.close()


@pytest.fixture
def car(vesc):
    found = make(config(vesc))
    found.connect()
    yield found
    found.close()


def drive(car, speed_mps=3.0, steering_rad=0.0, until=None, within_s=WITHIN_S):
    """Commands every 20 ms until a state of the car is as wanted; returns it."""
    until = until or (lambda state: abs(state.wheel_mps) > 0.9 * abs(speed_mps))
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        car.command(CarCommand(speed_mps, steering_rad), time.monotonic())
        state = car.read(time.monotonic())
        if until(state):
            return state
        time.sleep(0.02)
    raise AssertionError(f"not within {within_s} s: {state}")


def eventually(condition, within_s=WITHIN_S):
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.005)


def is_braking(vesc):
    with vesc.lock:
        return vesc.motor.command == (Command.SET_BRAKE, 20.0)


def test_connecting_moves_nothing(car, vesc):
    state = car.read(5.0)
    assert state.stamp_s == 5.0 and state.wheel_mps == 0.0 and state.steering_rad == 0.0 and not state.fault
    assert state.battery_v == pytest.approx(11.8, abs=0.1)
    assert set(vesc.heard) <= {
        Command.FW_VERSION, Command.GET_VALUES, Command.GET_APPCONF, Command.SET_CURRENT,
    }  # fmt: skip


def test_it_drives_at_the_speed_and_steers_to_the_side_it_is_told(car, vesc):
    state = drive(car, 3.0, 0.2, until=lambda s: s.wheel_mps == pytest.approx(3.0, abs=0.05))
    assert state.steering_rad == pytest.approx(0.2, abs=1e-3)
    with vesc.lock:
        assert vesc.motor.erpm == pytest.approx(13842, rel=0.03)
        assert vesc.motor.servo == pytest.approx(0.5304 - 0.2 * 1.2135, abs=1e-3)
    drive(car, -1.0, -0.2, until=lambda s: s.wheel_mps == pytest.approx(-1.0, abs=0.05))
    with vesc.lock:
        assert vesc.motor.erpm < 0 and vesc.motor.servo == pytest.approx(0.5304 + 0.2 * 1.2135, abs=1e-3)


def test_either_sign_of_the_gains_is_the_same_car_mounted_the_other_way(vesc):
    car = make(config(vesc, speed_to_erpm_gain=-4614.0, steering_angle_to_servo_gain=1.2135))
    car.connect()
    state = drive(car, 2.0, 0.1)
    with vesc.lock:
        assert vesc.motor.erpm < -8000 and vesc.motor.servo > 0.6
    assert state.wheel_mps > 1.8 and state.steering_rad == pytest.approx(0.1, abs=1e-3)
    car.close()


def test_the_servo_and_the_motor_go_no_further_than_they_may(vesc):
    car = make(config(vesc, speed_max=5000.0))
    car.connect()
    state = drive(car, 4.0, 1.5, until=lambda s: s.wheel_mps > 1.05)
    with vesc.lock:
        assert vesc.motor.servo == 0.15 and vesc.motor.command == (Command.SET_RPM, 5000.0)
    assert state.steering_rad == pytest.approx((0.15 - 0.5304) / -1.2135)
    car.close()


def test_a_hold_brakes_at_once_and_lets_go_when_the_car_stands(car, vesc):
    drive(car)
    car.hold(time.monotonic())
    car.read(time.monotonic())  # its answer comes behind the hold
    assert is_braking(vesc)
    eventually(lambda: vesc.motor.command == (Command.SET_CURRENT, 0.0))
    assert car.read(time.monotonic()).wheel_mps == 0.0


def test_a_speed_of_zero_brakes_and_does_not_coast(car, vesc):
    drive(car)
    drive(car, 0.0, until=lambda s: s.wheel_mps == 0.0, within_s=2.0)  # coasting from 3 m/s takes 6 s
    assert is_braking(vesc)


def test_without_commands_it_brakes_by_itself_although_it_is_read(car, vesc):
    drive(car)
    began_s = time.monotonic()
    while not is_braking(vesc):
        car.read(time.monotonic())
        assert time.monotonic() - began_s < WITHIN_S
    with vesc.lock:
        assert not vesc.motor.timed_out or vesc.motor.config.timeout_s < 0.4
    eventually(lambda: car.read(time.monotonic()).wheel_mps == 0.0)


def test_the_watchdog_brakes_before_a_slower_firmware_does(vesc):
    vesc.motor.config.timeout_s = 0.9
    car = make(config(vesc, firmware_timeout_s=1.0))
    car.connect()
    drive(car)
    before = vesc.heard[Command.SET_BRAKE]
    eventually(lambda: vesc.heard[Command.SET_BRAKE] > before)
    assert not vesc.motor.timed_out
    drive(car)  # a new command drives on
    car.close()


def test_servo_frames_are_no_sign_of_life(car, vesc):
    drive(car)
    while not is_braking(vesc):
        with car._wake:
            car._host.send(protocol.set_servo(0.6))
        time.sleep(0.02)
    assert vesc.motor.servo == 0.6


@pytest.mark.parametrize("wrong", [CarCommand(math.nan, 0.0), CarCommand(1.0, math.inf)])
def test_a_command_that_is_no_number_brakes_and_is_refused(car, vesc, wrong):
    drive(car)
    with pytest.raises(DeviceError, match="is no command: both must be numbers; the car brakes"):
        car.command(wrong, time.monotonic())
    car.read(time.monotonic())
    assert is_braking(vesc)


def test_a_command_from_before_a_freeze_is_not_obeyed(car, vesc):
    car.command(CarCommand(3.0, 0.0), time.monotonic() - 1.0)
    car.read(time.monotonic())
    assert not vesc.heard[Command.SET_RPM]


def test_a_fault_brakes_is_told_in_words_and_lasts_until_a_hold(car, vesc):
    drive(car)
    with vesc.lock:
        vesc.motor.fault = 5
    assert car.read(time.monotonic()).fault == "FET too hot"
    with pytest.raises(DeviceError, match=r"the car was braked \(FET too hot\); put that right, then hold"):
        car.command(CarCommand(3.0, 0.0), time.monotonic())
    car.hold(time.monotonic())
    with vesc.lock:
        vesc.motor.fault = 0
    assert car.read(time.monotonic()).fault == "FET too hot"  # it may have been too short to be seen twice
    eventually(lambda: is_braking(vesc) or vesc.motor.erpm == 0.0)
    eventually(lambda: not (car.hold(time.monotonic()) or car.read(time.monotonic()).fault))
    drive(car)


def test_a_fault_and_the_kill_switch_are_told_when_connecting(vesc):
    vesc.motor.killed = True
    with pytest.raises(DeviceError, match="the VESC reports 'kill switch pressed'; put that right"):
        make(config(vesc)).connect()
    vesc.motor.killed, vesc.motor.fault = False, 2
    with pytest.raises(DeviceError, match="the VESC reports 'under voltage'"):
        make(config(vesc)).connect()
    vesc.motor.fault = 0
    car = make(config(vesc))
    car.connect()  # the refused ones have left the port
    drive(car)
    vesc.motor.killed = True
    assert car.read(time.monotonic()).fault == "kill switch pressed"
    car.close()


def test_another_firmware_is_refused_by_name_and_older_measurements_will_do(vesc):
    vesc.firmware = Firmware(2, 18, "410", "")
    with pytest.raises(DeviceError, match=r"firmware 2.18 on '410' is too old"):
        make(config(vesc)).connect()
    vesc.firmware, vesc.size = Firmware(3, 40, "410", "00" * 12), 59
    car = make(config(vesc))
    car.connect()
    assert drive(car).wheel_mps > 2.0
    car.close()


def test_a_vesc_that_would_not_stop_the_car_of_a_dead_computer_is_refused(vesc):
    vesc.motor.config = MotorConfig()
    with pytest.raises(DeviceError, match=r"would only let the car roll .* set Timeout to 80 ms"):
        make(config(vesc)).connect()
    vesc.motor.config = MotorConfig(timeout_brake_a=20.0)
    with pytest.raises(DeviceError, match=r"own timeout is 1 s, the most is firmware_timeout_s=0.35"):
        make(config(vesc)).connect()
    vesc.tells_settings = False
    with pytest.raises(DeviceError, match=r"own timeout is more than 0.35 s, or unknown"):
        make(config(vesc)).connect()
    car = make(config(vesc, firmware_timeout_s=0.0))
    car.connect()
    car.close()
    vesc.motor.config = MotorConfig(**SAFE)
    car = make(config(vesc))
    car.connect()  # settings that cannot be read: its timeout was seen to act
    car.close()


def test_a_silent_vesc_is_braked_although_nobody_answers(car, vesc):
    drive(car)
    vesc.silent = True
    before = car.read(time.monotonic())
    assert car.read(time.monotonic()).stamp_s == before.stamp_s  # one answer too few is no fault
    time.sleep(0.4)
    with pytest.raises(DeviceError, match=rf"{vesc.port}: the VESC does not answer .* check its power"):
        car.read(time.monotonic())
    eventually(lambda: is_braking(vesc))
    eventually(lambda: vesc.motor.erpm == 0.0)
    vesc.silent = False
    drive(car)


def test_an_unplugged_vesc_is_named_and_can_be_closed_and_found_again(car, vesc):
    drive(car)
    vesc.close()
    with pytest.raises(DeviceError, match=rf"serial port {vesc.port} is gone"):
        car.read(time.monotonic())
    with pytest.raises(DeviceError, match=rf"serial port {vesc.port} is gone"):
        car.command(CarCommand(1.0, 0.0), time.monotonic())
    began_s = time.monotonic()
    car.close()
    assert time.monotonic() - began_s < 1.0
    with pytest.raises(DeviceError, match="the car is not connected"):
        car.read(0.0)
    with pytest.raises(DeviceError, match="cannot be opened"):
        car.connect()


def test_closing_brakes_first_and_frees_the_port(car, vesc):
    drive(car)
    car.close()
    with vesc.lock:
        assert vesc.motor.erpm == 0.0 and vesc.heard[Command.SET_BRAKE] > 0
        assert vesc.motor.command[0] in (Command.SET_BRAKE, Command.SET_CURRENT)  # brakes, or has let go
    car.close()
    again = make(config(vesc))
    again.connect()
    assert not [t for t in threading.enumerate() if t.name == "car watchdog" and t is not again._thread]
    again.close()


def test_noise_and_lost_answers_stop_nothing(car, vesc):
    vesc.faults.noise = b"\x02\xff\x03"
    drive(car)
    for _ in range(5):
        vesc.faults.drop = 1
        assert drive(car).wheel_mps > 2.0


def test_many_threads_at_once_get_whole_answers(car):
    wrong, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                assert car.read(time.monotonic()).battery_v == pytest.approx(11.5, abs=0.6)
            except (DeviceError, AssertionError) as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        car.command(CarCommand(2.0, 0.1), time.monotonic())
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"speed_to_erpm_gain": 0.0}, "speed_to_erpm_gain=0 must not be 0"),
        ({"servo_min": 0.6}, "must rise in"),
        ({"speed_min": 100.0}, "must enclose 0"),
        ({"brake_current_a": 0.0}, r"brake_current_a=0.0 must lie in \(0, 100\]"),
        ({"wheelbase": math.nan}, "wheelbase=nan must be a number"),
        ({"watchdog_s": 2.0}, "'watchdog_s' is 2.0 s"),
        ({"firmware_timeout_s": 2.0}, "firmware_timeout_s=2.0 must lie in"),
        ({"reply_s": 0.05}, r"reply_s=0.05 times tries=2 must not exceed 0.3 of watchdog_s=0.1"),
    ],
)
def test_wrong_settings_are_refused(change, line):
    with pytest.raises(ConfigError, match=line):
        Config(port="none", **change)


def test_speeds_by_hand():
    car = Config(port="none", speed_to_erpm_offset=100.0)
    assert car.erpm(2.0) == pytest.approx(9328.0) and car.wheel_mps(9328.0) == pytest.approx(2.0)
    assert car.wheel_mps(230.0) == 0.0 and car.erpm(10.0) == 23250.0 and car.erpm(-10.0) == -23250.0
