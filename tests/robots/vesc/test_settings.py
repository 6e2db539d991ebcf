"""The timeout in the app settings: bytes by hand, and what is laid out otherwise is not guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots.serial_port import Patience, Port
from sandlot.robots.vesc.emulator import Emulator
from sandlot.robots.vesc.host import Host
from sandlot.robots.vesc.motor import MotorConfig
from sandlot.robots.vesc.settings import Timeout, read_timeout, write_timeout


def test_bytes_by_hand():
    # id 17, a signature, controller 7, 80 ms, 20.0 as a float: sign 0, exponent 131, fraction 0.25
    payload = bytes.fromhex("11 dead beef 07 00000050 41a00000") + b"\x01\x02"
    assert read_timeout(payload) == Timeout(0.08, 20.0)


@pytest.mark.parametrize(
    "payload",
    [
        "", "11 dead beef 07 00000050", "12 dead beef 07 00000050 41a00000",
        "11 dead beef 07 00ffffff 41a00000", "11 dead beef 07 00000050 7fc00000",
        "11 dead beef 07 00000050 c1a00000",
    ],
)  # fmt: skip
def test_another_layout_is_not_read(payload):
    assert read_timeout(bytes.fromhex(payload)) is None


@given(st.integers(0, 100_000), st.floats(0, 1000, width=32))
def test_what_is_written_is_read(timeout_ms, brake_a):
    found = read_timeout(write_timeout(Timeout(timeout_ms / 1e3, brake_a)))
    assert found == Timeout(pytest.approx(timeout_ms / 1e3), brake_a)


def test_an_emulated_vesc_tells_its_own():
    vesc = Emulator(MotorConfig(timeout_s=0.25, timeout_brake_a=12.5))
    vesc.start()
    host = Host(Port(vesc.port, 115200), Patience(reply_s=0.1))
    assert host.timeout() == Timeout(0.25, 12.5)
    vesc.tells_settings = False
    assert host.timeout() is None
    host.close()
    vesc.close()
