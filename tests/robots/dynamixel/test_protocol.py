"""The wire against the manual's own packets and a CRC by long division; a parser that noise cannot stop."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandlot.robots.dynamixel import protocol
from sandlot.robots.dynamixel.protocol import Error, Packet, Parser, Status

HAND = {  # packets printed in the e-manual
    "ping id 1": ("FF FF FD 00 01 03 00 01 19 4E", 1, 0x01, ""),
    "its answer": ("FF FF FD 00 01 07 00 55 00 06 04 26 65 5D", 1, 0x55, "00 06 04 26"),
    "read 132, 4": ("FF FF FD 00 01 07 00 02 84 00 04 00 1D 15", 1, 0x02, "84 00 04 00"),
    "its answer, 166": ("FF FF FD 00 01 08 00 55 00 A6 00 00 00 8C C0", 1, 0x55, "00 A6 00 00 00"),
    "write 116, 512": ("FF FF FD 00 01 09 00 03 74 00 00 02 00 00 CA 89", 1, 0x03, "74 00 00 02 00 00"),
    "reboot": ("FF FF FD 00 01 03 00 08 2F 4E", 1, 0x08, ""),
}


def divided(data):
    """The remainder of the data, as a polynomial over GF(2), times x^16 by x^16 + x^15 + x^2 + 1."""
    number = int.from_bytes(data, "big") << 16
    while number.bit_length() > 16:
        number ^= 0x18005 << (number.bit_length() - 17)
    return number


@pytest.mark.parametrize("name", HAND)
def test_packets_of_the_manual(name):
    wire, id_, instruction, parameters = HAND[name]
    wire, parameters = bytes.fromhex(wire), bytes.fromhex(parameters)
    assert protocol.packet(id_, instruction, parameters) == wire
    assert Parser().feed(wire) == [Packet(id_, instruction, parameters)]


@given(st.binary(max_size=300))
def test_the_crc_is_the_remainder_of_a_long_division(data):
    assert protocol.crc16(data) == divided(data)


def test_the_crc_of_the_usual_check_string():
    assert protocol.crc16(b"123456789") == 0xFEE8


HOSTILE = st.lists(st.sampled_from([b"\xff", b"\xfd", b"\x00", b"\xff\xff\xfd", b"\x55"]), max_size=40)


@given(st.integers(0, 252), HOSTILE.map(b"".join))
def test_what_looks_like_a_header_survives_the_wire(id_, parameters):
    wire = protocol.packet(id_, 0x03, parameters)
    assert wire.count(protocol.HEADER) == 1
    assert Parser().feed(wire) == [Packet(id_, 0x03, parameters)]


def test_stuffing_by_hand():
    assert protocol.stuffed(bytes.fromhex("03 FF FF FD FD 01")) == bytes.fromhex("03 FF FF FD FD FD 01")
    assert protocol.unstuffed(bytes.fromhex("03 FF FF FD FD FD 01")) == bytes.fromhex("03 FF FF FD FD 01")
    assert protocol.packet(1, 0x03, bytes.fromhex("FF FF FD"))[5:7] == bytes([7, 0])  # the length counts it


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5), st.binary(max_size=30), st.data())
def test_packets_are_found_whatever_comes_before_and_however_they_are_cut(bodies, noise, data):
    wire = noise.replace(b"\xff", b"\xfe") + b"".join(protocol.packet(7, 0x55, b) for b in bodies)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    parser, found = Parser(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        found += parser.feed(wire[start:end])
    assert [p.parameters for p in found] == bodies
    assert parser.skipped == len(noise) and parser.crc_errors == 0


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_wrong_bit_is_never_taken_for_an_answer(parameters, data):
    wire = bytearray(protocol.packet(1, 0x55, parameters))
    where = data.draw(st.integers(0, 8 * len(wire) - 1))
    wire[where // 8] ^= 1 << where % 8
    parser = Parser()
    assert parser.feed(bytes(wire)) == []
    parser.clear()
    assert parser.feed(protocol.packet(2, 0x55, b"ok")) == [Packet(2, 0x55, b"ok")]


@given(st.binary(max_size=2000))
def test_noise_is_counted_and_bounded(noise):
    parser = Parser()
    for _ in range(3):
        parser.feed(noise)
    assert len(parser._buffer) <= protocol.MAX_LENGTH + 7


def test_answers_and_what_is_none():
    answer = Parser().feed(protocol.status(3, 0x80 | 4, b"\x01"))[0]
    assert protocol.as_status(answer) == Status(3, Error.RANGE, True, b"\x01")
    assert protocol.as_status(Parser().feed(protocol.status(3, 0x6F))[0]).error is Error.RESULT
    assert protocol.as_status(Packet(3, 0x02, b"\x84")) is None  # the echo of our own question
