"""The messages between actor and learner, byte for byte.

A message is a list of frames. The first is an 8-byte preamble (magic, protocol, CRC-32 of the header) and a
msgpack header; the others are raw arrays or weights, whose CRC-32 or digest is in the header. Every size is
checked against the dtype before anything is decoded, nothing is compressed, no byte of a message is ever run.
"""

import hashlib
import struct
import zlib
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from sandlot.learners.errors import ConfigError, FrameError
from sandlot.learners.schema import EnvSpec, Stream, check_steps, obs_dtype, step_dtype

PROTOCOL = 2
MAGIC = b"SLT"
PREAMBLE = struct.Struct("<3sBI")
MAX_HEADER_BYTES = 1024 * 1024
MAX_STREAMS = 4096
MAX_STEP = 2**62

Buffer = bytes | bytearray | memoryview
Name = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[A-Za-z0-9_.\-]+$")]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_STEP)]
Values = Annotated[dict[Annotated[str, msgspec.Meta(max_length=64)], float], msgspec.Meta(max_length=256)]
Settings = Annotated[dict[Name, Text], msgspec.Meta(max_length=256)]


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """What every message carries: which hello it belongs to. Answers to an older hello are ignored."""

    session: Count


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """All steps of `stream` before `next_step` are committed."""

    stream: Stream
    next_step: Count


Cursors = Annotated[tuple[Cursor, ...], msgspec.Meta(max_length=MAX_STREAMS)]


class Hello(Message, frozen=True):
    """Actor: who I am, what I observe, and of which streams I still hold steps."""

    actor: Name
    run: Name
    spec: EnvSpec
    config: Settings
    streams: Annotated[tuple[Stream, ...], msgspec.Meta(max_length=MAX_STREAMS)] = ()


class Welcome(Message, frozen=True):
    """Learner: accepted; send each stream from its cursor, with at most `window_bytes` unacknowledged."""

    learner_run: Name
    generation: Count
    window_bytes: Count
    cursors: Cursors


class Refused(Message, frozen=True):
    """Learner: not accepted, and why. `code` is one word for programs, `text` one line for people."""

    code: Name
    text: Text


class Steps(Message, frozen=True):
    """Actor: `count` consecutive steps of one stream; frames: steps and, if there are any, finals.

    `crc` is the batch's `checksum`.
    """

    stream: Stream
    first_step: Count
    count: Count
    finals: Count
    crc: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class Ack(Message, frozen=True):
    """Learner: committed up to here; also the answer to a Status. `alarm` says why commits wait, or ''."""

    cursors: Cursors = ()
    info: Values = {}
    alarm: Text = ""


class WantWeights(Message, frozen=True):
    """Actor: send weights newer than these as soon as there are any. At most one is outstanding."""

    generation: Count
    version: Annotated[int, msgspec.Meta(ge=-1, le=MAX_STEP)]


class Weights(Message, frozen=True):
    """Learner: the newest policy; frame: the payload, whose SHA-256 is `digest`."""

    run: Name
    generation: Count
    version: Count
    step: Count
    architecture: Text
    digest: Annotated[str, msgspec.Meta(max_length=64)]

    def to(self, session: int) -> "Weights":
        """The same for one actor's session."""
        return msgspec.structs.replace(self, session=session)


class Status(Message, frozen=True):
    """Actor: alive, and these are its figures (spool, policy age, loop jitter, ...)."""

    values: Values = {}


AnyMessage = Hello | Welcome | Refused | Steps | Ack | WantWeights | Weights | Status
_DECODER = msgspec.msgpack.Decoder(AnyMessage, strict=True)
_ENCODER = msgspec.msgpack.Encoder()


class Layout(NamedTuple):
    """A spec with its two record types, made once."""

    spec: EnvSpec
    step: np.dtype
    final: np.dtype

    @classmethod
    def of(cls, spec: EnvSpec) -> "Layout":
        """The layout of a checked spec."""
        return cls(spec.check(), step_dtype(spec), obs_dtype(spec))


class Batch(NamedTuple):
    """Consecutive steps [n] of one stream, with the next observation (`finals`) of each ended one.

    `crc` is its `checksum` where that is known: computed once at the actor, it goes with the steps through
    the spool and over the wire into the store. Arrays whose checksum is known must not change.
    """

    stream: Stream
    steps: np.ndarray
    finals: np.ndarray
    crc: int | None = None

    @property
    def first(self) -> int:
        """The first step's number."""
        return int(self.steps["step"][0])

    @property
    def nbytes(self) -> int:
        """Size of both arrays, bytes."""
        return self.steps.nbytes + self.finals.nbytes

    def checksum(self) -> int:
        """CRC-32 of the finals and then the steps."""
        if self.crc is not None:
            return self.crc
        steps, finals = np.ascontiguousarray(self.steps), np.ascontiguousarray(self.finals)
        return zlib.crc32(raw(steps), zlib.crc32(raw(finals)))

    def sealed(self) -> "Batch":
        """The same with its checksum known."""
        return self._replace(crc=self.checksum())


def raw(array: np.ndarray) -> memoryview:
    """The bytes of a contiguous array, not copied."""
    return array.view(np.uint8).data if array.size else memoryview(b"")


def owned(array: np.ndarray) -> np.ndarray:
    """The array itself when nobody else can write to it, else a copy; read-only."""
    array = array if array.base is None and array.flags.c_contiguous else array.copy()
    array.flags.writeable = False
    return array


def encode(message: Message, *payloads: Buffer) -> list[Buffer]:
    """The frames of a message; the payloads are not copied."""
    return encode_raw(_ENCODER.encode(message), *payloads)


def encode_raw(header: bytes, *payloads: Buffer) -> list[Buffer]:
    """The frames of a header that is encoded already."""
    return [PREAMBLE.pack(MAGIC, PROTOCOL, zlib.crc32(header)) + header, *payloads]


def encode_steps(session: int, batch: Batch) -> list[Buffer]:
    """The frames of a Steps message; the arrays must be contiguous and are not copied."""
    count, finals = len(batch.steps), len(batch.finals)
    message = Steps(session, batch.stream, batch.first, count, finals, batch.checksum())
    return encode(message, *(raw(array) for array in (batch.steps, batch.finals) if len(array)))


def check_sendable(message: Message, what: str) -> None:
    """Raises ConfigError when the other end would refuse a message for its names or sizes."""
    try:
        decode(encode(message))
    except FrameError as error:
        raise ConfigError(
            f"{what} cannot be sent: {error}; names are 1 to 64 of A-Z a-z 0-9 _ - ."
        ) from error


def decode(frames: Sequence[Buffer]) -> tuple[AnyMessage, Sequence[Buffer]]:
    """Returns the message and its payload frames; raises FrameError when anything is not as it must be.

    The payload of a Steps message is checked by `decode_steps`, that of Weights by its digest.
    """
    if not 1 <= len(frames) <= 3 or not PREAMBLE.size < len(frames[0]) <= MAX_HEADER_BYTES:
        raise FrameError(
            f"{len(frames)} frames, the first of {len(frames[0]) if frames else 0} bytes: no message"
        )
    magic, protocol, crc = PREAMBLE.unpack_from(frames[0])
    if magic != MAGIC:
        raise FrameError(f"a message begins with {MAGIC!r}, not {magic!r}")
    if protocol != PROTOCOL:
        raise FrameError(
            f"field 'protocol': {protocol} != {PROTOCOL}; install the same version on both machines"
        )
    header = memoryview(frames[0])[PREAMBLE.size :]
    _check_crc(zlib.crc32(header), crc)
    try:
        message = _DECODER.decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise FrameError(f"header: {error}") from error
    if len(frames) > 1 and not isinstance(message, Steps | Weights):
        raise FrameError(f"a {type(message).__name__} has 1 frame, not {len(frames)}")
    return message, frames[1:]


def _check_crc(actual: int, said: int) -> None:
    if actual != said:
        raise FrameError(f"checksum {actual:08x} instead of {said:08x}: damaged on the way")


def decode_steps(message: Steps, frames: Sequence[Buffer], layout: Layout, max_steps: int) -> Batch:
    """The batch of a Steps message as read-only views of its frames; every size is checked first."""
    if not 1 <= message.count <= max_steps or message.finals > message.count:
        raise FrameError(
            f"field 'count': {message.count} steps, {message.finals} finals; 1 to {max_steps} steps may be"
        )
    expected = [message.count * layout.step.itemsize]
    if message.finals:
        expected.append(message.finals * layout.final.itemsize)
    if [len(f) for f in frames] != expected:
        raise FrameError(
            f"frames of {[len(f) for f in frames]} bytes, but {message.count} steps need {expected}"
        )
    steps = np.frombuffer(frames[0], layout.step)
    finals = np.frombuffer(frames[1], layout.final) if message.finals else np.zeros(0, layout.final)
    batch = Batch(message.stream, steps, finals)
    _check_crc(batch.checksum(), message.crc)
    check_steps(steps, finals, layout.spec)
    if int(steps["step"][0]) != message.first_step:
        raise FrameError(f"field 'first_step': {message.first_step} != {int(steps['step'][0])} in the array")
    return batch._replace(crc=message.crc)


def digest(payload: Buffer) -> str:
    """SHA-256 of some weights, hex."""
    return hashlib.sha256(payload).hexdigest()
