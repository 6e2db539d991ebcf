"""The wire format: what goes in comes out, and nothing else gets through."""

import zlib

import msgspec
import numpy as np
import pytest
from bench.faults_transport import fault_7
from bench.transport_rig import LAYOUT, SPEC, batch
from hypothesis import given, settings
from hypothesis import strategies as st

from sandlot.learners import wire
from sandlot.learners.errors import FrameError, RecordError
from sandlot.learners.schema import Stream

STREAM = Stream("a", "r", 1, 2)


def frames_of(made):
    return [bytes(f) for f in wire.encode_steps(3, made)]


def decode_batch(frames, max_steps=100):
    message, payloads = wire.decode(frames)
    return wire.decode_steps(message, payloads, LAYOUT, max_steps)


@given(first=st.integers(0, 10**9), count=st.integers(1, 60))
@settings(max_examples=50, deadline=None)
def test_steps_arrive_byte_for_byte(first, count):
    sent = batch(first, count, STREAM)
    got = decode_batch(frames_of(sent))
    assert got.stream == STREAM
    assert got.steps.tobytes() == sent.steps.tobytes()
    assert got.finals.tobytes() == sent.finals.tobytes()
    assert got.first == first
    assert got.nbytes == sent.nbytes


def test_decoded_steps_are_views_and_cannot_be_written():
    frames = frames_of(batch(0, 3))
    got = decode_batch(frames)
    assert np.shares_memory(got.steps, np.frombuffer(frames[1], np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        got.steps["reward"] = 1


@given(
    st.sampled_from(
        [
            wire.Hello(1, "a", "r", SPEC, {"n_step": "1"}, (STREAM,)),
            wire.Welcome(1, "run", 2, 100, (wire.Cursor(STREAM, 7),)),
            wire.Refused(0, "spec", "field 'x'"),
            wire.Ack(1, (wire.Cursor(STREAM, 7),), {"trained": 3.5}, "disk full"),
            wire.WantWeights(1, 2, -1),
            wire.Weights(1, "run", 2, 3, 4, "arch", "0" * 64),
            wire.Status(1, {"jitter_ms": 0.5}),
        ]
    ),
    st.binary(max_size=50),
)
def test_messages_arrive_as_they_were(message, payload):
    frames = [bytes(f) for f in wire.encode(message, payload)]
    if not isinstance(message, wire.Weights):
        with pytest.raises(FrameError, match="has 1 frame, not 2"):
            wire.decode(frames)
        frames.pop()
    got, payloads = wire.decode(frames)
    assert got == message
    assert payloads == frames[1:]


@pytest.mark.parametrize("bit", range(0, 300, 7))
def test_any_flipped_bit_is_found(bit):
    frames = [bytearray(f) for f in frames_of(batch(0, 30))]
    for frame in frames:
        frame[bit // 8 % len(frame)] ^= 1 << bit % 8
        with pytest.raises(FrameError):
            decode_batch(frames)
        frame[bit // 8 % len(frame)] ^= 1 << bit % 8
    assert len(decode_batch(frames).steps) == 30


def test_steps_that_do_not_have_their_checksum_are_refused():
    made = batch(0, 3)
    with pytest.raises(FrameError, match="checksum .* instead of 00000001: damaged"):
        decode_batch(wire.encode_steps(1, made._replace(crc=1)))
    arrived = decode_batch(wire.encode_steps(1, made))
    assert arrived.crc == zlib.crc32(made.steps.tobytes(), zlib.crc32(made.finals.tobytes()))


def test_another_protocol_is_named_with_the_way_out():
    frame = bytearray(wire.encode(wire.Status(1))[0])
    frame[3] = 9
    with pytest.raises(FrameError, match=r"field 'protocol': 9 != 2; install the same version"):
        wire.decode([bytes(frame)])


def test_sizes_are_checked_against_the_dtype():
    sent = batch(0, 3)
    message = wire.Steps(1, STREAM, 0, 2, 0, 0)
    with pytest.raises(FrameError, match="2 steps need"):
        decode_batch(wire.encode(message, wire.raw(sent.steps)))


@pytest.mark.parametrize("count", [0, 101, 2**60])
def test_a_count_out_of_bounds_is_refused_before_anything_is_decoded(count):
    message = wire.Steps(1, STREAM, 0, count, 0, 0)
    with pytest.raises(FrameError, match=f"field 'count': {count} steps.*1 to 100"):
        decode_batch(wire.encode(message, b"x"))


def test_unknown_and_mistyped_fields_are_refused():
    header = msgspec.to_builtins(wire.Status(1))
    for change in ({"more": 1}, {"session": "1"}, {"session": -1}, {"values": {"x": "y"}}):
        with pytest.raises(FrameError, match="header"):
            wire.decode(wire.encode_raw(msgspec.msgpack.encode({**header, **change})))


def test_names_must_be_plain():
    for name in ("", "a/b", "x" * 65, "a b"):
        with pytest.raises(FrameError, match="actor"):
            wire.decode(wire.encode(wire.Hello(1, name, "r", SPEC, {})))


def test_steps_that_break_the_schema_are_named():
    sent = batch(0, 3)
    sent.steps["reward"][1] = np.nan
    with pytest.raises(RecordError, match="field 'reward' of step 1 is nan"):
        decode_batch(frames_of(sent))


def test_first_step_must_be_the_arrays():
    sent = batch(5, 3)
    message = wire.Steps(1, STREAM, 4, 3, 0, sent.checksum())
    with pytest.raises(FrameError, match="field 'first_step': 4 != 5"):
        decode_batch(wire.encode(message, wire.raw(sent.steps)))


def test_damaged_frames_raise_nothing_but_frame_and_record_errors():
    assert fault_7(injections=3000, seed=3)["violations"] == 0
