"""The wire against known packets; a parser that noise cannot stop."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots.vesc import protocol, values
from sandlot.robots.vesc.protocol import Command, Parser
from sandlot.robots.vesc.values import Firmware, FirmwareError, Values

KNOWN = {
    "02 01 00 00 00 03": protocol.ask(Command.FW_VERSION),
    "02 01 04 40 84 03": protocol.ask(Command.GET_VALUES),
    "02 05 08 00 00 10 68 ec f0 03": protocol.set_rpm(4200),
    "02 05 08 ff ff ef 98 84 d0 03": protocol.set_rpm(-4200),
    "02 05 08 00 00 00 00 02 2d 03": protocol.set_rpm(0),
    "02 05 06 00 00 00 00 cd 85 03": protocol.set_current(0),
    "02 05 07 00 00 27 10 ea 94 03": protocol.set_brake(10),
    "02 03 0c 01 f4 e9 cb 03": protocol.set_servo(0.5),
    "02 01 1e f3 ff 03": protocol.ask(Command.ALIVE),
    "02 03 41 ff ff 37 92 03": protocol.ask_imu(),
}


@pytest.mark.parametrize("wire", KNOWN)
def test_known_packets(wire):
    assert KNOWN[wire] == bytes.fromhex(wire)
    assert Parser().feed(KNOWN[wire]) == [bytes.fromhex(wire)[2:-3]]


def divided(data):
    """The remainder of the data, as a polynomial over GF(2), times x^16 by x^16 + x^12 + x^5 + 1."""
    number = int.from_bytes(data, "big") << 16
    while number.bit_length() > 16:
        number ^= 0x11021 << (number.bit_length() - 17)
    return number


@given(st.binary(max_size=300))
def test_the_crc_is_the_remainder_of_a_long_division(data):
    assert protocol.crc16(data) == divided(data)


def test_the_crc_of_the_usual_check_string():
    assert protocol.crc16(b"123456789") == 0x31C3


def test_numbers_that_do_not_fit_are_refused():
    for wrong in (float("nan"), float("inf"), 1e10):
        with pytest.raises((ValueError, OverflowError, struct.error)):
            protocol.set_rpm(wrong)
    for payload in (b"", bytes(513)):
        with pytest.raises(ValueError, match="it must have 1 to 512"):
            protocol.frame(payload)


PAYLOADS = st.lists(
    st.binary(min_size=1, max_size=20) | st.binary(min_size=250, max_size=512), min_size=1, max_size=4
)


@given(PAYLOADS, st.binary(max_size=30), st.data())
def test_frames_are_found_whatever_comes_before_and_however_they_are_cut(payloads, noise, data):
    noise = noise.replace(b"\x02", b"\x04").replace(b"\x03", b"\x04")
    wire = noise + b"".join(map(protocol.frame, payloads))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    parser, found = Parser(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += parser.feed(wire[start:end])
    assert found == payloads and parser.skipped == len(noise) and not parser.crc_errors


@pytest.mark.parametrize(
    "noise", [b"\x02", b"\x03", b"\x03\x02", b"\x02\xff", b"\x03\x01\xff", b"\x02\x05\x08"]
)
def test_noise_that_looks_like_a_start_makes_no_later_frame_wait(noise):
    parser, good = Parser(), protocol.frame(values.write_values(Values(30, 30, 1, 1, 0.1, 4200, 11.5)))
    assert [len(p) for p in parser.feed(noise + good)] == [74]
    assert parser.feed(b"") == [] and parser.skipped == len(noise)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_wrong_bit_is_never_taken_for_an_answer(payload, data):
    wire = bytearray(protocol.frame(payload))
    where = data.draw(st.integers(0, 8 * len(wire) - 1))
    wire[where // 8] ^= 1 << where % 8
    parser = Parser()
    assert payload not in parser.feed(bytes(wire))
    assert parser.feed(protocol.frame(b"ok"))[-1:] == [b"ok"]


def test_a_million_bytes_of_noise_and_what_comes_between():
    rng = np.random.default_rng(0)
    parser, found, sent = Parser(), [], 0
    for _ in range(2000):
        found += [p for p in parser.feed(rng.bytes(500)) if p == b"good"]
        if rng.random() < 0.1:
            found += [p for p in parser.feed(protocol.frame(b"good")) if p == b"good"]
            sent += 1
        assert len(parser._buffer) <= protocol.MAX_PAYLOAD + 6
    assert len(found) == sent > 100


FULL = Values(31.5, 40.1, 12.34, 5.67, 0.123, -4200, 11.7, 1.2345, 0.1, 13.5, 0.2, -1234, 5678, 4, 7, 3)


@pytest.mark.parametrize("size", values.SIZES)
def test_measurements_of_every_length(size):
    found = values.read_values(values.write_values(FULL, size))
    assert found[:14] == pytest.approx(FULL[:14])
    assert found.controller == (7 if size >= 59 else 0) and found.timed_out is found.killed is (size == 74)
    assert found.fault_text == "absolute over current"


def test_offsets_by_hand():
    payload = values.write_values(FULL)
    assert len(payload) == 74 and values.SIZES == (54, 58, 59, 65, 73, 74)
    assert struct.unpack_from(">i", payload, 23) == (-4200,) and struct.unpack_from(">h", payload, 27) == (
        117,
    )
    assert (payload[53], payload[58], payload[73]) == (4, 7, 3)
    assert struct.unpack_from(">i", payload, 45) == (-1234,) and struct.unpack_from(">h", payload, 21) == (
        123,
    )


@pytest.mark.parametrize("size", [1, 30, 56, 60, 72])
def test_measurements_of_an_unknown_length_are_refused(size):
    with pytest.raises(FirmwareError, match=f"are {size} bytes long, known are 54, .* VESC Tool"):
        values.read_values((values.write_values(FULL))[:size])
    assert values.read_values(values.write_values(FULL) + bytes(8)) == values.read_values(
        values.write_values(FULL)
    )


def test_who_answers():
    board = Firmware(6, 5, "60_MK6", "00112233445566778899aabb")
    assert values.read_firmware(values.write_firmware(board)) == board
    assert str(board) == "firmware 6.05 on '60_MK6'"
    for wrong in (Firmware(2, 18, "old", ""), Firmware(3, 32, "old", "")):
        with pytest.raises(FirmwareError, match=f"{wrong.major}.{wrong.minor} on 'old' is too old"):
            values.read_firmware(values.write_firmware(wrong))
    with pytest.raises(FirmwareError, match="does not say"):
        values.read_firmware(b"\0")
    assert Values(*FULL[:13], 99).fault_text == "fault 99" and not Values(*FULL[:13]).fault_text


@given(st.binary(min_size=1, max_size=200))
def test_any_reply_is_read_or_refused(payload):
    for read in (values.read_values, values.read_firmware):
        try:
            read(payload)
        except FirmwareError:
            continue
